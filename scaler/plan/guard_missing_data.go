package plan

import "github.com/metapilot/metapilot/scaler/model"

// guardMissingData: unknown is not zero, so nothing shrinks and nothing is restarted by choice while usage is not known.
func guardMissingData(d *draft) model.Verdict {
	if d.o.Metrics != "" && (d.decision == model.Down || d.decision == model.Restart) {
		return hold("usage is not known: " + d.o.Metrics)
	}
	return passed
}
