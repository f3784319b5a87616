package plan

import "github.com/metapilot/metapilot/scaler/model"

// guardMode: Off decides nothing. A dry run passes, and is left out where it would act.
func guardMode(d *draft) model.Verdict {
	switch {
	case d.mode() != model.Off:
		return passed
	case d.decision != model.Down:
		return hold("the mode is Off")
	case d.p.Down == model.Off:
		return hold("mode.down is Off")
	}
	return hold("mode.up is Off, and what may not grow again does not shrink")
}
