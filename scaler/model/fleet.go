package model

import (
	"fmt"
	"time"
)

// Fleet is how the probes of all tenants are. The zero value is that nobody asks.
type Fleet struct {
	Asked                     bool
	Tenants, Failing, Unknown int       // those that are asked, and of them
	Outage                    bool      // so many fail that nothing is made smaller anywhere
	Began                     string    // when the outage began, and with how many; its words stay as long as it does
	Calm                      time.Time // since when so few fail that it may be over; zero if more do
}

// An outage begins where a tenth of all tenants fail, and ends where for some minutes fewer than 8 of 100 have: what is at the edge does not go to
// and fro. One tenant alone is no outage however few there are.
const (
	outageFrom  = 10 // percent
	outageUntil = 8  // percent
	leastOutage = 2  // tenants
	CalmFor     = 5 * time.Minute
)

// Next is the fleet as it is now, from what it was. It hangs on nothing else.
func (f Fleet) Next(now time.Time, tenants, failing, unknown int) Fleet {
	next := Fleet{Asked: true, Tenants: tenants, Failing: failing, Unknown: unknown, Outage: f.Outage, Began: f.Began}
	switch {
	case failing >= leastOutage && failing*100 >= tenants*outageFrom:
		if !f.Outage {
			next.Outage, next.Began = true, fmt.Sprintf("%d of %d at %s", failing, tenants, now.UTC().Format(time.DateTime))
		}
	case f.Outage && (failing < leastOutage || failing*100 < tenants*outageUntil) && !next.blind():
		next.Calm = f.Calm
		if next.Calm.IsZero() {
			next.Calm = now
		}
		if now.Sub(next.Calm) >= CalmFor {
			next.Outage, next.Began, next.Calm = false, "", time.Time{}
		}
	}
	return next
}

// blind: of most tenants nobody knows whether they answer.
func (f *Fleet) blind() bool { return f.Unknown*2 > f.Tenants }

// Stopped is why nothing is made smaller in the whole fleet; empty if it may be.
func (f *Fleet) Stopped() string {
	switch {
	case !f.Asked:
		return ""
	case f.Outage:
		return fmt.Sprintf("many tenants of the fleet fail their probe (%s): nothing is made smaller anywhere until fewer than %d%% have failed for %s",
			f.Began, outageUntil, CalmFor)
	case f.blind():
		return "of most tenants of the fleet nobody knows whether they answer"
	}
	return ""
}

// Resumes is when an outage is over at the earliest; zero if that is not known.
func (f *Fleet) Resumes() time.Time {
	if !f.Outage || f.Calm.IsZero() {
		return time.Time{}
	}
	return f.Calm.Add(CalmFor)
}
