package plan

import (
	"fmt"

	"github.com/metapilot/metapilot/scaler/model"
)

// guardNodeCapacity holds what fits no node, or not the node of a pod that cannot move, and trims a memory request that the pod's node has no
// room for: the limit still grows, and a kill averted is worth more than a reservation.
func guardNodeCapacity(d *draft) model.Verdict {
	if d.decision != model.Up || len(d.o.Nodes) == 0 {
		return passed
	}
	if again, says := d.wasInfeasible(); again {
		return hold(says)
	}
	var v model.Verdict
	for i := range d.o.Pods {
		pod := &d.o.Pods[i]
		if pod.Terminating || pod.Node == "" {
			continue
		}
		for _, r := range [...]model.Resource{model.CPU, model.Memory} {
			if says := d.fit(pod, r, &v); says != "" {
				return hold(says)
			}
		}
	}
	if !fitsSomewhere(d.o.Nodes, d.to) {
		return hold(fmt.Sprintf("no node has room for %s of memory and %s of CPU", model.Short(model.Memory, d.to.Steered(model.Memory)), model.Short(model.CPU, d.to.Requests.CPU)))
	}
	return v
}

// wasInfeasible: the same was tried, and the kubelet refused it.
func (d *draft) wasInfeasible() (bool, string) {
	last := &d.o.Last
	if last.Decision != model.Revert || d.o.Now.Sub(last.At) >= sameAgain {
		return false, ""
	}
	for _, r := range [...]model.Resource{model.CPU, model.Memory} {
		if tried := last.From.Requests.Of(r); d.to.Requests.Of(r) >= tried && tried > last.To.Requests.Of(r) {
			return true, fmt.Sprintf("%s of %s was tried at %s and is infeasible", model.Short(r, tried), r, last.At.UTC().Format("15:04"))
		}
	}
	return false, ""
}

// fit looks whether the pod's own node has room; why not, if it has not.
func (d *draft) fit(pod *model.Pod, r model.Resource, v *model.Verdict) string {
	node := nodeOf(d.o.Nodes, pod.Node)
	if node == nil {
		return ""
	}
	have, want := pod.Size.Requests.Of(r), d.to.Requests.Of(r)
	switch room := have + max(node.Free.Of(r), 0); {
	case d.to.Steered(r) > d.o.Size.Steered(r) && d.to.Steered(r) > node.Allocatable.Of(r):
		return fmt.Sprintf("%s of %s is more than %s has (%s)", model.Short(r, d.to.Steered(r)), r, node.Name, model.Short(r, node.Allocatable.Of(r)))
	case want <= room || want <= have:
		return ""
	case r == model.Memory && d.to.Limits.Memory > d.to.Requests.Memory:
		d.to.Requests.Memory = max(have, room/memoryGrain*memoryGrain)
		v.Says = fmt.Sprintf("the request stays at %s: %s has no room for more; the limit grows all the same", model.Short(r, d.to.Requests.Memory), node.Name)
		return ""
	default:
		return fmt.Sprintf("%s has no room for %s of %s on %s", node.Name, model.Short(r, want), r, pod.Name)
	}
}

func nodeOf(nodes []model.Node, name string) *model.Node {
	for i := range nodes {
		if nodes[i].Name == name {
			return &nodes[i]
		}
	}
	return nil
}

// fitsSomewhere: a pod of the size could be placed again, were its node lost.
func fitsSomewhere(nodes []model.Node, size model.Size) bool {
	for i := range nodes {
		n := &nodes[i]
		if !n.Closed && size.Steered(model.Memory) <= n.Allocatable.Memory && size.Requests.CPU <= n.Allocatable.CPU {
			return true
		}
	}
	return false
}
