package model

// Cause is why a component is in trouble, as far as that can be told from what was seen.
type Cause struct {
	Type       string   // by which it is known: CPUBound, SeatsFull, ...
	Confidence int64    // percent, in steps that noise does not cross
	Says       string   // what was seen, without numbers that are others at every look
	Helps      string   // what would help
	Evidence   []string // the numbers
	CPU        Effect   // of more CPU
	Memory     Effect   // of more memory
}

// Of is what more of a resource does about it.
func (c *Cause) Of(r Resource) Effect {
	if r == CPU {
		return c.CPU
	}
	return c.Memory
}

// Effect is what more of a resource does about a cause; empty if the cause says nothing of it.
type Effect string

// What more of a resource does.
const (
	Helps      Effect = "Helps"
	Delays     Effect = "Delays" // helps for a while
	CannotHelp Effect = "CannotHelp"
)

// Told tells whether a cause was told at the last look.
func (o *Observed) Told(cause string) bool {
	for _, c := range o.Causes {
		if c == cause {
			return true
		}
	}
	return false
}
