package v1alpha1

import "k8s.io/apimachinery/pkg/api/resource"

// Size is what a container asks for and may use, as it was seen or decided. Resources is the same where users write it, with its checks.
type Size struct {
	// +optional
	Requests Quantities `json:"requests,omitempty"`
	// +optional
	Limits Quantities `json:"limits,omitempty"`
}

// Quantities are CPU and memory; what is left out is none.
type Quantities struct {
	// +optional
	CPU *resource.Quantity `json:"cpu,omitempty"`
	// +optional
	Memory *resource.Quantity `json:"memory,omitempty"`
}

// Range is two amounts; what is left out is none.
type Range struct {
	// +optional
	Min *resource.Quantity `json:"min,omitempty"`
	// +optional
	Max *resource.Quantity `json:"max,omitempty"`
}
