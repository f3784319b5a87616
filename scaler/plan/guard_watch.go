package plan

import (
	"github.com/metapilot/metapilot/scaler/estimator"
	"github.com/metapilot/metapilot/scaler/model"
)

// guardWatch: the next step down waits until the one before it was watched for long enough.
func guardWatch(d *draft) model.Verdict {
	if d.decision != model.Down {
		return passed
	}
	until, watched := estimator.Watched(d.o, d.p)
	if end := d.o.Shrunk.Add(d.p.Watch); !watched && !d.o.Shrunk.IsZero() && d.o.Now.Before(end) { // its record is gone, or was not seen yet
		until, watched = end, true
	}
	if !watched {
		return passed
	}
	return model.Verdict{Held: true, Says: "the last step down is being watched", Until: until}
}
