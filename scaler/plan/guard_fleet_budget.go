package plan

import (
	"fmt"
	"time"

	"github.com/metapilot/metapilot/scaler/fleet"
	"github.com/metapilot/metapilot/scaler/model"
)

// guardFleetBudget: so many disruptive moves of the whole fleet in so much time (HyperShift allows five in ten minutes), and so many of a group, so that
// one group's moves are not all that there are. In place is free, and a kill has disturbed its component already.
func guardFleetBudget(d *draft) model.Verdict {
	if d.urgent || d.decision != model.Restart && !d.o.Replaced {
		return passed
	}
	of := fleet.Budget{Count: d.p.FleetMoves, Within: d.p.FleetWithin}
	if until, spent := of.Spent(d.o.Moves, d.o.Now); spent {
		return outOfMoves("the fleet", of, until)
	}
	of = fleet.Budget{Count: d.p.GroupMoves, Within: d.p.GroupWithin}
	if until, spent := of.Spent(d.o.GroupMoves, d.o.Now); spent && of.Within > 0 {
		return outOfMoves("its group "+d.o.Group, of, until)
	}
	return passed
}

func outOfMoves(who string, b fleet.Budget, until time.Time) model.Verdict {
	return model.Verdict{Held: true, Until: until, Says: fmt.Sprintf("%s has had its %d disruptive moves within %s", who, b.Count, b.Within)}
}
