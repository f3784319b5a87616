package scaler

import (
	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler/model"
	"github.com/metapilot/metapilot/scaler/plan"
)

// rehearse is what would be done with the component if no mode were Off, or is held; nil if nothing is called for. What is being done is not left to be
// done.
func (v *view) rehearse() *v1alpha1.Rehearsal {
	p := &v.plan
	if v.policy.Up == model.Off || v.policy.Down == model.Off {
		policy, observed := v.policy, v.observed
		observed.Turn.Open = true // nobody who is Off stands in the queue
		policy.Up, policy.Down = rehearsing(policy.Up), rehearsing(policy.Down)
		rehearsed := plan.Decide(&observed, &policy)
		p = &rehearsed
	}
	switch {
	case p.Decision == model.Hold && p.Wants != p.From:
		return &v1alpha1.Rehearsal{Decision: v1alpha1.DecisionHold, To: plan.InAPI(p.Wants), Guard: p.Held.Guard}
	case p.Decision == model.Hold, p.Decision == model.Stay, v.plan.Acts():
		return nil
	}
	return &v1alpha1.Rehearsal{Decision: v1alpha1.Decision(p.Decision), To: plan.InAPI(p.To)}
}

// rehearsing is a mode that decides, and does no more than the given one.
func rehearsing(m model.Mode) model.Mode {
	if m == model.Off {
		return model.DryRun
	}
	return m
}
