package model

import (
	"fmt"
	"math"
)

// Resource is what a container gets in amounts.
type Resource string

// The two resources that can be changed in place.
const (
	CPU    Resource = "cpu"
	Memory Resource = "memory"
)

// Amounts are CPU in thousandths of a core and memory in bytes; zero stands for none.
type Amounts struct{ CPU, Memory int64 }

// Least is what no request is made less than: a TenantCluster takes nothing below it (api/v1alpha1, the rules of a component's size).
var Least = Amounts{CPU: 10, Memory: 32 << 20}

// Of is the amount of a resource.
func (a Amounts) Of(r Resource) int64 {
	if r == CPU {
		return a.CPU
	}
	return a.Memory
}

// Size is what a container asks for and may use.
type Size struct{ Requests, Limits Amounts }

// Steered is the amount of a resource that decisions are about: the CPU request, for CPU beyond it is shared fairly, and the memory limit, for
// memory beyond it is an OOM. Without a memory limit it is the request.
func (s Size) Steered(r Resource) int64 {
	if r == Memory && s.Limits.Memory > 0 {
		return s.Limits.Memory
	}
	return s.Requests.Of(r)
}

// With is the size with another steered amount of a resource, and at least the proven amount as its request: a request is what was seen to be
// needed. A lower limit takes the request with it, in proportion, but not below Least or what is proven. Where request and limit were the same they
// stay the same, so that the pod keeps its QoS class.
func (s Size) With(r Resource, steered, proven int64) Size {
	if r == CPU {
		s.Requests.CPU, s.Limits.CPU = steered, together(s.Requests.CPU, s.Limits.CPU, steered)
		return s
	}
	switch s.Limits.Memory {
	case 0, s.Requests.Memory:
		s.Requests.Memory, s.Limits.Memory = steered, together(s.Requests.Memory, s.Limits.Memory, steered)
	default: // the request stays below the limit, or a pod might change its QoS class
		request := max(s.Requests.Memory, proven)
		if steered < s.Limits.Memory {
			share := float64(s.Requests.Memory) * float64(steered) / float64(s.Limits.Memory)
			request = min(s.Requests.Memory, max((int64(share)+apart-1)/apart*apart, proven, Least.Memory))
		}
		s.Requests.Memory, s.Limits.Memory = min(request, steered-apart), steered
	}
	return s
}

// apart keeps a request from becoming its limit.
const apart = 1 << 20

// together is the limit that goes with a new request: none stays none, and the ratio is kept.
func together(request, limit, next int64) int64 {
	if limit == 0 || request == 0 {
		return limit
	}
	return int64(math.Round(float64(limit) * float64(next) / float64(request)))
}

// Short is a steered amount in a person's words.
func Short(r Resource, amount int64) string {
	switch {
	case r == CPU:
		return fmt.Sprintf("%dm", amount)
	case amount >= 10<<30:
		return fmt.Sprintf("%.1fGi", float64(amount)/(1<<30))
	}
	return fmt.Sprintf("%dMi", amount>>20)
}
