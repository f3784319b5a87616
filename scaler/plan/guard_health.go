package plan

import (
	"fmt"

	"github.com/metapilot/metapilot/scaler/model"
)

// guardHealth: what is chosen and not forced waits until every pod is well, and a quorum is never touched while a member is missing. A kill is
// not chosen: its member is down already, and growing in place disturbs nobody.
func guardHealth(d *draft) model.Verdict {
	if d.urgent || d.decision == model.Up && !d.o.Quorum {
		return passed
	}
	for i := range d.o.Pods {
		if pod := &d.o.Pods[i]; !pod.Ready || pod.Terminating {
			return hold(fmt.Sprintf("waiting for %s to be ready", pod.Name))
		}
	}
	if n := len(d.o.Pods); n < d.o.Replicas {
		return hold(fmt.Sprintf("it has %d of %d pods", n, d.o.Replicas))
	}
	return passed
}
