package scaler

import (
	"context"
	"slices"
	"time"

	"github.com/metapilot/metapilot/scaler/model"
	"github.com/metapilot/metapilot/scaler/plan"
)

// surroundings are what a target shares with the rest of the fleet: reckoning them looks at hundreds of others' pods and at every move.
type surroundings struct {
	nodes []model.Node
	moves []time.Time
}

// decide about each component. The surroundings are looked at for those alone whose decision may rest on them: of ten thousand tenants that is a few.
func (r *Reconciler) decide(ctx context.Context, t target, views []view) error {
	var around *surroundings
	for i := range views {
		v := &views[i]
		if v.plan = plan.Decide(&v.observed, &v.policy); v.rests() {
			if around == nil {
				seen, err := r.surroundings(ctx, t)
				if err != nil {
					return err
				}
				around = &seen
			}
			v.observed.Nodes, v.observed.Moves = around.nodes, around.moves
			v.plan = plan.Decide(&v.observed, &v.policy)
			v.reserve(around.nodes) // which all components share
		}
		v.would = v.rehearse()
	}
	return nil
}

func (r *Reconciler) surroundings(ctx context.Context, t target) (s surroundings, err error) {
	if s.nodes, err = r.nodes(ctx, t); err != nil {
		return s, err
	}
	s.moves, err = r.moves(ctx)
	return s, err
}

// rests tells whether the decision, made without the surroundings, may be another one with them: more is called for, a restart is, or pods are
// replaced by what is written. Nothing else looks at nodes and moves (plan/guard_node_capacity.go, plan/guard_fleet_budget.go).
func (v *view) rests() bool {
	more := func(p model.Proposal) bool { return p.Value > v.observed.Size.Steered(p.Resource) }
	return v.plan.Decision != model.Stay && v.plan.Decision != model.Down && v.plan.Decision != model.Hold ||
		v.plan.Debt != "" || v.observed.Replaced || slices.ContainsFunc(v.plan.Proposals, more)
}
