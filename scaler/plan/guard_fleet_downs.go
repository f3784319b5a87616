package plan

import "github.com/metapilot/metapilot/scaler/model"

// fleetDowns is the guard that a step down comes to when nothing else keeps it.
const fleetDowns = "fleet-downs"

// guardFleetDowns: of all that could be smaller in the fleet, the safest comes first, and no more at the same time than people can lose (package fleet).
// What is not known yet, as after a start, waits.
func guardFleetDowns(d *draft) model.Verdict {
	turn := &d.o.Turn
	switch {
	case d.decision != model.Down || turn.Open:
		return passed
	case turn.Says == "":
		return hold("its turn among the steps down of the fleet is not known yet")
	}
	return model.Verdict{Held: true, Says: turn.Says, Until: turn.Until}
}

// queues notes what would come of a step down that only its turn can keep.
func (c *conclusion) queues(d *draft, last *model.Verdict) {
	if last.Guard != fleetDowns {
		return
	}
	if c.plan.Lower == (model.Size{}) {
		c.plan.Lower = c.o.Size
	}
	c.plan.Lower = d.size(c.plan.Lower)
}
