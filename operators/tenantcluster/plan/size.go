package plan

import (
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/metapilot/metapilot/api/v1alpha1"
)

// Size is what a container asks for and may use.
type Size struct {
	Requests, Limits Amounts
}

// Amounts are CPU and memory; a zero quantity stands for none.
type Amounts struct {
	CPU, Memory resource.Quantity
}

// presetS is the size at birth: what an idle tenant was measured to use, with room (bench/README.md, tenant). Memory has a limit, so that one
// tenant's storm is its own; CPU has none, so that nobody is throttled while the node idles.
var presetS = map[string]Size{
	Etcd:              {Amounts{resource.MustParse("50m"), resource.MustParse("96Mi")}, Amounts{Memory: resource.MustParse("512Mi")}},
	APIServer:         {Amounts{resource.MustParse("100m"), resource.MustParse("320Mi")}, Amounts{Memory: resource.MustParse("1Gi")}},
	ControllerManager: {Amounts{resource.MustParse("30m"), resource.MustParse("96Mi")}, Amounts{Memory: resource.MustParse("512Mi")}},
	Scheduler:         {Amounts{resource.MustParse("20m"), resource.MustParse("64Mi")}, Amounts{Memory: resource.MustParse("256Mi")}},
}

// EffectiveSize is the preset with what sizing says in its place. Of a request and a limit that do not go together the one that was decided
// holds.
func EffectiveSize(t *v1alpha1.TenantCluster, component string) Size {
	size, decided := presetS[component], decidedResources(t, component)
	size.Requests.override(decided.Requests)
	size.Limits.override(decided.Limits)
	size.Requests.CPU, size.Limits.CPU = together(size.Requests.CPU, size.Limits.CPU, decided.Limits.CPU != nil)
	size.Requests.Memory, size.Limits.Memory = together(size.Requests.Memory, size.Limits.Memory, decided.Limits.Memory != nil)
	return size
}

// together lowers the request to a limit that was decided, or else raises the limit to the request. No limit stays none.
func together(request, limit resource.Quantity, limitDecided bool) (resource.Quantity, resource.Quantity) {
	switch {
	case limit.IsZero() || request.Cmp(limit) <= 0:
		return request, limit
	case limitDecided:
		return limit, limit
	}
	return request, request
}

func (a *Amounts) override(decided v1alpha1.Amounts) {
	if decided.CPU != nil {
		a.CPU = *decided.CPU
	}
	if decided.Memory != nil {
		a.Memory = *decided.Memory
	}
}

func decidedResources(t *v1alpha1.TenantCluster, component string) v1alpha1.Resources {
	if component == Etcd {
		if s := t.Spec.Sizing.Etcd; s != nil {
			return s.Resources
		}
		return v1alpha1.Resources{}
	}
	if s := decided(t, component); s != nil {
		return s.Resources
	}
	return v1alpha1.Resources{}
}

// decided is the sizing of a stateless component; nil if there is none.
func decided(t *v1alpha1.TenantCluster, component string) *v1alpha1.ComponentSizing {
	return map[string]*v1alpha1.ComponentSizing{
		APIServer: t.Spec.Sizing.APIServer, ControllerManager: t.Spec.Sizing.ControllerManager, Scheduler: t.Spec.Sizing.Scheduler,
	}[component]
}

// replicas of a stateless component: as sized, or else the API servers' as the spec says and one of the others.
func replicas(t *v1alpha1.TenantCluster, component string) int32 {
	if s := decided(t, component); s != nil && s.Replicas != nil {
		return *s.Replicas
	}
	if component == APIServer && t.Spec.Replicas != nil {
		return *t.Spec.Replicas
	}
	return 1
}
