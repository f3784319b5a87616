package exposition

import (
	"time"

	"github.com/metapilot/metapilot/scaler/model"
)

// recent is how long what has happened to a component makes it worth looking at often.
const recent = 30 * time.Minute

// Troubled tells whether a component may be about to need something, so that what its programs say is wanted soon: it was killed, is throttled, uses most
// of its CPU, is held by a guard, is not ready or has grown a moment ago.
func Troubled(o *model.Observed) bool {
	if now := o.Now; now.Sub(o.Grown) < recent || o.Last.Guard != "" && now.Sub(o.Last.At) < recent {
		return true
	}
	if n := len(o.Kills); n > 0 && o.Now.Sub(o.Kills[n-1].At) < recent {
		return true
	}
	for i := range o.Pods {
		pod := &o.Pods[i]
		if !pod.Ready && !pod.Terminating || pod.Throttled > 0 || busy(pod.Usage, o.Size.Requests.CPU) {
			return true
		}
	}
	return false
}

// busy: it used more than two thirds of what it asks for.
func busy(usage []model.Sample, request int64) bool {
	n := len(usage)
	return n > 0 && request > 0 && usage[n-1].CPU*3 > request*2
}
