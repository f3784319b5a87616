package fit

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/metapilot/metapilot/scaler/model"
)

// fleet of n tenants whose need follows a rule, with noise of so many percent.
func fleet(seed uint64, n int, noise float64, need func(*model.Scale) float64) []Tenant {
	r := rand.New(rand.NewPCG(seed, 0))
	all := make([]Tenant, n)
	for i := range all {
		nodes := int64(math.Exp(r.Float64()*6) * 2)
		s := model.Scale{Nodes: nodes, Pods: nodes * (5 + r.Int64N(40)), Bytes: nodes * (1 + r.Int64N(8)) << 20, Requests: r.Int64N(nodes*2 + 10)}
		s.Objects = s.Pods * (2 + r.Int64N(9))
		all[i] = Tenant{Scale: s, Need: int64(need(&s) * (1 + noise/100*(2*r.Float64()-1)))}
	}
	return all
}

func rule(s *model.Scale) float64 {
	return 200<<20 + 20_000*float64(s.Objects) + 500_000*float64(s.Requests)
}

func TestARuleIsFound(t *testing.T) {
	for seed := range uint64(20) {
		m, ok := Of(fleet(seed, 200, 10, rule))
		if !ok {
			t.Fatal("no model of 200 tenants")
		}
		if m.Error < 4 || m.Error > 15 || m.Tenants != 200 {
			t.Errorf("seed %d: %d tenants, error %d%%, want 200 and about 9%%, for that is the noise of nine in ten", seed, m.Tenants, m.Error)
		}
		for _, fresh := range fleet(seed+1000, 50, 0, rule) {
			if off := math.Abs(float64(m.Need(&fresh.Scale)-fresh.Need)) / float64(fresh.Need); off > 0.12 {
				t.Errorf("seed %d: %+v needs %d, and the model says %d", seed, fresh.Scale, fresh.Need, m.Need(&fresh.Scale))
			}
		}
	}
}

func TestOddTenantsDoNotBendIt(t *testing.T) {
	all := fleet(1, 200, 5, rule)
	for i := range 20 {
		all[i*10+3].Need *= 20 // a leak, a list storm
	}
	m, _ := Of(all)
	for _, fresh := range fleet(7, 50, 0, rule) {
		if off := float64(m.Need(&fresh.Scale))/float64(fresh.Need) - 1; math.Abs(off) > 0.15 {
			t.Errorf("%+v needs %d, and the model says %d", fresh.Scale, fresh.Need, m.Need(&fresh.Scale))
		}
	}
}

func TestTheErrorIsThatOfTenantsNotSeen(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 0))
	m, _ := Of(fleet(3, 200, 0, func(*model.Scale) float64 { return math.Exp(r.Float64()*5) * 1e8 })) // nothing explains it
	if m.Error < 60 {
		t.Errorf("the error is %d%% although nothing explains the need", m.Error)
	}
}

func TestMoreNeverNeedsLess(t *testing.T) {
	m, _ := Of(fleet(5, 100, 30, func(s *model.Scale) float64 { return 1e9 / (1 + float64(s.Nodes)) })) // it falls
	small, large := model.Scale{Nodes: 1}, model.Scale{Nodes: 1000, Pods: 1000, Objects: 1000, Bytes: 1 << 30, Requests: 1000}
	if m.Need(&large) < m.Need(&small) || m.Need(&small) < 0 {
		t.Errorf("%d for much, %d for little", m.Need(&large), m.Need(&small))
	}
}

func TestTooFewAreNoModel(t *testing.T) {
	all := fleet(1, Least, 5, rule)
	if _, ok := Of(all); !ok {
		t.Errorf("no model of %d tenants", Least)
	}
	all[3].Need = 0 // nothing is known of it
	if _, ok := Of(all); ok {
		t.Errorf("a model of %d tenants", Least-1)
	}
}

func TestWhatNobodyHasCountsForNothing(t *testing.T) {
	all := fleet(1, 100, 5, func(*model.Scale) float64 { return 5e8 })
	for i := range all {
		all[i].Scale.Requests = 0
	}
	m, _ := Of(all)
	if need := m.Need(&model.Scale{Nodes: 10, Requests: 1 << 40}); need < 4e8 || need > 1e9 {
		t.Errorf("a tenant with requests, which the model has never seen, needs %d", need)
	}
}
