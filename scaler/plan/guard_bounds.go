package plan

import (
	"fmt"

	"github.com/metapilot/metapilot/scaler/model"
)

// guardBounds trims to the policy's bounds. It never turns a step up into a step down.
func guardBounds(d *draft) model.Verdict {
	if d.decision != model.Up && d.decision != model.Down {
		return passed
	}
	var v model.Verdict
	for _, r := range [...]model.Resource{model.CPU, model.Memory} {
		d.trim(r, &v)
	}
	if d.to == d.o.Size {
		v.Held = true
	}
	return v
}

func (d *draft) trim(r model.Resource, v *model.Verdict) {
	from, to := d.o.Size.Steered(r), d.to.Steered(r)
	bounded, which := to, ""
	if most := d.p.Max.Of(r); most > 0 && to > most {
		bounded, which = max(most, min(from, to)), "max"
	}
	if least := d.p.Min.Of(r); to < least {
		bounded, which = min(least, max(from, to)), "min"
	}
	if bounded == to {
		return
	}
	v.Says = joined(v.Says, fmt.Sprintf("%s wants %s and bounds.%s allows %s", r, model.Short(r, to), which, model.Short(r, bounded)))
	if bounded == from { // its own part of the change is gone; a request may have come with it
		d.to = d.to.Keep(r, d.o.Size)
		return
	}
	d.to = d.to.With(r, bounded, d.to.Requests.Of(r))
}
