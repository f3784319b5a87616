package fleet

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/yaml"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler/model"
)

var start = time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)

// world is a fleet: who waits, what has been, and what the policy says.
type world struct {
	now        time.Time
	policy     Policy
	past       Past
	candidates []Candidate
}

func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		w := &world{now: start, policy: Defaults()}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			command, ok := commands[d.Cmd]
			if !ok {
				d.Fatalf(t, "there is no such command")
			}
			return command(t, w, d)
		})
	})
}

var commands = map[string]func(*testing.T, *world, *datadriven.TestData) string{
	// policy: YAML of a ScalingPolicy's spec.fleet, and what it comes to.
	"policy": func(t *testing.T, w *world, d *datadriven.TestData) string {
		says := &v1alpha1.FleetPolicy{}
		if err := yaml.UnmarshalStrict([]byte(d.Input), says); err != nil {
			d.Fatalf(t, "%v", err)
		}
		w.policy = Defaults().With(says)
		return ""
	},
	// budgets [GROUP...]: of the fleet and of the groups.
	"budgets": func(_ *testing.T, w *world, d *datadriven.TestData) string {
		out := fmt.Sprintf("fleet: moves %s, downs %s, regrets %s\n", w.policy.Fleet.Moves, w.policy.Fleet.Downs, w.policy.Fleet.Regrets)
		for _, group := range d.CmdArgs {
			b, grouped := w.policy.Of(group.Key)
			out += fmt.Sprintf("%s (%t): moves %s, downs %s, regrets %s\n", group.Key, grouped, b.Moves, b.Downs, b.Regrets)
		}
		return out
	},
	// candidates: lines NAME [group=] [cpu=] [memory=] [risk=] [waited=] [missed=] [dry] [told]. All that there were are gone.
	"candidates": func(t *testing.T, w *world, d *datadriven.TestData) string {
		w.candidates = nil
		for line := range strings.Lines(d.Input) {
			w.candidates = append(w.candidates, w.candidate(t, d, line))
		}
		return ""
	},
	// downs, dry-downs and regrets: lines AGO [group]. All that there were are gone.
	"downs":     func(t *testing.T, w *world, d *datadriven.TestData) string { return w.events(t, d, &w.past.Downs) },
	"dry-downs": func(t *testing.T, w *world, d *datadriven.TestData) string { return w.events(t, d, &w.past.Dry) },
	"regrets":   func(t *testing.T, w *world, d *datadriven.TestData) string { return w.events(t, d, &w.past.Regrets) },
	"after": func(t *testing.T, w *world, d *datadriven.TestData) string {
		w.now = w.now.Add(span(t, d, d.CmdArgs[0].Key))
		return ""
	},
	"plan": func(_ *testing.T, w *world, _ *datadriven.TestData) string { return w.plan() },
	// go: those whose turn it is are made smaller, and wait no longer; dry runs have told it.
	"go": func(_ *testing.T, w *world, _ *datadriven.TestData) string { return strings.Join(w.goOn(), " ") },
	// risk [replicas=] [quorum] [cpu=] [memory=] [killed=AGO] [regretted=AGO] [known=] [peak=PERCENT] [of=cpu|memory]: of a step down by a quarter.
	"risk": risk,
}

func (w *world) candidate(t *testing.T, d *datadriven.TestData, line string) Candidate {
	c := Candidate{Since: w.now}
	for i, field := range strings.Fields(line) {
		name, text, _ := strings.Cut(field, "=")
		switch {
		case i == 0:
			c.Key = Key{"default", field, "kube-apiserver"}
		case name == "group":
			c.Group = text
		case name == "cpu", name == "memory":
			w.saves(t, d, &c, name, text)
		case name == "risk":
			c.Risk = int64(number(t, d, text))
		case name == "waited":
			c.Since = w.now.Add(-span(t, d, text))
		case name == "missed":
			c.Missed = w.now.Add(-span(t, d, text))
		default:
			c.DryRun, c.Told = true, name == "told"
		}
	}
	return c
}

func (w *world) saves(t *testing.T, d *datadriven.TestData, c *Candidate, of, text string) {
	if of == "cpu" {
		c.Saving.CPU = amount(t, d, text).MilliValue()
	} else {
		c.Saving.Memory = amount(t, d, text).Value()
	}
}

func (w *world) events(t *testing.T, d *datadriven.TestData, into *[]Event) string {
	*into = nil
	for line := range strings.Lines(d.Input) {
		fields := append(strings.Fields(line), "")
		*into = append(*into, Event{At: w.now.Add(-span(t, d, fields[0])), Group: fields[1]})
	}
	return ""
}

func (w *world) plan() string {
	s := Plan(w.now, &w.policy, &w.past, w.candidates)
	var out strings.Builder
	for _, stop := range s.Stops {
		fmt.Fprintf(&out, "stop: %s, since %s until %s\n", stop.Says, stop.Since.Format(time.TimeOnly), stop.Until.Format(time.TimeOnly))
	}
	for i := range s.Places {
		p := &s.Places[i]
		fmt.Fprintf(&out, "%d/%d %s", p.Number, p.Of, p.Name)
		switch {
		case p.Turn.Open:
			out.WriteString(" may go\n")
		case p.At.IsZero():
			fmt.Fprintf(&out, " waits: %s\n", p.Turn.Says)
		case p.At.Equal(p.Turn.Until):
			fmt.Fprintf(&out, " waits until %s: %s\n", p.At.Format(time.TimeOnly), p.Turn.Says)
		default:
			fmt.Fprintf(&out, " waits until %s (%s): %s\n", p.At.Format(time.TimeOnly), p.Turn.Until.Format(time.TimeOnly), p.Turn.Says)
		}
	}
	if !s.Next.IsZero() {
		fmt.Fprintf(&out, "next at %s\n", s.Next.Format(time.TimeOnly))
	}
	return out.String()
}

// goOn makes those smaller whose turn it is, and returns them.
func (w *world) goOn() (names []string) {
	s := Plan(w.now, &w.policy, &w.past, w.candidates)
	w.candidates = nil
	for i := range s.Places {
		p := &s.Places[i]
		switch {
		case !p.Turn.Open:
			w.candidates = append(w.candidates, p.Candidate)
			continue
		case p.DryRun && !p.Told:
			w.past.Dry = append(w.past.Dry, Event{w.now, p.Group})
		case !p.DryRun:
			w.past.Downs = append(w.past.Downs, Event{w.now, p.Group})
		}
		if names = append(names, p.Name); p.DryRun {
			p.Told = true
			w.candidates = append(w.candidates, p.Candidate)
		}
	}
	return names
}

func risk(t *testing.T, _ *world, d *datadriven.TestData) string {
	given := map[string]string{"replicas": "2", "cpu": "1", "memory": "1Gi", "known": "200h", "peak": "100", "of": "cpu"}
	for _, arg := range d.CmdArgs {
		given[arg.Key] = strings.Join(arg.Vals, "")
	}
	o := &model.Observed{Now: start, Replicas: number(t, d, given["replicas"])}
	_, o.Quorum = given["quorum"]
	o.Size.Requests = model.Amounts{CPU: amount(t, d, given["cpu"]).MilliValue(), Memory: amount(t, d, given["memory"]).Value()}
	if ago := given["killed"]; ago != "" {
		o.Kills = []model.Kill{{At: start.Add(-span(t, d, ago))}}
	}
	if ago := given["regretted"]; ago != "" {
		o.Regretted = start.Add(-span(t, d, ago))
	}
	for _, r := range []model.Resource{model.CPU, model.Memory} {
		*o.Profile.Of(r) = model.Recommendation{Target: 100, Peak: int64(number(t, d, given["peak"])), Since: start.Add(-span(t, d, given["known"]))}
	}
	to := o.Size.With(model.Resource(given["of"]), o.Size.Steered(model.Resource(given["of"]))*3/4, 0)
	found := RiskOf(&Step{o, to})
	return strings.TrimSuffix(fmt.Sprintf("%d: %s", found.Points, strings.Join(found.Reasons, "; ")), ": ")
}

func span(t *testing.T, d *datadriven.TestData, text string) time.Duration {
	parsed, err := time.ParseDuration(text)
	if err != nil {
		d.Fatalf(t, "%v", err)
	}
	return parsed
}

func number(t *testing.T, d *datadriven.TestData, text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		d.Fatalf(t, "%v", err)
	}
	return n
}

func amount(t *testing.T, d *datadriven.TestData, text string) *resource.Quantity {
	q, err := resource.ParseQuantity(cmp.Or(text, "0"))
	if err != nil {
		d.Fatalf(t, "%q: %v", text, err)
	}
	return &q
}
