package model

import (
	"math"
	"time"
)

// Resource is what is used. Its values are indices, so that a container holds one array for both.
type Resource uint8

// The two resources that are recommended.
const (
	CPU    Resource = iota // in thousandths of a core
	Memory                 // in bytes, working set
	Resources
)

func (r Resource) String() string {
	if r == CPU {
		return "cpu"
	}
	return "memory"
}

// Sample is what one replica's container used.
type Sample struct {
	Replica string // name of the pod
	At      time.Time
	Amount  float64 // thousandths of a core or bytes
}

// Fault is why a sample was not counted.
type Fault uint8

// What can be wrong with a sample.
const (
	None       Fault = iota
	Invalid          // negative, not a number, or more than any machine has
	Duplicate        // of the last one of its replica
	OutOfOrder       // older than the last one of its replica
	Future           // later than now
	ClockJump        // history was later than now, and was taken back to now; the sample itself is counted
	faults
)

func (f Fault) String() string {
	return [faults]string{"None", "Invalid", "Duplicate", "OutOfOrder", "Future", "ClockJump"}[f]
}

const (
	// skew is how far the clocks of two machines may be apart (leases of Kubernetes bear more; certificates are dated back by minutes).
	skew = time.Minute
	// most is the highest amount that is believed of either resource: a million cores, a pebibyte.
	mostCPU, mostMemory = 1e9, 1 << 50
)

func (s Sample) valid(r Resource) bool {
	bound := float64(mostCPU)
	if r == Memory {
		bound = mostMemory
	}
	return !math.IsNaN(s.Amount) && s.Amount >= 0 && s.Amount <= bound && s.At.Unix() > 0
}
