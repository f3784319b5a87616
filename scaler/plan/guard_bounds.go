package plan

import (
	"fmt"

	"github.com/metapilot/metapilot/scaler/model"
)

// smallest is what nothing is made smaller than, whatever anybody recommends: the least request, and a limit that is above it.
var smallest = model.Amounts{CPU: model.Least.CPU, Memory: model.Least.Memory + memoryGrain}

// guardBounds brings the size between the policy's bounds; max is the stronger one, and only for growth: what is above it already shrinks by steps as
// all does. It never turns a step into one of the other direction, and holds what it leaves nothing of.
func guardBounds(d *draft) model.Verdict {
	if d.decision != model.Up && d.decision != model.Down {
		return passed
	}
	from, wanted, which := d.o.Size.Steered(d.resource), d.value, ""
	least, most := d.p.Min.Of(d.resource), d.p.Max.Of(d.resource)
	if most > 0 {
		least = min(least, most)
	}
	if d.decision == model.Down {
		least = max(least, smallest.Of(d.resource))
	}
	if d.value < least {
		d.value, which = least, "min"
	}
	if d.decision == model.Up && most > 0 && d.value > most {
		d.value, which = most, "max"
	}
	if d.decision == model.Up {
		d.value = max(d.value, from)
	} else {
		d.value = min(d.value, from)
	}
	if d.value == wanted {
		return passed
	}
	return model.Verdict{Held: d.value == from, Says: fmt.Sprintf("%s wants %s, and bounds.%s leaves %s",
		d.resource, model.Short(d.resource, wanted), which, model.Short(d.resource, d.value))}
}
