package plan

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/metapilot/metapilot/internal/units"
	"github.com/metapilot/metapilot/scaler/model"
)

// dice draws from a seed.
type dice struct{ *rand.Rand }

func (d dice) one(of int) bool { return d.IntN(of) == 0 }
func (d dice) span(most time.Duration) time.Duration {
	return time.Duration(d.Int64N(int64(most))).Truncate(time.Second)
}

// randomCase is a component in any state that a healthy controller may see it in, and any policy that the API lets pass.
func randomCase(seed uint64) (*model.Observed, *model.Policy) {
	d := dice{rand.New(rand.NewPCG(seed, 3))}
	p := d.policy()
	o := &model.Observed{Now: start, Component: "x", Quorum: d.one(2), Size: d.size()}
	if d.one(4) {
		o.Nodes = d.nodes(o.Size)
	}
	older := o.Size
	if d.one(3) {
		older = o.Size.With(model.Memory, max(o.Size.Steered(model.Memory)/2, 1<<20), 0)
	}
	for i := range 1 + d.IntN(3) {
		o.Pods = append(o.Pods, d.pod(o, i, older))
	}
	d.kills(o, p)
	d.past(o, older)
	if d.one(8) {
		o.Metrics = "no answer"
	}
	d.profile(o, p)
	if d.one(3) {
		d.oversize(o)
	}
	d.readings(o, p)
	o.Turn.Open = !d.one(8)
	return o, p
}

// profile is what a recommender may say, and what was known of it before.
func (d dice) profile(o *model.Observed, p *model.Policy) {
	p.Down = []model.Mode{model.Auto, model.Auto, model.DryRun, model.Off}[d.IntN(4)]
	if d.one(4) {
		p.Below, p.DownStep, p.DownWindow, p.Watch, p.DownCooldown = 1+d.Int64N(99), 1+d.Int64N(99), d.span(24*time.Hour), d.span(2*time.Hour), d.span(8*time.Hour)
	}
	if d.one(6) {
		o.Profile.Unknown = "there is none"
		return
	}
	o.Profile = model.Profile{Name: "x", Algorithm: "auto", LastSample: start.Add(-d.span(11 * time.Minute))}
	for _, r := range [...]model.Resource{model.CPU, model.Memory} {
		target := int64(float64(o.Size.Steered(r)) * d.Float64() * 1.3)
		*o.Profile.Of(r) = model.Recommendation{Target: target, Upper: target + target/5, Since: start.Add(-d.span(96 * time.Hour)), Gaps: d.Int64N(25)}
		if d.one(2) {
			*o.Idle.Of(r) = model.Idle{Since: start.Add(-d.span(30 * time.Hour)), Seen: start.Add(-d.span(15 * time.Minute)), Highest: target}
		}
	}
}

// oversize makes a component that may shrink, but for a blemish now and then.
func (d dice) oversize(o *model.Observed) {
	o.Kills, o.Grown, o.Metrics, o.Reverted = nil, time.Time{}, "", model.Decided{}
	o.Windows.Open = d.one(2)
	for i := range o.Pods {
		pod := &o.Pods[i]
		*pod = model.Pod{Name: pod.Name, Node: pod.Node, Size: o.Size, Actual: o.Size, Running: true, Ready: !d.one(12), Placed: true}
		share := d.Float64() * 0.45
		uses(pod, int64(share*float64(o.Size.Requests.CPU)), int64(share*float64(o.Size.Steered(model.Memory))), int64(share*float64(o.Size.Steered(model.Memory))))
	}
	o.Profile.LastSample = start
	for _, r := range [...]model.Resource{model.CPU, model.Memory} {
		target := 1 + int64(float64(o.Size.Steered(r))*d.Float64()*0.45)
		*o.Profile.Of(r) = model.Recommendation{Target: target, Upper: target, Since: start.Add(-20*time.Hour - d.span(72*time.Hour))}
		*o.Idle.Of(r) = model.Idle{Since: start.Add(-11*time.Hour - d.span(20*time.Hour)), Seen: start.Add(-d.span(4 * time.Minute)), Highest: target}
	}
	if before := o.Size.With(model.Memory, o.Size.Steered(model.Memory)*4/3, 0); d.one(3) {
		down := model.Decided{Decision: model.Down, From: before, To: o.Size, At: start.Add(-d.span(3 * time.Hour)), Stored: true}
		down.Had = down.At.Add(time.Minute)
		o.Remember(down)
		if d.one(4) {
			o.Kills = []model.Kill{{Pod: o.Pods[0].Name, Container: "k", At: start.Add(-d.span(time.Hour)), Limit: o.Size.Steered(model.Memory)}}
		}
	}
}

func (d dice) policy() *model.Policy {
	p := Defaults()
	p.Up = []model.Mode{model.Auto, model.Auto, model.Auto, model.DryRun, model.Off}[d.IntN(5)]
	if d.one(10) {
		p.Paused, p.PausedUntil = "maintenance", start.Add(d.span(2*time.Hour)-time.Hour)
	}
	if d.one(3) {
		p.Max = model.Amounts{CPU: 1 + d.Int64N(4000), Memory: 1 + d.Int64N(4<<30)}
		p.Min = model.Amounts{CPU: d.Int64N(p.Max.CPU), Memory: d.Int64N(p.Max.Memory)}
	}
	if d.one(3) {
		p.Factors = []int64{101 + d.Int64N(300), 101 + d.Int64N(900)}
		p.CPU.Above, p.CPU.For, p.CPUTarget = 1+d.Int64N(200), d.span(5*time.Minute), 1+d.Int64N(200)
		p.Memory.Above, p.Memory.For, p.MemoryTarget = 1+d.Int64N(100), d.span(5*time.Minute), 1+d.Int64N(200)
		p.MaxStep, p.Tolerance, p.UpCooldown = 101+d.Int64N(900), 1+d.Int64N(100), time.Second+d.span(time.Hour)
	}
	return &p
}

// size is guaranteed, burstable, or without limits; CPU and memory are drawn from what control planes have.
func (d dice) size() model.Size {
	s := model.Size{Requests: model.Amounts{CPU: 10 + d.Int64N(2000), Memory: 1<<20 + d.Int64N(2<<30)}}
	switch d.IntN(4) {
	case 0:
		s.Limits = s.Requests
	case 1:
		s.Limits = model.Amounts{CPU: s.Requests.CPU * (1 + d.Int64N(3)), Memory: s.Requests.Memory + d.Int64N(2<<30)}
	case 2:
		s.Limits.Memory = s.Requests.Memory + d.Int64N(2<<30)
	}
	return s
}

func (d dice) nodes(size model.Size) (all []model.Node) {
	for i := range 1 + d.IntN(3) {
		free := model.Amounts{CPU: d.Int64N(4000), Memory: d.Int64N(8 << 30)}
		all = append(all, model.Node{
			Name: fmt.Sprintf("n%d", i), Free: free, Closed: d.one(10),
			Allocatable: model.Amounts{CPU: free.CPU + size.Requests.CPU, Memory: free.Memory + size.Requests.Memory},
		})
	}
	return all
}

func (d dice) pod(o *model.Observed, i int, older model.Size) model.Pod {
	pod := model.Pod{Name: fmt.Sprintf("x-%d", i), Size: o.Size, Running: !d.one(8), Placed: true}
	if d.one(4) {
		pod.Size = older
	}
	pod.Actual, pod.Ready, pod.Terminating = pod.Size, pod.Running && !d.one(8), d.one(12)
	if o.Nodes != nil {
		pod.Node = o.Nodes[d.IntN(len(o.Nodes))].Name
	}
	if d.one(8) {
		pod.Actual, pod.Pending, pod.Says = older, []string{"Deferred", "Infeasible"}[d.IntN(2)], "no room"
	}
	if d.one(12) {
		pod.Node, pod.Placed, pod.Running, pod.Ready, pod.Pending, pod.Says = "", false, false, false, "Unschedulable", "no room"
	}
	if d.one(3) {
		pod.GoMemLimit = units.GoMemLimit(older.Limits.Memory)
	}
	cpu, memory, slope := d.Float64()*1.5, d.Float64()*1.1, d.Float64()*0.02-0.01
	for k := range d.IntN(keptSamples + 1) {
		pod.Usage = append([]model.Sample{{
			At: start.Add(-time.Duration(k) * samplePeriod), CPU: int64(cpu * d.noise() * float64(o.Size.Requests.CPU)),
			Memory: max(0, int64((memory*d.noise()-slope*float64(k))*float64(o.Size.Steered(model.Memory)))),
		}}, pod.Usage...)
	}
	return pod
}

func (d dice) noise() float64 { return 0.97 + 0.06*d.Float64() }

// kills are at limits that grew until the decided one, each within reach of the next.
func (d dice) kills(o *model.Observed, p *model.Policy) {
	limit, at := o.Size.Steered(model.Memory), start
	for i := range d.IntN(4) {
		at = at.Add(-d.span(p.RepeatWithin / 3))
		if i > 0 || d.one(2) {
			limit = max(limit*10/(10+d.Int64N(20)), 1)
		}
		o.Kills = append([]model.Kill{{Pod: "x-0", Container: fmt.Sprint(i), At: at, Limit: limit}}, o.Kills...)
	}
}

// past is what was decided before, and when.
func (d dice) past(o *model.Observed, older model.Size) {
	if d.one(2) {
		o.Grown = start.Add(-d.span(time.Hour))
	}
	switch d.IntN(4) {
	case 0:
		o.Remember(model.Decided{Decision: model.Up, From: older, To: o.Size, At: start.Add(-d.span(time.Hour))})
	case 1:
		o.Remember(model.Decided{Decision: model.Hold, Guard: "bounds", To: o.Size, At: start.Add(-d.span(time.Hour))})
	}
	for at := start.Add(-d.span(20 * time.Minute)); at.Before(start); at = at.Add(time.Minute + d.span(5*time.Minute)) {
		o.Moves = append(o.Moves, at)
	}
}

// FuzzDecide draws cases. Each property has its own function below.
func FuzzDecide(f *testing.F) {
	for seed := range uint64(2000) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		o, p := randomCase(seed)
		plan := checkSameBytes(t, seed)
		checkSaysWhy(t, o, &plan)
		checkBounds(t, p, &plan)
		checkSizes(t, &plan)
		checkLess(t, o, p, &plan)
		checkDryRun(t, seed)
		checkForbidden(t, o, p, &plan)
		checkCauses(t, o, p, &plan)
		checkMoreKills(t, seed, &plan)
		checkComesToRest(t, o, p)
		if t.Failed() {
			t.Logf("seed %d: %s: %s\nfrom %s\nto   %s", seed, verb(&plan), plan.Reason, words(plan.From), words(plan.To))
		}
	})
}

// Same input, same bytes; and deciding changes nothing of what it was given.
func checkSameBytes(t *testing.T, seed uint64) model.Plan {
	o, p := randomCase(seed)
	given := encode(t, o, p)
	plan := Decide(o, p)
	if after := encode(t, o, p); after != given {
		t.Errorf("deciding changed what it was given from\n%s to\n%s", given, after)
	}
	other, policy := randomCase(seed)
	if again := Decide(other, policy); encode(t, again) != encode(t, plan) {
		t.Errorf("the same input gave\n%s and\n%s", encode(t, plan), encode(t, again))
	}
	return plan
}

func encode(t *testing.T, values ...any) string {
	t.Helper()
	raw, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// Every plan has a reason, and so has what is held beside it. A hold that knows its end is looked at again then, and not before.
func checkSaysWhy(t *testing.T, o *model.Observed, plan *model.Plan) {
	held := plan.Held
	switch {
	case plan.Reason == "" || Explain(plan) == "":
		t.Error("there is no reason")
	case held == nil && (plan.Decision == model.Hold || plan.To != plan.Wants):
		t.Errorf("it wants %s, gets %s, and nobody holds it", words(plan.Wants), words(plan.To))
	case held != nil && held.Says == "":
		t.Errorf("held without a reason by %+v", held)
	}
	wait := time.Duration(0)
	if held != nil && !held.Until.IsZero() {
		wait = max(held.Until.Sub(o.Now), time.Second)
	}
	if plan.Recheck != wait {
		t.Errorf("held by %+v, and looked at again in %s", held, plan.Recheck)
	}
}

// What changes ends within the bounds, or does not go further out.
func checkBounds(t *testing.T, p *model.Policy, plan *model.Plan) {
	if plan.Decision != model.Up {
		return
	}
	for _, r := range []model.Resource{model.CPU, model.Memory} {
		from, to := plan.From.Steered(r), plan.To.Steered(r)
		if most := p.Max.Of(r); to != from && most > 0 && to > max(most, from) {
			t.Errorf("%s grows to %s, above the bound of %s", r, model.Short(r, to), model.Short(r, most))
		}
	}
}

// Growing lowers nothing, a request stays within its limit, what has no limit gets none, and the QoS class stays.
func checkSizes(t *testing.T, plan *model.Plan) {
	if plan.Decision == model.Revert {
		return // it goes back to what containers have, whatever that is
	}
	from, to := plan.From, plan.To
	for _, r := range []model.Resource{model.CPU, model.Memory} {
		request, limit := to.Requests.Of(r), to.Limits.Of(r)
		if limit > 0 && request > limit {
			t.Errorf("a request of %s is above its limit in %s", r, words(to))
		}
		if (limit > 0) != (from.Limits.Of(r) > 0) {
			t.Errorf("a limit of %s comes or goes: %s to %s", r, words(from), words(to))
		}
		if less := request < from.Requests.Of(r) || limit < from.Limits.Of(r); less && plan.Decision == model.Up {
			t.Errorf("growing lowers %s: %s to %s", r, words(from), words(to))
		}
	}
	if guaranteed := from.Requests == from.Limits; guaranteed != (to.Requests == to.Limits) {
		t.Errorf("a change of the QoS class: %s to %s", words(from), words(to))
	}
	checkChanges(t, plan)
}

func checkChanges(t *testing.T, plan *model.Plan) {
	if (plan.Decision == model.Up || plan.Decision == model.Down) && plan.To == plan.From {
		t.Error("a change of size changes nothing")
	}
}

// Shrinking raises nothing, goes no further than a step, the bounds and what is recommended and used, and rests on knowing all that.
func checkLess(t *testing.T, o *model.Observed, p *model.Policy, plan *model.Plan) {
	if plan.Decision != model.Down {
		return
	}
	if p.Down == model.Off || p.Up == model.Off || o.Metrics != "" || o.Profile.Doubt(o.Now) != "" || o.Now.Sub(o.Grown) < p.DownCooldown {
		t.Errorf("it shrinks, although the modes are %s and %s, usage is unknown because of %q, %s, and it grew at %s", p.Up, p.Down, o.Metrics, o.Profile.Doubt(o.Now), o.Grown)
	}
	if !o.Turn.Open {
		t.Error("it shrinks, although it is not its turn")
	}
	checkPodsAreWell(t, o)
	for _, r := range [...]model.Resource{model.CPU, model.Memory} {
		if plan.To.Steered(r) != plan.From.Steered(r) {
			checkStepDown(t, o, p, plan, r)
			checkReason(t, o, p, r)
		}
	}
}

func checkPodsAreWell(t *testing.T, o *model.Observed) {
	for i := range o.Pods {
		if pod := &o.Pods[i]; !pod.Ready || pod.Terminating || len(pod.Usage) == 0 || pod.Actual != o.Size {
			t.Errorf("it shrinks, although this pod is not well, or nobody knows its use: %+v", *pod)
		}
	}
}

func checkStepDown(t *testing.T, o *model.Observed, p *model.Policy, plan *model.Plan, r model.Resource) {
	from, to := plan.From.Steered(r), plan.To.Steered(r)
	least := max(o.Profile.Of(r).Target, min(p.Min.Of(r), from), from-from*p.DownStep/100)
	if to > from || to < least || plan.To.Requests.Of(r) > plan.From.Requests.Of(r) || plan.To.Limits.Of(r) > plan.From.Limits.Of(r) {
		t.Errorf("%s goes from %d to %d, and at least %d is right", r, from, to, least)
	}
}

func checkReason(t *testing.T, o *model.Observed, p *model.Policy, r model.Resource) {
	known, spell := o.Profile.Of(r), o.Idle.Of(r)
	if p.DownWindow > 0 && o.Now.Sub(spell.Since) < p.DownWindow || o.Now.Sub(known.Since) < 24*time.Hour || known.Gaps > 20 {
		t.Errorf("%s shrinks after %s of %s, known since %s with %d%% of gaps", r, o.Now.Sub(spell.Since), p.DownWindow, known.Since, known.Gaps)
	}
	if r == model.Memory && o.Quorum && !o.Windows.Open {
		t.Error("memory of a quorum shrinks outside of a maintenance window")
	}
}

// A dry run is, byte by byte, what would be done, but that it says so itself.
func checkDryRun(t *testing.T, seed uint64) {
	o, p := randomCase(seed)
	p.Down = model.Auto
	auto := Decide(o, p)
	p.Down = model.DryRun
	dry := Decide(o, p)
	if p.Up == model.Auto && auto.Decision == model.Down && (auto.DryRun || !dry.DryRun) {
		t.Errorf("dry run is %t where it is done, and %t where it is not", auto.DryRun, dry.DryRun)
	}
	auto.DryRun, dry.DryRun = false, false
	if encode(t, auto) != encode(t, dry) {
		t.Errorf("what would be done is\n%s, and a dry run\n%s", encode(t, auto), encode(t, dry))
	}
}

// What people forbid is not done.
func checkForbidden(t *testing.T, o *model.Observed, p *model.Policy, plan *model.Plan) {
	acts := plan.Decision != model.Stay && plan.Decision != model.Hold && !plan.DryRun
	paused := p.Paused != "" && (p.PausedUntil.IsZero() || o.Now.Before(p.PausedUntil))
	if acts && (p.Up != model.Auto || paused) {
		t.Errorf("%s, although the mode is %s and paused is %t", plan.Decision, p.Up, paused)
	}
	if acts && o.Metrics != "" && plan.Decision == model.Restart {
		t.Error("a restart by choice while usage is not known")
	}
}

// One more kill at the decided limit never makes less of what is proposed.
func checkMoreKills(t *testing.T, seed uint64, before *model.Plan) {
	o, p := randomCase(seed)
	o.Kills = append(o.Kills, model.Kill{Pod: "x-0", Container: "more", At: o.Now, Limit: o.Size.Steered(model.Memory)})
	after := Decide(o, p)
	for i, was := range before.Proposals {
		if now := after.Proposals[i]; now.Value < was.Value && !was.Less {
			t.Errorf("with one more kill %s proposes %d, before it was %d", now.Estimator, now.Value, was.Value)
		}
	}
}

// Carried out and looked at again at the same moment, nothing else is changed; and nothing is told a second time.
func checkComesToRest(t *testing.T, o *model.Observed, p *model.Policy) {
	var told []string
	for range 5 {
		plan := Decide(o, p)
		if !plan.Record() {
			break
		}
		told = append(told, fmt.Sprintf("%s: %s", verb(&plan), Explain(&plan)))
		carryOut(o, &plan)
		for i := range o.Pods {
			pod := &o.Pods[i]
			pod.Actual, pod.Pending, pod.Says = pod.Size, "", ""
		}
		if next := Decide(o, p); acts(&plan) && acts(&next) && !less(&next, &plan) {
			t.Errorf("%s, and at once %s: %s", told[len(told)-1], verb(&next), Explain(&next))
		}
	}
	if len(told) > 3 { // what was refused, less than that, and why there is no more
		t.Errorf("told without end: %q", told)
	}
}

// less may be feasible although another size was refused: it asks for less of what was taken back.
func less(next, reverted *model.Plan) bool {
	if reverted.Decision != model.Revert {
		return false
	}
	for _, r := range [...]model.Resource{model.Memory, model.CPU} {
		taken := reverted.From.Requests.Of(r) > reverted.To.Requests.Of(r)
		if taken && next.To.Requests.Of(r) >= reverted.From.Requests.Of(r) {
			return false
		}
		if limit := reverted.From.Steered(r); limit > reverted.To.Steered(r) && next.To.Steered(r) >= limit {
			return false
		}
	}
	return true
}

func acts(p *model.Plan) bool {
	return p.Decision != model.Stay && p.Decision != model.Hold && !p.DryRun
}
