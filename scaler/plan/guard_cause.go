package plan

import (
	"fmt"

	"github.com/metapilot/metapilot/scaler/model"
)

// guardCause: CPU that cannot help is not given. Of several causes the surest that says anything about CPU counts. Memory is never held, for too little
// of it kills, and what is urgent neither.
func guardCause(d *draft) model.Verdict {
	if d.urgent || d.decision != model.Up || d.resource != model.CPU {
		return passed
	}
	for i := range d.causes {
		switch c := &d.causes[i]; c.CPU {
		case model.CannotHelp:
			return hold(fmt.Sprintf("more CPU would not help (%s): %s. What would help: %s", c.Type, c.Says, c.Helps))
		case model.Helps, model.Delays:
			return passed
		}
	}
	return passed
}
