package plan

import (
	"github.com/metapilot/metapilot/scaler/estimator"
	"github.com/metapilot/metapilot/scaler/model"
)

// guardMissingData: unknown is not zero, so nothing is restarted by choice while usage is not known, and nothing shrinks while the use of any pod is not
// known, or by a profile that is old, young or full of gaps.
func guardMissingData(d *draft) model.Verdict {
	why := ""
	switch {
	case d.decision == model.Restart && d.o.Metrics != "":
		why = "usage is not known: " + d.o.Metrics
	case d.decision == model.Down:
		if why = estimator.Blind(d.o); why == "" {
			why = d.o.Profile.Thin(d.resource, d.o.Now, d.p.History)
		}
	}
	if why != "" {
		return hold(why)
	}
	return passed
}
