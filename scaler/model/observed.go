package model

import "time"

// Observed is all that a decision about one component rests on.
type Observed struct {
	Now        time.Time
	Component  string
	Target     string // identifies what the component belongs to
	Quorum     bool   // its pods are members of a quorum
	Replaced   bool   // writing its size replaces its pods
	Replicas   int    // how many pods it should have; 0 if that is not known
	Size       Size   // that was decided for its containers
	Pods       []Pod
	Profile    Profile
	Idle       Spells // as they were at the last look
	Kills      []Kill // the last ones, oldest first
	Metrics    string // why usage is not known; empty if it is
	Grown      time.Time
	Shrunk     time.Time
	Last       Decided   // the newest record about this component, but for those of steps down
	LastDown   Decided   // the newest of those, dry runs as well
	Carried    Decided   // the newest that changed its size
	Lowered    Decided   // the newest that made it smaller
	Regretted  time.Time // when such a step was taken back last
	Reverted   Decided   // the newest that took a size back
	Restarted  time.Time // when it was asked last that its pods be replaced
	Restarting bool      // and that is not over yet
	Foreign    string    // somebody else who writes the component's size; empty if nobody does
	Yields     time.Time // until when they are given way to; zero for as long as they do
	Stuck      string    // why the target as a whole cannot be changed; empty if it can
	Nodes      []Node
	Moves      []time.Time // disruptive moves of the whole fleet, oldest first
	Group      string      // of the fleet that its target belongs to
	GroupMoves []time.Time // of that group, oldest first
	Turn       Turn        // to be made smaller
	Windows    Maintenance
	Probe      Probe
	Fleet      Fleet
	Scale      Scale // of the tenant's cluster
	BySize     BySize
	Born       time.Time        // when what the component belongs to was created; zero if that is not known
	Beside     map[string][]Pod // pods of the target's other components, by component
	Causes     []string         // types of those that were told at the last look
}

// Live is how many pods the component has, without those that are ending.
func (o *Observed) Live() (n int) {
	for i := range o.Pods {
		if !o.Pods[i].Terminating {
			n++
		}
	}
	return n
}

// Decided is what the newest record about a component says.
type Decided struct {
	Decision Decision
	DryRun   bool
	To       Size
	From     Size
	Guard    string // that held it
	At       time.Time
	Stored   bool      // it is known to have been carried out
	Had      time.Time // when all containers were seen with it; zero if they were not
	Regret   time.Time // when it was taken back; zero if that is not known
}

// Remember takes a decision that is newer than those before.
func (o *Observed) Remember(d Decided) {
	if d.Decision == Down {
		o.LastDown = d
	} else {
		o.Last = d
	}
	if d.DryRun {
		return
	}
	if o.Regretted = later(o.Regretted, d.Regret); d.Undoes(&o.Lowered) {
		o.Regretted = later(o.Regretted, d.At)
	}
	switch d.Decision {
	case Revert:
		o.Reverted, o.Carried = d, d
	case Down:
		o.Lowered, o.Carried = d, d
	case Up:
		o.Carried = d
	case Restart, Stay, Hold:
	}
}

// Undoes tells whether a decision took back what a step down had taken of a resource, or of both: what else of it cannot grow now was wrong all the same.
func (d *Decided) Undoes(down *Decided) bool {
	for _, r := range [...]Resource{CPU, Memory} {
		if down.Took(r, d.From) && d.To.Steered(r) >= down.From.Steered(r) {
			return d.Decision == Up || d.Decision == Revert
		}
	}
	return false
}

// Took tells whether it made a resource smaller, which the given size still has of it.
func (d *Decided) Took(r Resource, size Size) bool {
	return d.Decision == Down && d.To.Steered(r) < d.From.Steered(r) && d.To.Steered(r) == size.Steered(r)
}

// DateChanges takes the time of the last change from its record: a scaler may end before it has told it otherwise.
func (o *Observed) DateChanges() {
	if o.Carried.To != o.Size {
		return
	}
	switch at := o.Carried.At; o.Carried.Decision {
	case Up:
		o.Grown = later(o.Grown, at)
	case Down, Revert:
		o.Shrunk = later(o.Shrunk, at)
	case Stay, Restart, Hold:
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// Pod is one pod of the component.
type Pod struct {
	Name, Node  string
	Size        Size // that its container should have
	Actual      Size // that the kubelet says it has
	Running     bool
	Ready       bool
	Turned      time.Time // when it became ready, or stopped to be; zero if it is not told
	Terminating bool
	Placed      bool   // a node was found for it
	Pending     string // why it has to wait for its size: Deferred, Infeasible, InProgress or Unschedulable; empty if it does not
	Says        string // the kubelet's or the scheduler's words about that
	GoMemLimit  int64  // bytes that its Go runtime was told at its start; 0 if it was told nothing
	Usage       []Sample
	Reading     Reading
	Throttled   int64 // percent of the scheduler's periods in which it had used up its CPU limit; negative if that is not known
	Throttling  []Throttle
}

// Throttle is how much a container was throttled for a while. They are ordered by time.
type Throttle struct {
	At      time.Time // when the while ended
	Over    time.Duration
	Percent int64
}

// Sample is what a container used. Samples are ordered by time.
type Sample struct {
	At     time.Time
	CPU    int64 // thousandths of a core, mean over the window of the source
	Memory int64 // working set in bytes
}

// Kill is one container killed for want of memory.
type Kill struct {
	Pod       string
	Container string // its id, by which kills are told apart
	At        time.Time
	Limit     int64 // bytes at which it was killed
}

// Node is where pods may run.
type Node struct {
	Name        string
	Allocatable Amounts
	Free        Amounts // what no pod on it has requested
	Closed      bool    // cordoned or not ready
}
