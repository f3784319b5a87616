package plan

import (
	"fmt"

	"github.com/metapilot/metapilot/scaler/model"
)

// guardTolerance: a small change is not worth it, unless something dies without.
func guardTolerance(d *draft) model.Verdict {
	from := d.o.Size.Steered(d.resource)
	if d.urgent || d.decision == model.Restart || max(d.value-from, from-d.value)*100 >= from*d.p.Tolerance {
		return passed
	}
	return hold(fmt.Sprintf("the change of %s is less than %d%%", d.resource, d.p.Tolerance))
}
