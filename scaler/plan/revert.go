package plan

import (
	"fmt"
	"time"

	"github.com/metapilot/metapilot/scaler/model"
)

// revert drafts the way back from a size that pods can never get where they are, that no node has room for, or that is too small for the kubelet.
func revert(o *model.Observed) *draft {
	if d := unable(o); d != nil {
		return d
	}
	grown := o.Carried.Decision == model.Up && o.Carried.To == o.Size
	unfinished := o.Carried.Decision == model.Revert && o.Carried.From == o.Size
	if !grown && !unfinished {
		return nil // the size is not ours
	}
	for i := range o.Pods {
		pod := &o.Pods[i]
		if pod.Pending == "Infeasible" && pod.Actual != o.Size {
			return &draft{
				decision: model.Revert, back: pod.Actual, urgent: true,
				reason: pod.Name + " cannot get its size on " + pod.Node + ": " + pod.Says,
			}
		}
		if grown && pod.Pending == "Unschedulable" && pod.Size == o.Size {
			return lighten(o, pod)
		}
	}
	return nil
}

// lighten drafts the way back to the requests from before, of which a pod had a node, if they were raised just now.
func lighten(o *model.Observed, pod *model.Pod) *draft {
	back := lighter(o.Size, o.Carried.From)
	if back == o.Size || o.Now.Sub(o.Carried.At) >= blamed {
		return nil
	}
	return &draft{
		decision: model.Revert, back: back, urgent: true,
		reason: "no node takes " + pod.Name + " with its new requests: " + pod.Says,
	}
}

// unable drafts the way back from a smaller size that a pod does not get: a kubelet takes no memory away that is in use, and may say so for ever.
func unable(o *model.Observed) *draft {
	down := &o.Lowered
	if down.At.IsZero() || down.To != o.Size {
		return nil
	}
	for i := range o.Pods {
		pod := &o.Pods[i]
		if pod.Pending == "" || !pod.Placed || pod.Actual == o.Size || pod.Pending != "Infeasible" && o.Now.Sub(down.At) < blamed {
			continue
		}
		return &draft{
			decision: model.Revert, back: down.From, urgent: true,
			reason: fmt.Sprintf("%s does not get its smaller size: the resize is %s: %s", pod.Name, pod.Pending, pod.Says),
		}
	}
	return nil
}

// blamed is how long after a growth a pod without a node is put down to it, and not to the nodes; and how long a kubelet may take to make one smaller.
const blamed = 15 * time.Minute

// lighter is a size with the requests of the one before where they were less; its limits stay, if the pod's QoS class allows that.
func lighter(size, before model.Size) model.Size {
	if size.Requests == size.Limits {
		return before
	}
	if cpu := before.Requests.CPU; cpu > 0 {
		size.Requests.CPU = min(size.Requests.CPU, cpu)
	}
	if memory := before.Requests.Memory; memory > 0 {
		size.Requests.Memory = min(size.Requests.Memory, memory)
	}
	return size
}
