package plan

import (
	"slices"
	"testing"
	"time"

	"github.com/metapilot/metapilot/internal/units"
	"github.com/metapilot/metapilot/scaler/model"
)

// What people said, what is known, what would be worth it, what is allowed, what is possible. Whoever changes this changes which reason is shown.
func TestGuardsAskInThisOrder(t *testing.T) {
	want := []string{
		"mode", "pause", "owner", "probe", "missing-data", "fleet-health", "cause", "tolerance", "cooldown", "step", "bounds", "health", "under-way", "watch", "maintenance",
		"fleet-budget", "node-capacity", "fleet-downs",
	}
	var got []string
	for _, g := range guards {
		got = append(got, g.name)
	}
	if !slices.Equal(got, want) {
		t.Errorf("guards ask in the order %q, want %q", got, want)
	}
}

// cure takes away why one guard holds.
type cure struct {
	guard string
	take  func(*model.Observed, *model.Policy)
}

// checkFirstHoldWins has a world in which every guard of the list would hold, and takes their reasons away one after the other.
func checkFirstHoldWins(t *testing.T, o *model.Observed, p *model.Policy, in []cure, then model.Decision) {
	t.Helper()
	for _, c := range in {
		plan := Decide(o, p)
		held := plan.Held
		if plan.Decision != model.Hold || held == nil || held.Guard != c.guard || plan.Reason != held.Says || held.Says == "" {
			t.Fatalf("with all reasons of the guards from %s on: %s by %+v: %s", c.guard, plan.Decision, held, plan.Reason)
		}
		for _, v := range plan.Verdicts[:len(plan.Verdicts)-1] {
			if v.Held {
				t.Errorf("%s was asked after %s had held", c.guard, v.Guard)
			}
		}
		c.take(o, p)
	}
	if plan := Decide(o, p); plan.Decision != then {
		t.Errorf("without any reason to hold: %s: %s", plan.Decision, plan.Reason)
	}
}

func TestFirstHoldOfGrowthWins(t *testing.T) {
	w := newWorld()
	w.build("etcd", 3, true, model.Size{Requests: model.Amounts{CPU: 100, Memory: 100 << 20}, Limits: model.Amounts{Memory: 512 << 20}})
	o, p := &w.o, Defaults()
	for i := range o.Pods {
		o.Pods[i].Node = "n1"
		for k := range 6 {
			o.Pods[i].Usage = append(o.Pods[i].Usage, model.Sample{At: start.Add(time.Duration(k-5) * samplePeriod), CPU: 90, Memory: 100 << 20})
		}
	}
	o.Pods[0].Ready, o.Pods[1].Pending, o.Pods[1].Says = false, "Deferred", "no room"
	o.Foreign, o.Grown = "kubectl", start
	o.Nodes = []model.Node{{Name: "n1", Allocatable: model.Amounts{CPU: 4000, Memory: 8 << 30}}}
	p.Up, p.Paused, p.Tolerance, p.Max.CPU = model.Off, "maintenance", 1000, 100
	checkFirstHoldWins(t, o, &p, []cure{
		{"mode", func(_ *model.Observed, p *model.Policy) { p.Up = model.DryRun }},
		{"pause", func(_ *model.Observed, p *model.Policy) { p.Paused = "" }},
		{"owner", func(o *model.Observed, _ *model.Policy) { o.Foreign = "" }},
		{"tolerance", func(_ *model.Observed, p *model.Policy) { p.Tolerance = 10 }},
		{"cooldown", func(o *model.Observed, _ *model.Policy) { o.Grown = time.Time{} }},
		{"bounds", func(_ *model.Observed, p *model.Policy) { p.Max.CPU = 0 }},
		{"health", func(o *model.Observed, _ *model.Policy) { o.Pods[0].Ready = true }},
		{"under-way", func(o *model.Observed, _ *model.Policy) { o.Pods[1].Pending = "" }},
		{"node-capacity", func(o *model.Observed, _ *model.Policy) { o.Nodes[0].Free.CPU = 1000 }},
	}, model.Up)
}

func TestFirstHoldOfRestartWins(t *testing.T) {
	w := newWorld()
	w.build("kube-apiserver", 2, false, model.Size{Requests: model.Amounts{CPU: 100, Memory: 100 << 20}, Limits: model.Amounts{Memory: 512 << 20}})
	o, p := &w.o, Defaults()
	o.Pods[0].GoMemLimit, o.Pods[1].GoMemLimit = units.GoMemLimit(256<<20), units.GoMemLimit(512<<20)
	o.Pods[1].Ready, o.Pods[1].Size.Limits.Memory = false, 256<<20
	o.Stuck, o.Metrics, o.Shrunk, o.Moves = "it is being removed", "no answer", start, []time.Time{start, start, start, start, start}
	p.Up, p.Paused, p.GroupMoves, p.GroupWithin, o.GroupMoves = model.Off, "maintenance", 1, time.Hour, []time.Time{start}
	checkFirstHoldWins(t, o, &p, []cure{
		{"mode", func(_ *model.Observed, p *model.Policy) { p.Up = model.Auto }},
		{"pause", func(_ *model.Observed, p *model.Policy) { p.Paused = "" }},
		{"owner", func(o *model.Observed, _ *model.Policy) { o.Stuck = "" }},
		{"missing-data", func(o *model.Observed, _ *model.Policy) { o.Metrics = "" }},
		{"cooldown", func(o *model.Observed, _ *model.Policy) { o.Shrunk = time.Time{} }},
		{"health", func(o *model.Observed, _ *model.Policy) { o.Pods[1].Ready = true }},
		{"under-way", func(o *model.Observed, _ *model.Policy) { o.Pods[1].Size = o.Size }},
		{"fleet-budget", func(o *model.Observed, _ *model.Policy) { o.Moves = o.Moves[:4] }},
		{"fleet-budget", func(_ *model.Observed, p *model.Policy) { p.GroupWithin = 0 }},
	}, model.Restart)
}

// large is an etcd of three members that needs a fifth of its memory, and has for longer than the window.
func large() (*model.Observed, *model.Policy) {
	w := newWorld()
	w.build("etcd", 3, true, model.Size{Requests: model.Amounts{CPU: 50, Memory: 256 << 20}, Limits: model.Amounts{Memory: 512 << 20}})
	o, p := &w.o, Defaults()
	for i := range o.Pods {
		uses(&o.Pods[i], 30, 80<<20, 80<<20)
	}
	o.Profile = model.Profile{
		Name: "etcd", Algorithm: "peak-trend", LastSample: start,
		CPU:    model.Recommendation{Target: 40, Upper: 48, Since: start.Add(-72 * time.Hour)},
		Memory: model.Recommendation{Target: 100 << 20, Upper: 120 << 20, Since: start.Add(-72 * time.Hour)},
	}
	o.Idle.Memory = model.Idle{Since: start.Add(-13 * time.Hour), Seen: start.Add(-time.Minute), Highest: 102 << 20}
	o.Windows.Open, p.Down = true, model.Auto
	return o, &p
}

// Its record may be gone, or not be in the cache yet: the status tells when it shrank, and that is enough to wait.
func TestAStepThatNoRecordTellsOfIsWatched(t *testing.T) {
	o, p := large()
	if got := Decide(o, p); got.Decision != model.Down {
		t.Fatalf("%+v", got)
	}
	o.Shrunk = start.Add(time.Second - p.Watch)
	if got := Decide(o, p); got.Decision != model.Hold || got.Held.Guard != "watch" || !got.Held.Until.Equal(start.Add(time.Second)) {
		t.Errorf("%v, held by %+v", got.Decision, got.Held)
	}
	o.Shrunk = start.Add(-p.Watch)
	if got := Decide(o, p); got.Decision != model.Down {
		t.Errorf("after the watch: %v, held by %+v", got.Decision, got.Held)
	}
}

func TestFirstHoldOfShrinkingWins(t *testing.T) {
	o, p := large()
	o.Replaced, o.Stuck, o.Metrics, o.Grown, o.Replicas = true, "it is being removed", "no answer", start, 4
	o.Pods[1].Ready, o.Pods[2].Pending, o.Pods[2].Says = false, "Deferred", "no room"
	o.Lowered = model.Decided{Decision: model.Down, From: o.Size.With(model.Memory, 1<<30, 0), To: o.Size, At: start, Had: start}
	o.Windows, o.Moves, o.Turn = model.Maintenance{}, []time.Time{start, start, start, start, start}, model.Turn{}
	o.Probe, o.Fleet = model.Probe{Asked: true, Failing: true, Says: "no answer"}, model.Fleet{Asked: true, Tenants: 10, Unknown: 6}
	p.Down, p.Up, p.Paused, p.Tolerance, p.DownStep, p.Min.Memory = model.Off, model.Off, "maintenance", 1000, 0, 512<<20
	checkFirstHoldWins(t, o, p, []cure{
		{"mode", func(_ *model.Observed, p *model.Policy) { p.Down = model.Auto }},
		{"mode", func(_ *model.Observed, p *model.Policy) { p.Up = model.Auto }},
		{"pause", func(_ *model.Observed, p *model.Policy) { p.Paused = "" }},
		{"owner", func(o *model.Observed, _ *model.Policy) { o.Stuck = "" }},
		{"probe", func(o *model.Observed, _ *model.Policy) { o.Probe.Failing, o.Probe.Unknown = false, "not asked yet" }},
		{"probe", func(o *model.Observed, _ *model.Policy) { o.Probe.Unknown = "" }},
		{"missing-data", func(o *model.Observed, _ *model.Policy) { o.Metrics = "" }},
		{"fleet-health", func(o *model.Observed, _ *model.Policy) { o.Fleet.Unknown = 5 }},
		{"tolerance", func(_ *model.Observed, p *model.Policy) { p.Tolerance = 10 }},
		{"cooldown", func(o *model.Observed, _ *model.Policy) { o.Grown = time.Time{} }},
		{"step", func(_ *model.Observed, p *model.Policy) { p.DownStep = 25 }},
		{"bounds", func(_ *model.Observed, p *model.Policy) { p.Min.Memory = 0 }},
		{"health", func(o *model.Observed, _ *model.Policy) { o.Pods[1].Ready = true }},
		{"health", func(o *model.Observed, _ *model.Policy) { o.Replicas = 3 }},
		{"under-way", func(o *model.Observed, _ *model.Policy) { o.Pods[2].Pending = "" }},
		{"watch", func(o *model.Observed, p *model.Policy) { o.Lowered.Had = start.Add(-p.Watch) }},
		{"maintenance", func(o *model.Observed, _ *model.Policy) { o.Windows.Open = true }},
		{"fleet-budget", func(o *model.Observed, _ *model.Policy) { o.Moves = o.Moves[:4] }},
		{"fleet-downs", func(o *model.Observed, _ *model.Policy) {
			o.Turn.Says = "the fleet may have 2 steps down within 1h0m0s"
		}},
		{"fleet-downs", func(o *model.Observed, _ *model.Policy) { o.Turn.Open = true }},
	}, model.Down)
}

// A kill disturbs nobody who is not disturbed already, so what only asks for patience does not hold its growth.
func TestKillPassesGuardsThatAskForPatience(t *testing.T) {
	w := newWorld()
	w.build("etcd", 3, true, model.Size{Requests: model.Amounts{CPU: 100, Memory: 100 << 20}, Limits: model.Amounts{Memory: 512 << 20}})
	w.o.Pods[0].Ready, w.o.Pods[1].Terminating, w.o.Pods[2].Pending = false, true, "Deferred"
	w.o.Grown, w.o.Metrics = start, "no answer"
	w.kill(&w.o.Pods[0], 512<<20)
	p := Defaults()
	p.Tolerance = 1000
	if plan := Decide(&w.o, &p); plan.Decision != model.Up || plan.To.Limits.Memory != 768<<20 {
		t.Errorf("%s to %s: %s", plan.Decision, words(plan.To), plan.Reason)
	}
}
