package plan

import (
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler/model"
)

// InAPI is a size in the API's words.
func InAPI(s model.Size) v1alpha1.Size {
	return v1alpha1.Size{Requests: quantities(s.Requests), Limits: quantities(s.Limits)}
}

// ResourcesOf is a size in the words of spec.sizing.
func ResourcesOf(s model.Size) v1alpha1.Resources {
	return v1alpha1.Resources{Requests: v1alpha1.Amounts(quantities(s.Requests)), Limits: v1alpha1.Amounts(quantities(s.Limits))}
}

func quantities(a model.Amounts) (out v1alpha1.Quantities) {
	if a.CPU > 0 {
		out.CPU = Quantity(model.CPU, a.CPU)
	}
	if a.Memory > 0 {
		out.Memory = Quantity(model.Memory, a.Memory)
	}
	return out
}

// Quantity is an amount in the API's words.
func Quantity(r model.Resource, amount int64) *resource.Quantity {
	if r == model.CPU {
		return resource.NewMilliQuantity(amount, resource.DecimalSI)
	}
	return resource.NewQuantity(amount, resource.BinarySI)
}

// SizeOf reads a size from the API's words.
func SizeOf(s v1alpha1.Size) (out model.Size) {
	amounts(&out.Requests, s.Requests)
	amounts(&out.Limits, s.Limits)
	return out
}
