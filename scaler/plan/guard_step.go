package plan

import (
	"fmt"

	"github.com/metapilot/metapilot/scaler/model"
)

// guardStep trims a step that is too large: what is still missing comes with the next one, when the effect of this one was seen.
func guardStep(d *draft) model.Verdict {
	if d.decision != model.Up {
		return passed
	}
	var v model.Verdict
	for _, r := range [...]model.Resource{model.CPU, model.Memory} {
		from := d.o.Size.Steered(r)
		if most := round(r, from*d.step/100); from > 0 && d.to.Steered(r) > most {
			v.Says = joined(v.Says, fmt.Sprintf("%s trimmed from %s to %s, a step of %d%%", r, model.Short(r, d.to.Steered(r)), model.Short(r, most), d.step))
			d.to = d.to.With(r, most, d.to.Requests.Of(r))
		}
	}
	return v
}
