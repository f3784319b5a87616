package estimator

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/cockroachdb/datadriven"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/metapilot/metapilot/recommender/model"
)

// story is one container over time, and what was published of it.
type story struct {
	c         *model.Container
	now       time.Time
	published [model.Resources]float64
	bounds    [model.Resources]Bounds
}

func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		s := &story{c: model.NewContainer(), now: start}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			command, ok := commands[d.Cmd]
			if !ok {
				d.Fatalf(t, "there is no such command")
			}
			command(t, s, d)
			return s.table()
		})
	})
}

// commands of the scenario files. Each prints what everybody recommends after it.
var commands = map[string]func(*testing.T, *story, *datadriven.TestData){
	// use for=48h cpu=400m[..800m] memory=1Gi[..2Gi] [night=100m]: a sample of both every minute, growing evenly if two amounts are given; with
	// night, so much CPU from 20:00 to 08:00.
	"use": use,
	// silence for=6h: nobody tells anything.
	"silence": func(t *testing.T, s *story, d *datadriven.TestData) { s.now = s.now.Add(span(t, d)); s.publish() },
	// kill limit=256Mi: an OOM kill now.
	"kill": func(t *testing.T, s *story, d *datadriven.TestData) {
		limit, _ := amounts(t, d, "limit")
		s.c.OOM(s.now, model.Kill{Replica: "a", At: s.now, Limit: int64(limit)})
		s.publish()
	},
	// bounds [cpu=100m..2] [memory=1Gi..4Gi]: of the policy.
	"bounds": func(t *testing.T, s *story, d *datadriven.TestData) {
		for r, name := range []string{"cpu", "memory"} {
			if d.HasArg(name) {
				s.bounds[r].Min, s.bounds[r].Max = amounts(t, d, name)
			}
		}
		s.publish()
	},
}

func use(t *testing.T, s *story, d *datadriven.TestData) {
	begin, end := s.now, s.now.Add(span(t, d))
	cpu, lastCPU := amounts(t, d, "cpu")
	memory, lastMemory := amounts(t, d, "memory")
	for ; s.now.Before(end); s.now = s.now.Add(time.Minute) {
		part, now := s.now.Sub(begin).Seconds()/end.Sub(begin).Seconds(), cpu
		if now += part * (lastCPU - cpu); d.HasArg("night") && (s.now.Hour() < 8 || s.now.Hour() >= 20) {
			now, _ = amounts(t, d, "night")
		}
		s.c.Add(s.now, model.CPU, model.Sample{Replica: "a", At: s.now, Amount: now})
		s.c.Add(s.now, model.Memory, model.Sample{Replica: "a", At: s.now, Amount: memory + part*(lastMemory-memory)})
		Learn(s.c)
		s.publish()
	}
}

func (s *story) publish() {
	for r := range model.Resources {
		s.published[r] = s.limited(r).Target
	}
}

func (s *story) limited(r model.Resource) Limited {
	return Limit(s.c, r, s.now, Published{Target: s.published[r]}, s.bounds[r], Auto(s.c, r))
}

// table has what is published, why, and what each algorithm recommends.
func (s *story) table() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 1, 2, ' ', 0)
	for r := range model.Resources {
		l := s.limited(r)
		fmt.Fprintf(w, "%v\t%s\t%s\n", r, written(r, l.Target), strings.Join(append([]string{l.Reason}, l.Why...), "; "))
		for _, a := range All {
			fmt.Fprintf(w, "  %s\t%s\t\n", a.Name, written(r, a.Recommend(s.c, r).Target))
		}
	}
	_ = w.Flush() // to memory
	var lines []string
	for line := range strings.Lines(b.String()) {
		lines = append(lines, strings.TrimRight(line, " \n"))
	}
	return strings.Join(lines, "\n") + "\n"
}

func written(r model.Resource, amount float64) string {
	switch {
	case amount == 0:
		return "-"
	case r == model.CPU:
		return strconv.Itoa(int(amount)) + "m"
	}
	return strconv.Itoa(int(amount)>>20) + "Mi"
}

func span(t *testing.T, d *datadriven.TestData) time.Duration {
	t.Helper()
	var text string
	d.ScanArgs(t, "for", &text)
	all, err := time.ParseDuration(text)
	if err != nil {
		d.Fatalf(t, "%v", err)
	}
	return all
}

// amounts from..to; to is from if it is not given.
func amounts(t *testing.T, d *datadriven.TestData, name string) (from, to float64) {
	t.Helper()
	var text string
	d.ScanArgs(t, name, &text)
	first, last, two := strings.Cut(text, "..")
	if !two {
		last = first
	}
	return amount(t, d, name, first), amount(t, d, name, last)
}

func amount(t *testing.T, d *datadriven.TestData, name, text string) float64 {
	t.Helper()
	q, err := resource.ParseQuantity(text)
	if err != nil {
		d.Fatalf(t, "%s=%s: %v", name, text, err)
	}
	if name == "cpu" || name == "night" {
		return float64(q.MilliValue())
	}
	return float64(q.Value())
}
