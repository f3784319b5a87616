package model

import (
	"fmt"
	"time"
)

// Profile is what the recommender knows of a component's workload: of the container that is decided about.
type Profile struct {
	Unknown     string // why there is none; empty if there is one
	Name        string
	Frozen      string // why what it says may be out of date although it is there; empty if it is not
	Algorithm   string
	LastSample  time.Time
	CPU, Memory Recommendation
}

// Recommendation is what is recommended of one resource: for the request of CPU, and for what memory has to be there.
type Recommendation struct {
	Target   int64     // zero if nothing is
	Lower    int64     // less is too little
	Upper    int64     // more is waste
	Uncapped int64     // the target without the profile's own bounds
	Peak     int64     // what was used in a week: the most of memory; of CPU, what is more than programs take when they start
	Since    time.Time // the first sample
	Gaps     int64     // percent of the time that nothing was seen of
	Says     string    // why so much, or why nothing
	Recent   []int64   // peaks of half hours of the last day, the oldest first; negative where nothing was seen; of memory only
}

// Of is what is recommended of a resource.
func (p *Profile) Of(r Resource) *Recommendation {
	if r == CPU {
		return &p.CPU
	}
	return &p.Memory
}

// Needs is the most that may be needed: a target that is low for now may look at the next hours alone, and a capped one looks like enough.
func (r *Recommendation) Needs() int64 { return max(r.Worth(), r.Upper) }

// Worth is what a size has to be for what is recommended, and for what comes once a week, with a fifth more of that.
func (r *Recommendation) Worth() int64 { return max(r.Target, r.Uncapped, r.Peak*Spare/100) }

// Spare is what there is to be of what was seen to be used, in percent.
const Spare = 120

// A profile says something about now for so long after its last sample, and lowers something when its history has no more gaps than this.
const (
	staleProfile = 10 * time.Minute
	mostGaps     = 20 // percent
)

// Doubt is why the profile says nothing about now; empty if it does.
func (p *Profile) Doubt(now time.Time) string {
	switch {
	case p.Unknown != "":
		return p.Unknown
	case p.Frozen != "":
		return fmt.Sprintf("WorkloadProfile %s is out of date: %s", p.Name, p.Frozen)
	case p.LastSample.Sub(now) > staleProfile:
		return fmt.Sprintf("WorkloadProfile %s has samples of a time that is yet to come", p.Name)
	case now.Sub(p.LastSample) > staleProfile:
		return fmt.Sprintf("WorkloadProfile %s has had no sample for more than %s", p.Name, staleProfile)
	}
	return ""
}

// Thin is why the history of a resource is not good enough to lower it; empty if it is.
func (p *Profile) Thin(r Resource, now time.Time, least time.Duration) string {
	switch known := p.Of(r); {
	case known.Since.IsZero() || now.Sub(known.Since) < least:
		return fmt.Sprintf("WorkloadProfile %s knows its %s for less than %s", p.Name, r, least)
	case known.Gaps > mostGaps:
		return fmt.Sprintf("WorkloadProfile %s has not seen %d%% of its %s", p.Name, known.Gaps, r)
	}
	return ""
}

// Idle is for how long a resource was seen to be too large, and the highest recommendation in that time; zero if it is not.
type Idle struct {
	Since, Seen time.Time
	Highest     int64
}

// Spells are those of the two resources.
type Spells struct{ CPU, Memory Idle }

// Of is the spell of a resource.
func (s *Spells) Of(r Resource) *Idle {
	if r == CPU {
		return &s.CPU
	}
	return &s.Memory
}

// Maintenance is when people allow what disturbs.
type Maintenance struct {
	Open bool
	Next time.Time // when it opens again; zero if it never does
	Says string    // what is wrong with the windows, or that there is none
}
