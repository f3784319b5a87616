package plan

import (
	"fmt"

	"github.com/metapilot/metapilot/scaler/model"
)

// guardStep trims a step that is too large: what is still missing comes with the next one, when the effect of this one was seen.
func guardStep(d *draft) model.Verdict {
	most := round(d.resource, d.o.Size.Steered(d.resource)*d.step/100)
	if d.decision != model.Up || d.value <= most {
		return passed
	}
	wanted := d.value
	d.value = most
	return model.Verdict{Says: fmt.Sprintf("%s trimmed from %s to %s, a step of %d%%",
		d.resource, model.Short(d.resource, wanted), model.Short(d.resource, most), d.step)}
}
