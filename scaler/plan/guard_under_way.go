package plan

import (
	"fmt"

	"github.com/metapilot/metapilot/scaler/model"
)

// guardUnderWay: the effect of the last change has to be seen before the next one. A kill at the decided limit has seen it.
func guardUnderWay(d *draft) model.Verdict {
	switch {
	case d.urgent:
		return passed
	case d.o.Restarting:
		return hold("its pods are being replaced")
	}
	for i := range d.o.Pods {
		pod := &d.o.Pods[i]
		switch {
		case !pod.Placed && pod.Pending != "":
			return hold(fmt.Sprintf("no node takes %s: %s", pod.Name, pod.Says))
		case pod.Pending != "":
			return hold(fmt.Sprintf("the resize of %s is %s: %s", pod.Name, pod.Pending, pod.Says))
		case pod.Terminating, pod.Size == d.o.Size && pod.Actual == d.o.Size:
		default:
			return hold(fmt.Sprintf("%s has not got its present size yet", pod.Name))
		}
	}
	return passed
}
