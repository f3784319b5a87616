package scaler

import (
	"context"
	"slices"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler/model"
	"github.com/metapilot/metapilot/scaler/plan"
)

// decide about each component. Nodes, of which reckoning looks at hundreds of others' pods, and moves of the whole fleet are looked at for those alone whose decision may rest on
// them: of ten thousand tenants that is a few.
func (r *Reconciler) decide(ctx context.Context, cs *v1alpha1.ClusterScaler, t target, views []view) error {
	var nodes []model.Node // which all components share
	looked := false
	for i := range views {
		v := &views[i]
		if v.plan = plan.Decide(&v.observed, &v.policy); v.rests() {
			if !looked {
				var err error
				if nodes, err = r.nodes(ctx, t); err != nil {
					return err
				}
				looked = true
			}
			v.observed.Nodes = nodes
			r.ledger.tellMoves(&v.observed)
			v.plan = plan.Decide(&v.observed, &v.policy)
		}
		r.ledger.spend(keyOf(cs, v), v)
		v.would = v.rehearse()
		v.reserve(v.observed.Nodes)
	}
	return nil
}

// rests tells whether the decision, made without nodes and moves, may be another one with them: more is called for, a restart is, or pods are
// replaced by what is written. Nothing else looks at them (plan/guard_node_capacity.go, plan/guard_fleet_budget.go).
func (v *view) rests() bool {
	more := func(p model.Proposal) bool { return p.Value > v.observed.Size.Steered(p.Resource) }
	return v.plan.Decision != model.Stay && v.plan.Decision != model.Down && v.plan.Decision != model.Hold ||
		v.plan.Debt != "" || v.observed.Replaced || slices.ContainsFunc(v.plan.Proposals, more)
}
