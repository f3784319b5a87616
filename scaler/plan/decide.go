package plan

import (
	"slices"
	"strings"
	"time"

	"github.com/metapilot/metapilot/internal/units"
	"github.com/metapilot/metapilot/scaler/cause"
	"github.com/metapilot/metapilot/scaler/estimator"
	"github.com/metapilot/metapilot/scaler/model"
)

// Decide says what to do about a component's size. The result of carrying it out, observed, is left as it is: deciding again stays.
//
// Each resource is decided by itself, so that what holds one keeps nobody from helping with the other. What is held is told, also when something
// else is done. What is missing comes first, then what is due, and last what is too much: nothing shrinks while anything else is done.
func Decide(o *model.Observed, p *model.Policy) model.Plan {
	c := conclusion{plan: model.Plan{From: o.Size, To: o.Size, Wants: o.Size, Debt: Debt(o), Idle: idle(o, p), Proposals: propose(o, p), Causes: cause.Find(o, p)}, o: o, p: p}
	all := c.plan.Proposals
	for _, drafts := range [...][]*draft{
		{revert(o)},
		{grow(o, p, model.Memory, all), grow(o, p, model.CPU, all)},
		{restart(c.plan.Debt)},
		{shrink(o, p, model.Memory, all), shrink(o, p, model.CPU, all)},
	} {
		for _, d := range drafts {
			c.take(d)
		}
		if c.plan.Decision != model.Stay {
			break
		}
	}
	c.end()
	return c.plan
}

// idle is for how long each resource has been too large.
func idle(o *model.Observed, p *model.Policy) model.Spells {
	return model.Spells{CPU: estimator.NextIdle(o, p, model.CPU), Memory: estimator.NextIdle(o, p, model.Memory)}
}

// conclusion gathers what drafts come to.
type conclusion struct {
	plan       model.Plan
	o          *model.Observed
	p          *model.Policy
	done, held *draft                    // the first of each, or the one that is urgent
	less       map[model.Resource]string // what became of each step down
}

// take asks the guards about a draft, if there is one.
func (c *conclusion) take(d *draft) {
	if d == nil {
		return
	}
	d.o, d.p, d.causes = c.o, c.p, c.plan.Causes
	wants := d.size(c.plan.Wants)
	said := d.pass()
	c.plan.Verdicts = append(c.plan.Verdicts, said...)
	last := &said[len(said)-1]
	if d.decision == model.Down {
		c.queues(d, last)
		c.lessens(d, last)
		if step := d.size(c.plan.Wants); step != c.plan.Wants {
			wants = step // nobody wants more of it at once
		}
	}
	if last.Held {
		if c.plan.Held == nil {
			c.plan.Held, c.held = last, d
		}
		c.plan.Wants = wants
		return
	}
	if c.done == nil || d.urgent {
		c.done = d
	}
	c.plan.To, c.plan.Wants = d.size(c.plan.To), d.size(c.plan.Wants)
	c.plan.Decision, c.plan.Reason = d.decision, joined(c.plan.Reason, d.reason)
	c.plan.DryRun = d.mode() == model.DryRun
}

// end says what it comes to when nothing is to be done, and whether that is news.
func (c *conclusion) end() {
	p := &c.plan
	p.Smaller = c.smaller()
	if p.Held != nil {
		p.Recheck, p.Source, p.Signal = until(c.o.Now, p.Held.Until), c.held.source, c.held.signal
	}
	if c.done != nil {
		p.Source, p.Signal = c.done.source, c.done.signal
	}
	switch {
	case p.Decision != model.Stay:
	case p.Held != nil:
		p.Decision, p.Reason = model.Hold, p.Held.Says
	default:
		p.Reason = "nothing calls for another size"
		return
	}
	p.News = (p.Decision != model.Hold || c.held.decision != model.Down) && news(c.o, p) // nobody waits for less
}

// draft is a decision about one resource, or about all pods, on its way through the guards, which may trim it.
type draft struct {
	o        *model.Observed
	p        *model.Policy
	causes   []model.Cause
	decision model.Decision
	resource model.Resource
	value    int64 // steered amount
	proven   int64 // what was seen to be needed
	most     int64 // that a memory request may be; 0 for no bound
	back     model.Size
	urgent   bool  // it rests on a kill
	step     int64 // percent of the present size that it may reach
	reason   string
	source   string // that calls for it
	signal   time.Time
}

// size is what the draft makes of a size.
func (d *draft) size(on model.Size) model.Size {
	switch d.decision {
	case model.Revert:
		return d.back
	case model.Restart:
		return on
	case model.Up, model.Down, model.Stay, model.Hold:
	}
	next := on.With(d.resource, d.value, d.proven)
	if d.most > 0 && d.resource == model.Memory {
		next.Requests.Memory = min(next.Requests.Memory, max(d.most, on.Requests.Memory))
	}
	return next
}

// mode is what is done with the drafted decision. Restarts, regrets and reverts belong to growing; and what may not grow again does not shrink, so of
// the two modes the stricter one counts.
func (d *draft) mode() model.Mode {
	switch {
	case d.decision != model.Down || d.p.Up == model.Off || d.p.Down == model.Auto:
		return d.p.Up
	case d.p.Down == model.Off || d.p.Up == model.Auto:
		return d.p.Down
	}
	return model.DryRun
}

func propose(o *model.Observed, p *model.Policy) []model.Proposal {
	all := make([]model.Proposal, 0, len(estimator.All))
	for _, e := range estimator.All {
		proposal := e.Propose(o, p)
		proposal.Estimator = e.Name
		all = append(all, proposal)
	}
	return append(all, estimator.Regret(o, p)...)
}

// grow drafts the largest proposal for a resource. One that rests on a kill makes it urgent, also where another one wants more.
func grow(o *model.Observed, p *model.Policy, r model.Resource, proposals []model.Proposal) *draft {
	d := &draft{decision: model.Up, resource: r}
	regret := ""
	for i := range proposals {
		one := &proposals[i]
		if !grows(o, one, r) {
			continue
		}
		if one.Back {
			regret = one.Says
		}
		if one.Value > d.value {
			d.value, d.reason = one.Value, one.Says
		}
		if d.source == "" || one.Urgent {
			d.source, d.signal = one.Source, one.Signal
		}
		d.proven, d.urgent, d.step = max(d.proven, one.Proven), d.urgent || one.Urgent, max(d.step, stepOf(o, p, one))
	}
	if d.value == 0 {
		return nil
	}
	if regret != "" && regret != d.reason {
		d.reason = joined(regret, d.reason)
	}
	d.value, d.proven = round(r, d.value), round(r, d.proven)
	return d
}

// grows: it is about the resource, and proposes more of it than there is.
func grows(o *model.Observed, one *model.Proposal, r model.Resource) bool {
	return one.Resource == r && !one.Floor && one.Value > o.Size.Steered(r)
}

// stepOf is the largest step that the estimator's policy allows, in percent.
func stepOf(o *model.Observed, p *model.Policy, one *model.Proposal) int64 {
	switch have := o.Size.Steered(one.Resource); {
	case one.Back:
		return one.Value/max(have, 1)*100 + 200 // whatever it is: that much it had a while ago
	case one.Urgent:
		return slices.Max(p.Factors)
	}
	return p.MaxStep
}

// shrink drafts what is proposed below the present amount, if nobody proposes more.
func shrink(o *model.Observed, p *model.Policy, r model.Resource, proposals []model.Proposal) *draft {
	d := &draft{decision: model.Down, resource: r, step: p.DownStep}
	for i := range proposals {
		switch one := &proposals[i]; {
		case one.Resource != r:
		case one.Value > o.Size.Steered(r):
			return nil
		case one.Less && one.Value > d.value:
			d.value, d.proven, d.reason, d.source = one.Value, one.Proven, one.Says, one.Source
		}
	}
	if d.value == 0 {
		return nil
	}
	if d.raise(o.Size.Steered(r), proposals); d.value >= o.Size.Steered(r) {
		return nil
	}
	d.value, d.proven = round(r, d.value), round(r, d.proven)
	return d
}

// raise it to what nothing is made smaller than, and say so if the step would come to it.
func (d *draft) raise(from int64, proposals []model.Proposal) {
	for i := range proposals {
		one := &proposals[i]
		if one.Resource != d.resource || !one.Floor || one.Value <= d.value {
			continue
		}
		if d.value = one.Value; one.Value > from-from*d.step/100 {
			d.reason = joined(d.reason, one.Says)
		}
	}
}

// Sizes are rounded up to what people read and schedulers like.
const (
	memoryGrain = 1 << 20 // bytes
	cpuGrain    = 10      // thousandths of a core
)

func round(r model.Resource, amount int64) int64 {
	g := grain(r)
	return (amount + g - 1) / g * g
}

func grain(r model.Resource) int64 {
	if r == model.CPU {
		return cpuGrain
	}
	return memoryGrain
}

// restart drafts the replacement of pods that profit from their size only then.
func restart(debt string) *draft {
	if debt == "" {
		return nil
	}
	return &draft{decision: model.Restart, reason: debt}
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

// joined is both, and each once.
func joined(a, b string) string {
	switch {
	case strings.HasPrefix(b, a):
		return b
	case strings.HasPrefix(a, b):
		return a
	}
	return a + "; " + b
}

func until(now, then time.Time) time.Duration {
	if then.IsZero() {
		return 0
	}
	return max(then.Sub(now), time.Second)
}

// Explain is the decision in one line.
func Explain(p *model.Plan) string {
	if p.Decision == model.Stay || p.Decision == model.Restart {
		return p.Reason
	}
	next := p.To
	if p.Decision == model.Hold {
		next = p.Wants
	}
	var b strings.Builder
	for _, r := range [...]model.Resource{model.Memory, model.CPU} {
		if from, to := p.From.Steered(r), next.Steered(r); from != to {
			b.WriteString(string(r) + " " + model.Short(r, from) + " -> " + model.Short(r, to) + ": ")
		}
	}
	return b.String() + p.Reason
}
