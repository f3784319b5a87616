package plan

import (
	"fmt"
	"time"

	"github.com/metapilot/metapilot/scaler/model"
)

// guardNodeCapacity trims what is more than the nodes of the pods have, and holds what is left of nothing. A memory request that a node has no room
// for stays: the limit still grows, and a kill averted is worth more than a reservation.
func guardNodeCapacity(d *draft) model.Verdict {
	if d.decision != model.Up {
		return passed
	}
	v := d.tried()
	placed := false
	for i := range d.o.Pods {
		pod := &d.o.Pods[i]
		node := nodeOf(d.o.Nodes, pod.Node)
		if v.Held {
			return v
		}
		if !pod.Terminating && node != nil {
			placed = true
			d.fit(pod, node, &v)
		}
	}
	if most := largestOf(d.o.Nodes, d.resource); !placed && len(d.o.Nodes) > 0 && d.value > most {
		return hold(fmt.Sprintf("no node has room for %s of %s", model.Short(d.resource, d.value), d.resource))
	}
	return v
}

// tried: what was taken back within the last hour is not tried again; if that was a memory request alone, it stays and the limit grows.
func (d *draft) tried() (v model.Verdict) {
	says, end := d.wasInfeasible()
	switch {
	case says == "":
	case d.resource == model.Memory && d.limitKept():
		d.most, v.Says = d.o.Size.Requests.Memory, says+": the request stays; the limit grows all the same"
	default:
		v = model.Verdict{Held: true, Says: says, Until: end}
	}
	return v
}

// wasInfeasible: as much was tried within the last hour, and taken back.
func (d *draft) wasInfeasible() (says string, end time.Time) {
	tried, next := &d.o.Reverted, d.size(d.o.Size)
	if tried.At.IsZero() || d.o.Now.Sub(tried.At) >= sameAgain {
		return "", time.Time{}
	}
	for _, amount := range [...]func(model.Size) int64{
		func(s model.Size) int64 { return s.Requests.Of(d.resource) },
		func(s model.Size) int64 { return s.Steered(d.resource) },
	} {
		if was := amount(tried.From); amount(next) >= was && was > amount(tried.To) {
			return fmt.Sprintf("%s of %s was tried at %s and is infeasible", model.Short(d.resource, was), d.resource, tried.At.UTC().Format("15:04")), tried.At.Add(sameAgain)
		}
	}
	return "", time.Time{}
}

// fit trims the draft to the pod's own node, and holds it if that leaves nothing.
func (d *draft) fit(pod *model.Pod, node *model.Node, v *model.Verdict) {
	from := d.o.Size.Steered(d.resource)
	if all := node.Allocatable.Of(d.resource) / grain(d.resource) * grain(d.resource); d.value > all {
		if all <= from {
			*v = hold(fmt.Sprintf("%s of %s is more than %s has (%s)", model.Short(d.resource, d.value), d.resource, node.Name, model.Short(d.resource, all)))
			return
		}
		v.Says = joined(v.Says, fmt.Sprintf("trimmed from %s to all that %s has", model.Short(d.resource, d.value), node.Name))
		d.value = all
	}
	have, want := pod.Size.Requests.Of(d.resource), d.size(d.o.Size).Requests.Of(d.resource)
	room := have + max(node.Free.Of(d.resource), 0)/d.lodgers(node.Name)
	switch {
	case want <= room || want <= have:
	case d.resource == model.Memory && !d.tight():
		most := max(d.o.Size.Requests.Memory, room/memoryGrain*memoryGrain)
		if d.most == 0 || most < d.most {
			d.most = most
		}
		v.Says = joined(v.Says, fmt.Sprintf("the request stays at %s, for %s has no room for more; the limit grows all the same", model.Short(d.resource, d.most), node.Name))
	default:
		*v = hold(fmt.Sprintf("%s has no room for %s of %s on %s", node.Name, model.Short(d.resource, want), d.resource, pod.Name))
	}
}

// limitKept: what was taken back was a request alone.
func (d *draft) limitKept() bool {
	return !d.tight() && d.o.Reverted.From.Limits.Memory == d.o.Reverted.To.Limits.Memory
}

// tight: the memory request is the limit, and cannot stay behind.
func (d *draft) tight() bool { return d.o.Size.Limits.Memory <= d.o.Size.Requests.Memory }

// lodgers counts the component's pods on a node: what is free there is for all of them.
func (d *draft) lodgers(node string) (n int64) {
	for i := range d.o.Pods {
		if pod := &d.o.Pods[i]; pod.Node == node && !pod.Terminating {
			n++
		}
	}
	return max(n, 1)
}

func nodeOf(nodes []model.Node, name string) *model.Node {
	for i := range nodes {
		if nodes[i].Name == name {
			return &nodes[i]
		}
	}
	return nil
}

// largestOf is the most of a resource that an open node has.
func largestOf(nodes []model.Node, r model.Resource) (most int64) {
	for i := range nodes {
		if !nodes[i].Closed {
			most = max(most, nodes[i].Allocatable.Of(r))
		}
	}
	return most
}
