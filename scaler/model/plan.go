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
	Smaller   string    // why it is not smaller, or by how much it could be
	Lower     Size      // that it would have if its turn came, or has come; zero if something else keeps it from being smaller
	Debt      string    // what a restart would bring; empty if nothing
	Idle      Spells    // what to know at the next look
	Proposals []Proposal
	Causes    []Cause   // of its trouble, the surest first
	Verdicts  []Verdict // of the guards, for each resource up to the one that held
	News      bool      // nobody was told of it within the hour
	Recheck   time.Duration
}

// Acts tells whether something is to be done.
func (p *Plan) Acts() bool { return !p.DryRun && p.Decision != Stay && p.Decision != Hold }

// Record tells whether it is worth a record, because it is carried out or news.
func (p *Plan) Record() bool { return p.News || p.Acts() }

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
	Urgent    bool  // a kill or a regret: knows no tolerance and no cool-down
	Back      bool  // it had as much a while ago, so it is no step
	Less      bool  // it may be made smaller to this
	Floor     bool  // it is not made smaller than this
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
