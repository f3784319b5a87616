// Package plan decides which parts of the meta cluster to stop and to start. It is pure: what runs, what is wanted and what time
// it is come in as values; what to do comes out as values. It never starts, stops or looks at a process.
package plan

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Back-off of a part that keeps dying: it doubles with each death, up to a bound, and is forgotten after a steady run.
const (
	firstDelay = 500 * time.Millisecond
	maxDelay   = 20 * time.Second
	steadyRun  = time.Minute
)

// Part is one wanted process.
type Part struct {
	Name  string
	Needs string // the part without which it cannot live, such as the one that holds its namespaces; may be empty
	Hash  string // of all that the process was told; another hash needs a restart
	Held  bool   // wanted, but to be kept stopped until released
}

// Process is a running part.
type Process struct {
	ID        int    // unique among all processes ever started by this supervisor
	Needs     string // the part it needs, and the ID of the process that was this part when it started
	NeedsID   int
	Hash      string
	StartedAt time.Time
	Stopping  bool
}

// Death is what is remembered of a part's last end.
type Death struct {
	At     time.Time
	Deaths int // in a row, without a steady run between
}

// Observed is all that a decision rests on. Wanted is in starting order: a part comes after the one it needs.
type Observed struct {
	Now     time.Time
	Wanted  []Part
	Running map[string]Process
	Died    map[string]Death
}

// Action is one thing to do to one part.
type Action struct {
	Part   string
	Reason string
}

// Plan is what to do now, and when to look again if nothing happens before; zero means only when something happens.
type Plan struct {
	Stop    []Action // in stopping order, the reverse of starting
	Start   []Action
	Recheck time.Duration
}

// NextDeath is what to remember when a part that was started at startedAt has died at the given time.
func NextDeath(last Death, startedAt, at time.Time) Death {
	if at.Sub(startedAt) >= steadyRun {
		return Death{At: at, Deaths: 1}
	}
	return Death{At: at, Deaths: last.Deaths + 1}
}

// Delay is how long after its death a part is started again.
func (d Death) Delay() time.Duration {
	delay := firstDelay
	for i := 1; i < d.Deaths && delay < maxDelay; i++ {
		delay *= 2
	}
	return min(delay, maxDelay)
}

// Decide compares what runs with what is wanted.
func Decide(obs Observed) Plan {
	var p Plan
	wanted := make(map[string]Part, len(obs.Wanted))
	order := make([]string, 0, len(obs.Wanted))
	for _, part := range obs.Wanted {
		wanted[part.Name] = part
		order = append(order, part.Name)
	}
	for _, name := range stoppingOrder(order, obs.Running) {
		process := obs.Running[name]
		if reason := whyStop(wanted, obs.Running, name, process); reason != "" && !process.Stopping {
			p.Stop = append(p.Stop, Action{name, reason})
		}
	}
	for _, part := range obs.Wanted {
		p.start(obs, part)
	}
	return p
}

// start adds the part's start to the plan, or the time at which its back-off ends.
func (p *Plan) start(obs Observed, part Part) {
	if _, running := obs.Running[part.Name]; running || part.Held {
		return
	}
	if part.Needs != "" {
		if needed, running := obs.Running[part.Needs]; !running || needed.Stopping {
			return
		}
	}
	for _, process := range obs.Running {
		if process.Needs == part.Name {
			return // it belongs to the process before this one, and has to be gone first
		}
	}
	death, died := obs.Died[part.Name]
	if !died {
		p.Start = append(p.Start, Action{part.Name, "Wanted"})
		return
	}
	if left := death.At.Add(death.Delay()).Sub(obs.Now); left > 0 {
		if p.Recheck == 0 || left < p.Recheck {
			p.Recheck = left
		}
		return
	}
	p.Start = append(p.Start, Action{part.Name, fmt.Sprintf("Died %d", death.Deaths)})
}

// whyStop returns the reason to stop a running part, or nothing.
func whyStop(wanted map[string]Part, running map[string]Process, name string, process Process) string {
	part, known := wanted[name]
	switch {
	case !known:
		return "NotWanted"
	case part.Held:
		return "Held"
	case part.Hash != process.Hash:
		return "Changed"
	case process.Needs != "" && running[process.Needs].ID != process.NeedsID:
		return "NeededPartGone"
	}
	return ""
}

// stoppingOrder lists the running parts: first those that nobody wants, by name, then the others, last started first.
func stoppingOrder(starting []string, running map[string]Process) []string {
	var unwanted, known []string
	for _, name := range slices.Sorted(maps.Keys(running)) {
		if !slices.Contains(starting, name) {
			unwanted = append(unwanted, name)
		}
	}
	for _, name := range slices.Backward(starting) {
		if _, ok := running[name]; ok {
			known = append(known, name)
		}
	}
	return append(unwanted, known...)
}
