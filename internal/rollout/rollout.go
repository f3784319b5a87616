// Package rollout decides which member of a quorum may be restarted next, so that the quorum is never given up by a restart.
//
// It owns the order: what is broken first, followers before the leader, one at a time, and only while everybody else is healthy. It is a
// function of what was seen and never restarts anything itself.
package rollout

import (
	"cmp"
	"fmt"
	"slices"
)

// Member is one member of a quorum, such as an etcd pod.
type Member struct {
	Name     string
	Outdated bool // it has to be restarted to get what it should have
	Healthy  bool // it is known to serve
	Broken   bool // it is known not to serve; neither is what nobody could ask
	Leader   bool
	Ending   bool // it is being replaced already
}

// Step is the next thing to do. At most one of Restart and Wait is set; both are empty when nothing is left to do.
type Step struct {
	Restart    string // the member to restart
	MoveLeader bool   // it leads: another member has to take over first
	Wait       string // why nothing may be restarted now, in words for the user
}

// Next returns the next step. A broken member is restarted whatever the others do: it serves nobody, and what would mend it may be waiting for
// the restart. One that may serve is restarted only while all others are known to.
func Next(members []Member) Step {
	candidates := inOrder(members)
	if len(candidates) == 0 {
		return Step{}
	}
	next := candidates[0]
	for _, m := range members {
		switch {
		case m.Ending:
			return Step{Wait: fmt.Sprintf("waiting for %s, which is being replaced", m.Name)}
		case m.Name != next.Name && !m.Healthy && !next.Broken:
			return Step{Wait: fmt.Sprintf("waiting for %s to be healthy before %s is restarted", m.Name, next.Name)}
		}
	}
	return Step{Restart: next.Name, MoveLeader: next.Leader && !next.Broken && len(members) > 1}
}

// inOrder are the outdated members: broken ones first, then followers, then the leader; by name among equals.
func inOrder(members []Member) []Member {
	outdated := slices.DeleteFunc(slices.Clone(members), func(m Member) bool { return !m.Outdated })
	slices.SortFunc(outdated, func(a, b Member) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Name, b.Name))
	})
	return outdated
}

func rank(m Member) int {
	switch {
	case m.Broken:
		return 0
	case !m.Leader:
		return 1
	}
	return 2
}
