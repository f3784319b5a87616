package plan

import (
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/internal/units"
)

// SizingConfigMap is where the admission policy reads the size of each pod that is made.
const SizingConfigMap = "sizing"

// goMemLimit tells a Go program at its start at which use of memory to collect garbage harder.
const goMemLimit = "GOMEMLIMIT"

// Sizing holds the size of each component's pods. The sizer keeps it.
func Sizing(t *v1alpha1.TenantCluster) *corev1.ConfigMap {
	data := map[string]string{}
	for _, component := range Components {
		size := EffectiveSize(t, component)
		for name, quantity := range map[string]resource.Quantity{
			"requests.cpu": size.Requests.CPU, "requests.memory": size.Requests.Memory,
			"limits.cpu": size.Limits.CPU, "limits.memory": size.Limits.Memory,
		} {
			if !quantity.IsZero() {
				data[component+"."+name] = quantity.String()
			}
		}
		if component == APIServer {
			data[component+".gomemlimit"] = softLimit(size)
		}
	}
	return &corev1.ConfigMap{TypeMeta: typeMeta("v1", "ConfigMap"), ObjectMeta: meta(t, SizingConfigMap, ""), Data: data}
}

// softLimit is GOMEMLIMIT for a size, in bytes.
func softLimit(s Size) string {
	return strconv.FormatInt(units.GoMemLimit(s.Limits.Memory.Value()), 10)
}

// sizes are what the status says of them.
func sizes(t *v1alpha1.TenantCluster) (all []v1alpha1.ComponentSize) {
	for _, component := range Components {
		size := EffectiveSize(t, component)
		all = append(all, v1alpha1.ComponentSize{
			Name: component, Replicas: PodCount(t, component),
			Size: v1alpha1.Size{Requests: size.Requests.api(), Limits: size.Limits.api()},
		})
	}
	return all
}

func (a Amounts) api() (out v1alpha1.Quantities) {
	if !a.CPU.IsZero() {
		out.CPU = &a.CPU
	}
	if !a.Memory.IsZero() {
		out.Memory = &a.Memory
	}
	return out
}
