package fleet

import (
	"cmp"
	"strings"
	"time"

	"github.com/metapilot/metapilot/scaler/model"
)

// Key names a component of the fleet by its ClusterScaler.
type Key struct{ Namespace, Name, Component string }

// String is how people are told of it.
func (k Key) String() string { return k.Namespace + "/" + k.Name + " " + k.Component }

func (k Key) compare(other Key) int {
	return cmp.Or(strings.Compare(k.Namespace, other.Namespace), strings.Compare(k.Name, other.Name), strings.Compare(k.Component, other.Component))
}

// Candidate is a component that would be made smaller if it were its turn.
type Candidate struct {
	Key
	Group  string
	Since  time.Time     // when it became one
	Saving model.Amounts // of requests, over all its pods
	Risk   int64         // points
	DryRun bool          // it only tells what it would do
	Told   bool          // which it has done already
	Missed time.Time     // when it let its turn pass; zero if it did not
}

// rested is how long who let a turn pass waits for another one: something keeps it that nobody here knows of.
const rested = time.Hour

// gibPerCore is what a core is worth in GiB: nodes have four to eight for each.
const gibPerCore = 4

// worth of a saving, in thousandths of a core.
func worth(s model.Amounts) int64 { return s.CPU + s.Memory*1000/(gibPerCore<<30) }

// risk that counts: for each day of waiting a point less, so that the riskiest have their turn, too, however many others come.
func (c *Candidate) risk(now time.Time) int64 {
	if c.Since.IsZero() || now.Before(c.Since) {
		return c.Risk
	}
	return c.Risk - int64(now.Sub(c.Since)/(24*time.Hour))
}

// before orders candidates: the safest first, of those that are as safe the one that saves most, and then by name.
func before(now time.Time) func(a, b *Candidate) int {
	return func(a, b *Candidate) int {
		return cmp.Or(cmp.Compare(a.risk(now), b.risk(now)), cmp.Compare(worth(b.Saving), worth(a.Saving)), a.compare(b.Key))
	}
}
