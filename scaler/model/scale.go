package model

import (
	"fmt"
	"time"
)

// Scale is how large a tenant's cluster is, by what its API servers and its etcd tell.
type Scale struct {
	Unknown  string // why it is not known; empty if it is
	At       time.Time
	Nodes    int64
	Pods     int64
	Objects  int64 // of all resources
	Bytes    int64 // of the database that are in use
	Requests int64 // answered in a second, watches aside
}

// Says it in words.
func (s *Scale) Says() string {
	says := fmt.Sprintf("%d nodes, %d pods, %d objects", s.Nodes, s.Pods, s.Objects)
	if s.Bytes > 0 {
		says += ", " + Short(Memory, s.Bytes) + " in etcd"
	}
	return fmt.Sprintf("%s, %d requests/s", says, s.Requests)
}

// BySize is what components of a tenant of this scale are known to need. It never lowers anything: two tenants of one scale may need ten times as much
// as each other.
type BySize struct {
	Unknown string  // why it is not known; empty if it is
	Floor   Amounts // less is known to be too little
	Row     string  // of the size table that it is from
	Fleet   Estimates
}

// Estimates are what the fleet's own tenants of this scale need.
type Estimates struct{ CPU, Memory Estimate }

// Of is the estimate of a resource.
func (e *Estimates) Of(r Resource) *Estimate {
	if r == CPU {
		return &e.CPU
	}
	return &e.Memory
}

// Estimate by a fitted model.
type Estimate struct {
	Amount  int64 // zero if there is none
	Error   int64 // percent of the true amount within which nine of ten tenants were that the model had not seen
	Tenants int   // that it rests on
}
