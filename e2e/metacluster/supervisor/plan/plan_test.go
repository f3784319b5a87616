package plan_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/metapilot/metapilot/e2e/metacluster/supervisor/plan"
)

// world is the state that a scenario file changes line by line. "apply" does at once what the plan says.
type world struct {
	obs    plan.Observed
	nextID int
}

func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		w := &world{obs: plan.Observed{
			Now: time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC), Running: map[string]plan.Process{}, Died: map[string]plan.Death{},
		}}
		datadriven.RunTest(t, path, w.run)
	})
}

func (w *world) run(t *testing.T, d *datadriven.TestData) string {
	switch d.Cmd {
	case "want": // name [needs=name] [hash=h] [held]
		w.obs.Wanted = nil
		for line := range strings.Lines(d.Input) {
			w.obs.Wanted = append(w.obs.Wanted, parsePart(line))
		}
	case "die":
		for _, arg := range d.CmdArgs {
			w.die(arg.Key)
		}
	case "pass":
		elapsed, err := time.ParseDuration(d.CmdArgs[0].Key)
		if err != nil {
			t.Fatal(err)
		}
		w.obs.Now = w.obs.Now.Add(elapsed)
	case "start": // starts parts whatever the plan says, as only a fault could
		for _, arg := range d.CmdArgs {
			w.apply(plan.Plan{Start: []plan.Action{{Part: arg.Key}}})
		}
	case "decide":
		return show(plan.Decide(w.obs))
	case "apply":
		p := plan.Decide(w.obs)
		w.apply(p)
		return show(p)
	default:
		t.Fatalf("unknown command %q", d.Cmd)
	}
	return ""
}

func parsePart(line string) plan.Part {
	fields := strings.Fields(line)
	part := plan.Part{Name: fields[0]}
	for _, field := range fields[1:] {
		key, value, _ := strings.Cut(field, "=")
		switch key {
		case "needs":
			part.Needs = value
		case "hash":
			part.Hash = value
		case "held":
			part.Held = true
		}
	}
	return part
}

func (w *world) die(name string) {
	w.obs.Died[name] = plan.NextDeath(w.obs.Died[name], w.obs.Running[name].StartedAt, w.obs.Now)
	delete(w.obs.Running, name)
}

// apply does what the loop around the plan does: a stopped part is gone without counting as a death.
func (w *world) apply(p plan.Plan) {
	for _, a := range p.Stop {
		delete(w.obs.Running, a.Part)
		delete(w.obs.Died, a.Part)
	}
	for _, a := range p.Start {
		for _, part := range w.obs.Wanted {
			if part.Name == a.Part {
				w.nextID++
				w.obs.Running[a.Part] = plan.Process{
					ID: w.nextID, Needs: part.Needs, NeedsID: w.obs.Running[part.Needs].ID, Hash: part.Hash, StartedAt: w.obs.Now,
				}
			}
		}
	}
}

func show(p plan.Plan) string {
	var b strings.Builder
	for _, a := range p.Stop {
		fmt.Fprintf(&b, "stop %s: %s\n", a.Part, a.Reason)
	}
	for _, a := range p.Start {
		fmt.Fprintf(&b, "start %s: %s\n", a.Part, a.Reason)
	}
	if p.Recheck > 0 {
		fmt.Fprintf(&b, "look again in %s\n", p.Recheck)
	}
	if b.Len() == 0 {
		return "nothing\n"
	}
	return b.String()
}

// A part that always dies at once is never started more often than its back-off allows, and never given up.
func TestCrashLoopIsBoundedAndEndless(t *testing.T) {
	w := &world{obs: plan.Observed{
		Now:     time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC),
		Wanted:  []plan.Part{{Name: "etcd"}},
		Running: map[string]plan.Process{}, Died: map[string]plan.Death{},
	}}
	starts := map[string]int{}
	end := w.obs.Now.Add(time.Hour)
	for w.obs.Now.Before(end) {
		p := plan.Decide(w.obs)
		if len(p.Start) == 1 {
			starts[strconv.Itoa(w.obs.Now.Minute())]++
			w.apply(p)
			w.die("etcd")
			continue
		}
		if p.Recheck <= 0 {
			t.Fatal("a dead part is neither started nor looked at again")
		}
		w.obs.Now = w.obs.Now.Add(p.Recheck)
	}
	if starts["0"] > 9 {
		t.Errorf("%d starts in the first minute", starts["0"])
	}
	if starts["59"] != 3 {
		t.Errorf("%d starts in the last minute, want one every 20 s", starts["59"])
	}
}
