package plan

import "github.com/metapilot/metapilot/scaler/model"

// guard holds a drafted decision, trims it, or lets it pass.
type guard struct {
	name  string
	judge func(*draft) model.Verdict
}

// guards in their order: first what people said, then what is known, then what would be worth it, then what is allowed, then what is possible, and
// at the very end whose turn it is: so whoever waits for a turn can use it.
var guards = []guard{
	{"mode", guardMode},
	{"pause", guardPause},
	{"owner", guardOwner},
	{"probe", guardProbe},
	{"missing-data", guardMissingData},
	{"fleet-health", guardFleetHealth},
	{"cause", guardCause},
	{"tolerance", guardTolerance},
	{"cooldown", guardCooldown},
	{"step", guardStep},
	{"bounds", guardBounds},
	{"health", guardHealth},
	{"under-way", guardUnderWay},
	{"watch", guardWatch},
	{"maintenance", guardMaintenance},
	{"fleet-budget", guardFleetBudget},
	{"node-capacity", guardNodeCapacity},
	{fleetDowns, guardFleetDowns},
}

// pass asks the guards until one holds.
func (d *draft) pass() []model.Verdict {
	said := make([]model.Verdict, 0, len(guards))
	for _, g := range guards {
		v := g.judge(d)
		v.Guard, v.Resource = g.name, d.resource
		said = append(said, v)
		if v.Held {
			break
		}
	}
	return said
}

var passed = model.Verdict{}

func hold(says string) model.Verdict { return model.Verdict{Held: true, Says: says} }
