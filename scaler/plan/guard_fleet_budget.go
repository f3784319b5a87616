package plan

import (
	"fmt"
	"time"

	"github.com/metapilot/metapilot/scaler/model"
)

// guardFleetBudget: so many disruptive moves of the whole fleet in so much time (HyperShift allows five in ten minutes). In place is free, and a
// kill has disturbed its component already.
func guardFleetBudget(d *draft) model.Verdict {
	if d.urgent || d.decision != model.Restart && !d.o.Replaced {
		return passed
	}
	var recent []time.Time
	for _, at := range d.o.Moves {
		if d.o.Now.Sub(at) < d.p.FleetWithin {
			recent = append(recent, at)
		}
	}
	if len(recent) < d.p.FleetMoves {
		return passed
	}
	v := hold(fmt.Sprintf("the fleet has had its %d disruptive moves within %s", d.p.FleetMoves, d.p.FleetWithin))
	if d.p.FleetMoves > 0 { // there is room again when so many are over that fewer are left
		v.Until = recent[len(recent)-d.p.FleetMoves].Add(d.p.FleetWithin)
	}
	return v
}
