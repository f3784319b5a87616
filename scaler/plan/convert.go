package plan

import (
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler/model"
)

// ResourcesOf is a size in the API's words.
func ResourcesOf(s model.Size) v1alpha1.Resources {
	return v1alpha1.Resources{Requests: amountsOf(s.Requests), Limits: amountsOf(s.Limits)}
}

func amountsOf(a model.Amounts) (out v1alpha1.Amounts) {
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
func SizeOf(r v1alpha1.Resources) model.Size {
	var s model.Size
	amounts(&s.Requests, r.Requests)
	amounts(&s.Limits, r.Limits)
	return s
}
