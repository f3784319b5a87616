package plan

import (
	"fmt"

	"github.com/metapilot/metapilot/scaler/model"
)

// guardTolerance: a small change is not worth it, unless something dies without.
func guardTolerance(d *draft) model.Verdict {
	if d.urgent || d.decision == model.Restart {
		return passed
	}
	for _, r := range [...]model.Resource{model.CPU, model.Memory} {
		from, to := d.o.Size.Steered(r), d.to.Steered(r)
		if delta := max(to-from, from-to); delta*100 >= from*d.p.Tolerance && delta > 0 {
			return passed
		}
	}
	return hold(fmt.Sprintf("the change is less than %d%%", d.p.Tolerance))
}
