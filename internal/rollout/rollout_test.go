package rollout

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// From any state in which every restarted member comes back healthy and up to date, all members get there, the leader last, and never do fewer
// than a quorum of healthy members serve because of a restart.
func TestEveryMemberIsRestartedOnceAndTheQuorumStays(t *testing.T) {
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 7))
		size := 1 + 2*r.IntN(3)
		members := make([]Member, size)
		for i := range members {
			members[i] = Member{Name: fmt.Sprint("m", i), Outdated: r.IntN(3) > 0, Healthy: true}
		}
		leader := r.IntN(size)
		members[leader].Leader = true
		if size > 1 && r.IntN(2) == 0 {
			broken := &members[(leader+1)%size]
			broken.Healthy, broken.Broken, broken.Outdated = false, true, true
		}
		for range 2 * size {
			step := Next(members)
			if step.Restart == "" {
				break
			}
			restart(t, seed, members, step)
		}
		for _, m := range members {
			if m.Outdated {
				t.Errorf("seed %d: %s is still outdated: %+v", seed, m.Name, members)
			}
		}
	}
}

func restart(t *testing.T, seed uint64, members []Member, step Step) {
	t.Helper()
	serving := 0
	for i := range members {
		m := &members[i]
		switch {
		case m.Name != step.Restart:
			if m.Healthy {
				serving++
			}
		case m.Leader && !step.MoveLeader && len(members) > 1:
			t.Errorf("seed %d: the leader is restarted while it leads", seed)
		default:
			m.Outdated, m.Healthy, m.Broken = false, true, false
		}
	}
	if len(members) > 1 && serving < len(members)/2+1 {
		t.Errorf("seed %d: restarting %s leaves %d of %d serving", seed, step.Restart, serving, len(members))
	}
	if step.MoveLeader {
		moveLeader(members, step.Restart)
	}
}

// moveLeader has the next member lead.
func moveLeader(members []Member, from string) {
	next := (indexOf(members, from) + 1) % len(members)
	for i := range members {
		members[i].Leader = i == next
	}
}

func indexOf(members []Member, name string) int {
	for i := range members {
		if members[i].Name == name {
			return i
		}
	}
	return -1
}

func TestNothingIsRestartedWhile(t *testing.T) {
	for why, members := range map[string][]Member{
		"another one is being replaced": {{Name: "a", Outdated: true, Healthy: true}, {Name: "b", Ending: true}, {Name: "c", Healthy: true, Leader: true}},
		"another one is not healthy":    {{Name: "a", Outdated: true, Healthy: true}, {Name: "b"}, {Name: "c", Healthy: true, Leader: true}},
		"nobody could be asked":         {{Name: "a", Outdated: true}, {Name: "b", Outdated: true}, {Name: "c", Outdated: true}},
	} {
		if step := Next(members); step.Restart != "" || step.Wait == "" {
			t.Errorf("while %s: %+v", why, step)
		}
	}
}

// All were born broken, by a wrong flag say, and the flag is mended: without a quorum to lose they are restarted one after the other.
func TestBornBrokenIsMended(t *testing.T) {
	members := []Member{{Name: "a", Outdated: true, Broken: true}, {Name: "b", Outdated: true, Broken: true}, {Name: "c", Outdated: true, Broken: true}}
	for range members {
		step := Next(members)
		if step.Restart == "" {
			t.Fatalf("stuck: %+v with %+v", step, members)
		}
		members[indexOf(members, step.Restart)].Outdated = false // and still broken: there is no quorum yet
	}
	if step := Next(members); step != (Step{}) {
		t.Errorf("all are up to date, and still %+v", step)
	}
}
