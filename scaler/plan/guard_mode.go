package plan

import "github.com/metapilot/metapilot/scaler/model"

// guardMode: Off decides nothing. A dry run passes, and is left out where it would act.
func guardMode(d *draft) model.Verdict {
	if d.mode() == model.Off {
		return hold("the mode is Off")
	}
	return passed
}
