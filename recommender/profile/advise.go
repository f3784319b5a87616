package profile

import (
	"math"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/recommender/estimator"
	"github.com/metapilot/metapilot/recommender/model"
)

// advised is what one container gets.
type advised struct {
	container string
	limited   [model.Resources]estimator.Limited
}

// targets were recommended last.
type targets map[string][model.Resources]float64

// advise recommends for all containers.
func (h *history) advise(now time.Time, p *v1alpha1.WorkloadProfile, c choice) (all []advised) {
	if h.published == nil {
		h.published = published(&p.Status)
	}
	for _, name := range h.names() {
		a := advised{container: name}
		known, bounds := h.containers[name], boundsOf(&p.Spec, name)
		for r := range model.Resources {
			before := estimator.Published{Target: h.published[name][r], Doubt: c.unknown}
			a.limited[r] = estimator.Limit(known, r, now, before, bounds.of[r], c.algorithm.Recommend(known, r))
		}
		bounds.proportion.Keep(&a.limited[model.CPU], &a.limited[model.Memory], bounds.of[model.CPU], bounds.of[model.Memory])
		all = append(all, a)
	}
	return all
}

// published reads the targets from a status: what was recommended before a restart is not decreased for want of data after it.
func published(s *v1alpha1.WorkloadProfileStatus) targets {
	all := targets{}
	for i := range s.Containers {
		c := &s.Containers[i]
		all[c.Name] = [model.Resources]float64{number(model.CPU, c.CPU.Target), number(model.Memory, c.Memory.Target)}
	}
	return all
}

// publish remembers what was told.
func (h *history) publish(advice []advised) {
	for _, a := range advice {
		h.published[a.container] = [model.Resources]float64{a.limited[model.CPU].Target, a.limited[model.Memory].Target}
	}
}

// differs from what was told.
func (h *history) differs(advice []advised) bool {
	for _, a := range advice {
		for r, l := range a.limited {
			if l.Target != h.published[a.container][r] {
				return true
			}
		}
	}
	return false
}

// bounds of one container.
type bounds struct {
	of         [model.Resources]estimator.Bounds
	proportion estimator.Proportion
}

// boundsOf a container are its own, or those of the name *.
func boundsOf(spec *v1alpha1.WorkloadProfileSpec, name string) (b bounds) {
	var rule *v1alpha1.ContainerBounds
	for i := range spec.Containers {
		if c := &spec.Containers[i]; c.Name == name || c.Name == "*" && rule == nil {
			rule = c
		}
	}
	if rule == nil {
		return b
	}
	b.of[model.CPU] = estimator.Bounds{Min: number(model.CPU, rule.Min.CPU), Max: number(model.CPU, rule.Max.CPU)}
	b.of[model.Memory] = estimator.Bounds{Min: number(model.Memory, rule.Min.Memory), Max: number(model.Memory, rule.Max.Memory)}
	b.proportion = estimator.Proportion{Min: number(model.Memory, rule.MemoryPerCore.Min), Max: number(model.Memory, rule.MemoryPerCore.Max)}
	return b
}

// number is a quantity in the model's unit; 0 if there is none.
func number(r model.Resource, q *resource.Quantity) float64 {
	switch {
	case q == nil:
		return 0
	case r == model.CPU:
		return float64(q.MilliValue())
	}
	return float64(q.Value())
}

// amount is a quantity of so much; memory in whole MiB where that is exact enough to read.
func amount(r model.Resource, n float64) *resource.Quantity {
	switch {
	case r == model.CPU:
		return resource.NewMilliQuantity(int64(math.Ceil(n)), resource.DecimalSI)
	case n >= 1<<20:
		return resource.NewQuantity(int64(math.Ceil(n/(1<<20)))<<20, resource.BinarySI)
	}
	return resource.NewQuantity(int64(math.Ceil(n)), resource.BinarySI)
}

// reason in a person's words.
func reasonFor(l estimator.Limited) string {
	return strings.Join(append([]string{l.Reason}, l.Why...), "; ")
}

// sized is a container's size with other requests. Limits keep their proportion, and what is not written stays unwritten, so that the QoS class stays. A kill
// is a matter of the limit: it raises the request only where that is the limit, or where there is none.
func sized(now corev1.ResourceRequirements, a advised) (size v1alpha1.Size) {
	for r, name := range map[model.Resource]corev1.ResourceName{model.CPU: corev1.ResourceCPU, model.Memory: corev1.ResourceMemory} {
		l := a.limited[r]
		request, requested := now.Requests[name]
		limit, limited := now.Limits[name]
		if l.Target == 0 || !requested && !limited {
			continue
		}
		share, base := 1.0, l.Target // a limit alone is its own request
		if requested && limited && !request.IsZero() {
			share = max(1, number(r, &limit)/number(r, &request))
		}
		if share > 1 && l.Usual > 0 {
			base = min(l.Usual, l.Target)
		}
		into(&size.Requests, r, amount(r, base))
		if limited {
			into(&size.Limits, r, amount(r, max(l.Target, base*share)))
		}
	}
	return size
}

func into(q *v1alpha1.Quantities, r model.Resource, n *resource.Quantity) {
	if r == model.CPU {
		q.CPU = n
		return
	}
	q.Memory = n
}

// asks is what the workload's containers of the name ask for now; nothing if it has no pod.
func asks(t target, container string) (now corev1.ResourceRequirements) {
	var newest *corev1.Pod
	for _, pod := range t.pods {
		if newest == nil || newest.CreationTimestamp.Before(&pod.CreationTimestamp) {
			newest = pod
		}
	}
	if newest == nil {
		return now
	}
	for _, c := range newest.Spec.Containers {
		if c.Name == container {
			return c.Resources
		}
	}
	return now
}
