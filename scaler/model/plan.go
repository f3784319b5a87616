package model

import "time"

// Plan is what was decided about one component, and all of why.
type Plan struct {
	Decision  Decision
	DryRun    bool
	From, To  Size
	Wants     Size     // To, and what is held beside it
	Held      *Verdict // of the guard that held first; nil if none did
	Reason    string
	Source    string    // that has seen what the decision rests on; empty if no source calls for it
	Signal    time.Time // when that happened
	Smaller   string    // why it does not shrink
	Debt      string    // what a restart would bring; empty if nothing
	Proposals []Proposal
	Verdicts  []Verdict // of the guards, for each resource up to the one that held
	Record    bool      // it is news: worth a record
	Recheck   time.Duration
}

// Decided is the plan as a record remembers it.
func (p *Plan) Decided(at time.Time) Decided {
	d := Decided{Decision: p.Decision, DryRun: p.DryRun, From: p.From, To: p.To, At: at}
	if p.Decision == Hold {
		d.To, d.Guard = p.Wants, p.Held.Guard
	}
	return d
}

// Decision is what is to be done with the size.
type Decision string

// What can be decided.
const (
	Stay    Decision = "" // nothing calls for another size
	Up      Decision = "Up"
	Down    Decision = "Down"
	Revert  Decision = "Revert"  // to a size that its pods can have, for they cannot get the decided one
	Restart Decision = "Restart" // of its pods, one after the other, so that they profit from their size
	Hold    Decision = "Hold"    // something is called for, and a guard holds it
)

// Proposal is what an estimator proposes for one resource. One without a value abstains, and says why.
type Proposal struct {
	Estimator string
	Resource  Resource
	Value     int64 // steered amount
	Proven    int64 // amount that was seen to be needed
	Urgent    bool  // a kill: knows no tolerance and no cool-down
	Says      string
	Source    string    // that has seen what it rests on
	Signal    time.Time // when that happened; zero if it abstains
	Pod       string    // that it rests on
}

// Verdict is what a guard said.
type Verdict struct {
	Guard    string
	Resource Resource // that it is about; empty for all
	Held     bool
	Says     string
	Until    time.Time // zero if it is not known
}
