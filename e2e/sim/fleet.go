package sim

import (
	"fmt"
	"math/rand/v2"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/metapilot/metapilot/api/v1alpha1"
	downs "github.com/metapilot/metapilot/scaler/fleet"
	"github.com/metapilot/metapilot/scaler/model"
	"github.com/metapilot/metapilot/scaler/plan"
)

// tenant is one hosted control plane and its ClusterScaler.
type tenant struct {
	name       string
	components []*component
}

// component is one part of a tenant: what is stored of it, its pods, and what the scaler has seen of both.
type component struct {
	name        string
	group       string
	waits       *downs.Candidate // in the status, for its turn to be made smaller
	down        int              // the last step down among those that records tell of
	quorum      bool
	policy      model.Policy
	birth       model.Size
	size        model.Size // stored
	resized     time.Time  // when it was stored last
	restartedAt time.Time  // stored
	replicas    int
	pods        []*pod
	names       int           // of pods so far
	homes       map[int]*node // where the volumes of a quorum's members are
	cpu, memory load
	goMemLimit  bool // its program is told its memory limit at the start

	told    model.Observed // in the API server, in the ClusterScaler's status and in records: kills, when it grew, what was decided, the profile
	use     use            // as the recommender remembers it
	view    []seen         // pods in the scaler's cache
	truth   history
	records map[recordKey]bool
}

// seen is a pod as the scaler's cache has it, with the kills that its status tells of.
type seen struct {
	model.Pod
	kills []model.Kill
}

// presets are the sizes at birth, as operators/tenantcluster/plan has them.
var presets = []struct {
	name                   string
	cpu, request, limit    int64 // thousandths of a core, MiB, MiB
	quorum, told, multiple bool
}{
	{"etcd", 50, 96, 512, true, true, true},
	{"kube-apiserver", 100, 320, 1024, false, true, true},
	{"kube-controller-manager", 30, 96, 512, false, false, false},
	{"kube-scheduler", 20, 64, 256, false, false, false},
}

func newFleet(config Config) *fleet {
	span := time.Duration(config.Days) * 24 * time.Hour
	f := &fleet{
		config: config, random: rand.New(rand.NewPCG(config.Seed, 11)), now: begin, end: begin.Add(span),
		settled: begin.Add(span * 3 / 5), named: map[string]*node{}, queue: newQueue(), report: &Report{Holds: map[string]int{}},
	}
	if config.Seasons {
		f.settled = f.end
	}
	f.quiet = f.settled.Add(grace)
	f.build(config)
	for i := range config.Tenants {
		f.tenants = append(f.tenants, f.tenant(i))
	}
	return f
}

// build makes the nodes: with room for whatever a tenant may grow to, or crowded.
func (f *fleet) build(config Config) {
	each, count := model.Amounts{CPU: 64_000, Memory: 256 << 30}, max(config.Tenants, 3)
	if config.Crowded {
		each, count = model.Amounts{CPU: 1_000, Memory: 6 << 30}, (config.Tenants+1)/2
	}
	for i := range count {
		n := &node{name: fmt.Sprintf("n%d", i), allocatable: each, capacity: each}
		if config.Refusals && f.chance(3) {
			n.capacity.Memory = 1 << 30
		}
		f.nodes, f.named[n.name] = append(f.nodes, n), n
	}
}

func (f *fleet) tenant(i int) *tenant {
	t, spec := &tenant{name: fmt.Sprintf("t%d", i)}, f.spec()
	for _, preset := range presets {
		size := model.Size{
			Requests: model.Amounts{CPU: preset.cpu, Memory: preset.request << 20}, Limits: model.Amounts{Memory: preset.limit << 20},
		}
		if f.chance(10) {
			size.Limits.CPU, size.Requests.Memory = size.Requests.CPU, size.Limits.Memory // guaranteed
		}
		fit := size // for its load
		if f.config.Shrinks {
			size = times(size, 1+f.random.Int64N(roomy))
		}
		c := &component{
			name: t.name + "/" + preset.name, group: []string{"even", "odd"}[i%2], quorum: preset.quorum, policy: plan.PolicyOf(spec, preset.name), birth: size, size: size,
			goMemLimit: f.config.Restarts && preset.told, records: map[recordKey]bool{}, homes: map[int]*node{},
		}
		if f.config.Seasons {
			f.seasonal(c, fit)
		} else {
			c.memory = newLoad(f.random, f.settled, (0.2+0.5*f.random.Float64())*float64(fit.Limits.Memory))
			c.cpu = newLoad(f.random, f.settled, (0.1+0.6*f.random.Float64())*float64(fit.Requests.CPU))
		}
		c.told.Profile.Unknown = "there is no WorkloadProfile of it"
		n := 1
		if preset.multiple {
			n = []int{1, 2, 3}[f.random.IntN(3)]
		}
		if preset.quorum {
			n |= 1
		}
		c.replicas = n
		for number := range n {
			c.pods = append(c.pods, f.newPod(c, number))
		}
		c.look(f)
		t.components = append(t.components, c)
		f.report.Components, f.report.Pods = f.report.Components+1, f.report.Pods+n
	}
	return t
}

// roomy is how many times too large what may shrink begins at most.
const roomy = 6

func times(s model.Size, n int64) model.Size {
	for _, amount := range [...]*int64{&s.Requests.CPU, &s.Requests.Memory, &s.Limits.CPU, &s.Limits.Memory} {
		*amount *= n
	}
	return s
}

// seasonal gives a component loads that come again.
func (f *fleet) seasonal(c *component, fit model.Size) {
	c.memory = newSeason(f.random, f.settled, (0.2+0.8*f.random.Float64())*float64(fit.Limits.Memory))
	c.cpu = newSeason(f.random, f.settled, (0.2+0.8*f.random.Float64())*float64(fit.Requests.CPU))
}

// spec is what a user may write into a ClusterScaler; most write nothing.
func (f *fleet) spec() *v1alpha1.ClusterScalerSpec {
	spec := &v1alpha1.ClusterScalerSpec{}
	if f.config.Shrinks {
		spec.Mode.Down = v1alpha1.ModeAuto
	}
	switch f.random.IntN(12) {
	case 0:
		spec.Mode.Up = v1alpha1.ModeDryRun
	case 1:
		spec.Mode.Up = v1alpha1.ModeOff
	case 2:
		until := metav1.NewTime(begin.Add(time.Duration(f.random.Int64N(int64(f.settled.Sub(begin))))))
		spec.Pause = &v1alpha1.Pause{Reason: "maintenance", Until: &until}
	case 3:
		spec.Defaults.Bounds.Max.Memory = resource.NewQuantity(1<<30+f.random.Int64N(4<<30), resource.BinarySI)
		spec.Defaults.Bounds.Max.CPU = resource.NewMilliQuantity(50+f.random.Int64N(1000), resource.DecimalSI)
	case 4:
		spec.Defaults.Estimators.OOM.FactorsPercent = []v1alpha1.Percent{200}
		spec.Defaults.Cooldown.Up = &metav1.Duration{Duration: 10 * time.Minute}
	case 5:
		off := false
		spec.Defaults.Estimators.Utilization.Enabled = &off
	}
	return spec
}
