package plan

import (
	"fmt"
	"time"

	"github.com/metapilot/metapilot/scaler/model"
)

// guardFleetBudget: so many disruptive moves of the whole fleet in so much time (HyperShift allows five in ten minutes). In place is free.
func guardFleetBudget(d *draft) model.Verdict {
	if d.decision != model.Restart {
		return passed
	}
	used, first := 0, time.Time{}
	for _, at := range d.o.Moves {
		if d.o.Now.Sub(at) >= d.p.FleetWithin {
			continue
		}
		if used++; first.IsZero() {
			first = at
		}
	}
	if used < d.p.FleetMoves {
		return passed
	}
	return model.Verdict{
		Held: true, Until: first.Add(d.p.FleetWithin),
		Says: fmt.Sprintf("the fleet has had its %d disruptive moves within %s", used, d.p.FleetWithin),
	}
}
