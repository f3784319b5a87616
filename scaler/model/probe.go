package model

import "time"

// Probe is what using a tenant from outside has shown: its readiness, a list, a write that is not kept, a watch. The zero value is that nobody asks;
// then nothing rests on it.
type Probe struct {
	Asked   bool      // somebody asks this tenant
	Unknown string    // why nobody knows whether it answers; empty if that is known
	Failing bool      // it was asked as users ask, and did not do what they need
	Says    string    // what fails, in words
	At      time.Time // of the last question that told whether it answers; zero if none has
	Since   time.Time // of the first one after which that has been so; zero if there is none
}

// Doubt is why nobody can say that the tenant answers; empty if it does, or if nobody asks.
func (p *Probe) Doubt() string {
	switch {
	case p.Unknown != "":
		return "whether the tenant answers is not known: " + p.Unknown
	case p.Failing:
		return "the tenant's probe fails: " + p.Says
	}
	return ""
}
