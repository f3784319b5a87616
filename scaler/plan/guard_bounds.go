package plan

import (
	"fmt"

	"github.com/metapilot/metapilot/scaler/model"
)

// guardBounds brings the size between the policy's bounds; max is the stronger one. It never turns a step up into a step down, and holds what it
// leaves nothing of.
func guardBounds(d *draft) model.Verdict {
	if d.decision != model.Up && d.decision != model.Down {
		return passed
	}
	from, wanted, which := d.o.Size.Steered(d.resource), d.value, ""
	if least := d.p.Min.Of(d.resource); d.value < least {
		d.value, which = least, "min"
	}
	if most := d.p.Max.Of(d.resource); most > 0 && d.value > most {
		d.value, which = most, "max"
	}
	if d.decision == model.Up {
		d.value = max(d.value, from)
	}
	if d.value == wanted {
		return passed
	}
	return model.Verdict{Held: d.value == from, Says: fmt.Sprintf("%s wants %s, and bounds.%s leaves %s",
		d.resource, model.Short(d.resource, wanted), which, model.Short(d.resource, d.value))}
}
