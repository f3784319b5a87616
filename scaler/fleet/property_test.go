package fleet

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/metapilot/metapilot/scaler/model"
)

// dice draws from a seed.
type dice struct{ *rand.Rand }

func (d dice) one(of int) bool { return d.IntN(of) == 0 }

func (d dice) budget(most int) Budget {
	return Budget{1 + d.IntN(most), time.Duration(1+d.IntN(240)) * time.Minute}
}

// randomWorld is a fleet of some groups in which all may shrink in the end: regrets may be many, and are forgotten.
func randomWorld(seed uint64) *world {
	d := dice{rand.New(rand.NewPCG(seed, 17))}
	w := &world{now: start, policy: Defaults()}
	for _, b := range []*Budgets{&w.policy.Fleet, &w.policy.PerGroup} {
		b.Downs, b.Regrets = d.budget(40), Budget{d.IntN(4), time.Duration(1+d.IntN(120)) * time.Minute}
	}
	if d.one(2) {
		w.policy.GroupBy, w.policy.Groups = "stage", map[string]Budgets{"g1": {Downs: d.budget(3), Regrets: Budget{1, time.Hour}}}
	}
	for i := range d.IntN(60) {
		w.candidates = append(w.candidates, Candidate{
			Key: Key{"default", fmt.Sprint("t", i), "etcd"}, Group: fmt.Sprint("g", d.IntN(3)), Since: start.Add(-time.Duration(d.IntN(100)) * time.Hour),
			Risk: d.Int64N(8), Saving: model.Amounts{CPU: d.Int64N(4) * 500, Memory: d.Int64N(4) << 30}, DryRun: d.one(4),
		})
	}
	for _, into := range []*[]Event{&w.past.Downs, &w.past.Regrets, &w.past.Dry} {
		for range d.IntN(12) {
			*into = append(*into, Event{start.Add(-time.Duration(d.IntN(300)) * time.Minute), fmt.Sprint("g", d.IntN(3))})
		}
	}
	return w
}

// FuzzPlan draws fleets.
func FuzzPlan(f *testing.F) {
	for seed := range uint64(300) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		checkOrder(t, seed)
		checkStops(t, seed)
		checkServed(t, seed)
	})
}

// The same candidates in another order, and the same past: the same schedule. Nothing of what is given is changed.
func checkOrder(t *testing.T, seed uint64) {
	w, other := randomWorld(seed), randomWorld(seed)
	d := dice{rand.New(rand.NewPCG(seed, 18))}
	d.Shuffle(len(other.candidates), func(i, j int) {
		other.candidates[i], other.candidates[j] = other.candidates[j], other.candidates[i]
	})
	for _, events := range [][]Event{other.past.Downs, other.past.Dry, other.past.Regrets} {
		d.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	}
	if a, b := w.plan(), other.plan(); a != b {
		t.Errorf("one order gave\n%s, and another\n%s", a, b)
	}
	if again := randomWorld(seed); !reflect.DeepEqual(w, again) {
		t.Errorf("planning changed what it was given from\n%+v to\n%+v", again, w)
	}
}

// Where nothing was taken back nothing is stopped; and the stop of one group holds nobody of another.
func checkStops(t *testing.T, seed uint64) {
	w := randomWorld(seed)
	regrets := w.past.Regrets
	w.past.Regrets = nil
	calm := Plan(w.now, &w.policy, &w.past, w.candidates)
	if len(calm.Stops) > 0 {
		t.Errorf("stopped by nothing: %+v", calm.Stops)
	}
	w.past.Regrets = regrets
	s := Plan(w.now, &w.policy, &w.past, w.candidates)
	for i := range s.Places {
		p := &s.Places[i]
		held := slices.ContainsFunc(s.Stops, func(s Stop) bool { return s.Fleet || s.Group == p.Group })
		if held != p.Stopped || p.Stopped && p.Turn.Open {
			t.Errorf("%s of %s: %+v with %+v", p.Name, p.Group, p.Turn, s.Stops)
		}
		if !p.Stopped && !p.Turn.Open && slices.IndexFunc(calm.Places, func(c Place) bool { return c.Key == p.Key && c.Turn.Open }) >= 0 {
			t.Errorf("%s of %s could go if nothing of others were stopped: %+v", p.Name, p.Group, p.Turn)
		}
	}
}

// No limit is passed whenever it is looked, those whose turn it is not know when it is, and everybody has had a turn in the end.
func checkServed(t *testing.T, seed uint64) {
	w := randomWorld(seed)
	past := len(w.past.Downs)
	waiting := func() bool {
		return slices.ContainsFunc(w.candidates, func(c Candidate) bool { return !c.DryRun || !c.Told })
	}
	for range 100_000 {
		if !waiting() {
			break
		}
		w.goOn()
		checkLimits(t, w, past)
		if !waiting() {
			break
		}
		s := Plan(w.now, &w.policy, &w.past, w.candidates)
		if s.Next.IsZero() {
			t.Fatalf("nobody knows when it goes on:\n%s", w.plan())
		}
		w.now = s.Next
	}
	if waiting() {
		t.Fatalf("not all have had their turn:\n%s", w.plan())
	}
}

// checkLimits counts as slowly as it can be done: from each step on, those within the time. What was before the first look is nobody's fault.
func checkLimits(t *testing.T, w *world, before int) {
	ours := w.past.Downs[before:]
	for _, from := range ours {
		all, group := 0, 0
		limit, grouped := w.policy.Of(from.Group)
		for _, e := range ours {
			if since := e.At.Sub(from.At); since >= 0 && since < w.policy.Fleet.Downs.Within {
				all++
			}
			if since := e.At.Sub(from.At); since >= 0 && since < limit.Downs.Within && e.Group == from.Group {
				group++
			}
		}
		if all > w.policy.Fleet.Downs.Count || grouped && group > limit.Downs.Count {
			t.Fatalf("from %s on %d steps of the fleet, and %d of %s: more than %+v and %+v", from.At, all, group, from.Group, w.policy.Fleet.Downs, limit.Downs)
		}
	}
}
