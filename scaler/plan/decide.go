package plan

import (
	"strings"
	"time"

	"github.com/metapilot/metapilot/internal/units"
	"github.com/metapilot/metapilot/scaler/estimator"
	"github.com/metapilot/metapilot/scaler/model"
)

// Decide says what to do about a component's size. The result of carrying it out, observed, is left as it is: deciding again stays.
func Decide(o *model.Observed, p *model.Policy) model.Plan {
	plan := model.Plan{From: o.Size, To: o.Size, Smaller: smaller(p), Debt: Debt(o), Proposals: propose(o, p)}
	d := draft{o: o, p: p, to: o.Size}
	switch {
	case d.revert():
	case d.grow(plan.Proposals):
	case d.restart(plan.Debt):
	default:
		plan.Reason = "nothing calls for another size"
		return plan
	}
	plan.Verdicts = d.pass()
	plan.To, plan.Reason, plan.Decision = d.to, d.reason, d.decision
	if held := plan.Held(); held != nil {
		plan.Decision, plan.Reason, plan.Recheck = model.Hold, held.Says, until(o.Now, held.Until)
	}
	plan.DryRun = d.mode() == model.DryRun && plan.Decision != model.Hold
	plan.Record = news(o, &plan)
	return plan
}

// draft is a decision on its way through the guards, which may trim it.
type draft struct {
	o        *model.Observed
	p        *model.Policy
	decision model.Decision
	to       model.Size
	urgent   bool // it rests on a kill
	step     int64
	reason   string
}

// mode is what is done with the drafted decision. Restarts and reverts belong to growing.
func (d *draft) mode() model.Mode {
	if d.decision == model.Down {
		return d.p.Down
	}
	return d.p.Up
}

func propose(o *model.Observed, p *model.Policy) []model.Proposal {
	all := make([]model.Proposal, 0, len(estimator.All))
	for _, e := range estimator.All {
		proposal := e.Propose(o, p)
		proposal.Estimator = e.Name
		all = append(all, proposal)
	}
	return all
}

// grow drafts the largest proposal for each resource.
func (d *draft) grow(proposals []model.Proposal) bool {
	for _, r := range [...]model.Resource{model.Memory, model.CPU} {
		best := largest(proposals, r)
		if best == nil || best.Value <= d.o.Size.Steered(r) {
			continue
		}
		d.to = d.to.With(r, round(r, best.Value), round(r, best.Proven))
		d.decision, d.urgent = model.Up, d.urgent || best.Urgent
		d.reason = joined(d.reason, best.Says)
		d.step = max(d.step, d.stepOf(best))
	}
	return d.decision == model.Up
}

// stepOf is the largest step that the estimator's policy allows, in percent.
func (d *draft) stepOf(best *model.Proposal) int64 {
	if !best.Urgent {
		return d.p.MaxStep
	}
	most := int64(0)
	for _, f := range d.p.Factors {
		most = max(most, f)
	}
	return most
}

func largest(proposals []model.Proposal, r model.Resource) (best *model.Proposal) {
	for i := range proposals {
		if p := &proposals[i]; p.Resource == r && p.Value > 0 && (best == nil || p.Value > best.Value) {
			best = p
		}
	}
	return best
}

// Sizes are rounded up to what people read and schedulers like.
const (
	memoryGrain = 1 << 20 // bytes
	cpuGrain    = 10      // thousandths of a core
)

func round(r model.Resource, amount int64) int64 {
	grain := int64(memoryGrain)
	if r == model.CPU {
		grain = cpuGrain
	}
	return (amount + grain - 1) / grain * grain
}

// revert drafts the way back to the size that containers have, if the kubelet says that they can never get the decided one.
func (d *draft) revert() bool {
	if d.o.Last.Decision != model.Up || d.o.Last.DryRun || d.o.Last.To != d.o.Size {
		return false // the size is not ours
	}
	for i := range d.o.Pods {
		if pod := &d.o.Pods[i]; pod.Pending == "Infeasible" && pod.Actual != d.o.Size {
			d.decision, d.to, d.urgent = model.Revert, pod.Actual, true
			d.reason = pod.Name + " cannot get its size on " + pod.Node + ": " + pod.Says
			return true
		}
	}
	return false
}

// restart drafts the replacement of pods that profit from their size only then.
func (d *draft) restart(debt string) bool {
	if debt == "" {
		return false
	}
	d.decision, d.reason = model.Restart, debt
	return true
}

// Debt says what a restart would bring.
func Debt(o *model.Observed) string {
	for i := range o.Pods {
		pod := &o.Pods[i]
		if pod.GoMemLimit > 0 && pod.Running && !pod.Terminating && pod.Size.Limits.Memory > 0 && pod.GoMemLimit != units.GoMemLimit(pod.Size.Limits.Memory) {
			return pod.Name + " collects garbage as its old limit asked for (GOMEMLIMIT " + model.Short(model.Memory, pod.GoMemLimit) + "); a restart tells it the new one"
		}
	}
	return ""
}

// smaller says what keeps the component from shrinking.
func smaller(p *model.Policy) string {
	if p.Down == model.Off {
		return "mode.down is Off"
	}
	return "no estimator proposes less: that takes a profile of the workload, which the workload-recommender will make"
}

func joined(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

func until(now, then time.Time) time.Duration {
	if then.IsZero() {
		return 0
	}
	return max(then.Sub(now), time.Second)
}

// sameAgain is how long the same hold or dry run is no news.
const sameAgain = time.Hour

// passes are guards that only ask for patience; a restart that is held is no news either, for it changes no size.
var passes = map[string]bool{"tolerance": true, "cooldown": true, "under-way": true}

// news: what is done is, and what is not done only when it has changed.
func news(o *model.Observed, plan *model.Plan) bool {
	if plan.Decision != model.Hold && !plan.DryRun {
		return true
	}
	last, guard := o.Last, ""
	if held := plan.Held(); held != nil {
		if guard = held.Guard; passes[guard] || plan.To == plan.From {
			return false
		}
	}
	same := last.Decision == plan.Decision && last.DryRun == plan.DryRun && last.Guard == guard && alike(last.To, plan.To)
	return !same || o.Now.Sub(last.At) >= sameAgain
}

// alike sizes differ by less than a tenth: usage never stands still.
func alike(a, b model.Size) bool {
	for _, r := range [...]model.Resource{model.CPU, model.Memory} {
		if x, y := a.Steered(r), b.Steered(r); max(x, y)*9 > min(x, y)*10 {
			return false
		}
	}
	return true
}

// Explain is the decision in one line.
func Explain(p *model.Plan) string {
	if p.Decision == model.Stay || p.Decision == model.Restart {
		return p.Reason
	}
	var b strings.Builder
	for _, r := range [...]model.Resource{model.Memory, model.CPU} {
		if from, to := p.From.Steered(r), p.To.Steered(r); from != to {
			b.WriteString(string(r) + " " + model.Short(r, from) + " -> " + model.Short(r, to) + ": ")
		}
	}
	return b.String() + p.Reason
}
