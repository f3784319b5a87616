package plan

import "github.com/metapilot/metapilot/scaler/model"

// guardFleetHealth: where many tenants do not answer, something is wrong that one tenant's usage does not tell of, so nothing shrinks in the whole
// fleet. It never holds growth: one group's trouble keeps nobody from being rescued.
func guardFleetHealth(d *draft) model.Verdict {
	if d.decision != model.Down {
		return passed
	}
	if why := d.o.Fleet.Stopped(); why != "" {
		return model.Verdict{Held: true, Says: why, Until: d.o.Fleet.Resumes()}
	}
	return passed
}
