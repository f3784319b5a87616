package plan

import (
	"fmt"

	"github.com/metapilot/metapilot/scaler/model"
)

// guardStep trims a step that is too large: what is still missing comes with the next one, when the effect of this one was seen.
func guardStep(d *draft) model.Verdict {
	from, wanted := d.o.Size.Steered(d.resource), d.value
	switch d.decision {
	case model.Up:
		d.value = min(d.value, round(d.resource, from*d.step/100))
	case model.Down:
		d.value = max(d.value, round(d.resource, from-from*d.step/100))
	case model.Restart, model.Revert, model.Stay, model.Hold:
	}
	switch {
	case d.decision == model.Down && d.value >= from:
		return hold(fmt.Sprintf("a step of %d%% of %s is less than sizes are rounded to", d.step, model.Short(d.resource, from)))
	case d.value == wanted:
		return passed
	}
	return model.Verdict{Says: fmt.Sprintf("%s trimmed from %s to %s, a step of %d%%",
		d.resource, model.Short(d.resource, wanted), model.Short(d.resource, d.value), d.step)}
}
