package programs

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/metapilot/metapilot/scaler/model"
	"github.com/metapilot/metapilot/scaler/source"
	"github.com/metapilot/metapilot/scaler/source/exposition"
)

// stage is a source, and one program that it asks when the scenario says so.
type stage struct {
	*Source
	clock   *clocktesting.FakeClock
	started time.Time
	url     string
	text    string
	gone    bool
}

func newStage(t *testing.T) *stage {
	clock := clocktesting.NewFakeClock(time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC))
	st := &stage{Source: New(nil, clock, exposition.NewPurse(1<<30)), clock: clock, started: clock.Now()}
	server := httptest.NewServer(st)
	t.Cleanup(server.Close)
	st.url = server.URL
	port := number(t, parse(t, server.URL).Port())
	st.programs = map[string]program{"kube-apiserver": {apiServer, port, false}, "etcd": {etcd, port, false}}
	return st
}

func (st *stage) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	if st.gone {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	fmt.Fprint(w, st.text)
}

func (st *stage) look(component string) model.Reading {
	pod := &corev1.Pod{Status: corev1.PodStatus{PodIP: "127.0.0.1"}}
	pod.UID = types.UID(component)
	o := model.Observed{Now: st.clock.Now(), Pods: []model.Pod{{Running: true, Ready: true}}}
	c := source.Component{Name: component, Home: "tc-demo", Pods: []*corev1.Pod{pod}}
	c.Tenant.Name = "demo"
	st.Look(c, &o)
	return o.Pods[0].Reading
}

// commands of the scenario files. Each has the name of the component first.
var commands = map[string]func(*testing.T, *stage, *datadriven.TestData) string{
	// says COMPONENT: its metrics, read now.
	"says": func(t *testing.T, st *stage, d *datadriven.TestData) string {
		st.text, st.gone = d.Input+"\n", false
		return st.asked(t, d)
	},
	// gone COMPONENT: it does not answer, now.
	"gone": func(t *testing.T, st *stage, d *datadriven.TestData) string {
		st.gone = true
		return st.asked(t, d)
	},
	"after": func(t *testing.T, st *stage, d *datadriven.TestData) string {
		step, err := time.ParseDuration(d.CmdArgs[0].Key)
		if err != nil {
			t.Fatal(err)
		}
		st.clock.Step(step)
		return ""
	},
	// look COMPONENT: what is known of it now.
	"look": func(_ *testing.T, st *stage, d *datadriven.TestData) string {
		r := st.look(d.CmdArgs[0].Key)
		return describe(&r, st.started)
	},
}

func (st *stage) asked(t *testing.T, d *datadriven.TestData) string {
	name := d.CmdArgs[0].Key
	st.look(name)
	if _, err := st.ask(t.Context(), target{types.UID(name), name, "tc-demo", "127.0.0.1"}); err != nil {
		return err.Error() + "\n"
	}
	return ""
}

func describe(r *model.Reading, started time.Time) string {
	var b strings.Builder
	at := "never"
	if !r.At.IsZero() {
		at = r.At.Sub(started).String()
	}
	fmt.Fprintf(&b, "told at %s, over %s", at, r.Over)
	if r.Unknown != "" {
		fmt.Fprintf(&b, ", unknown: %s", r.Unknown)
	}
	b.WriteString("\n")
	if a := r.APIServer; a != nil {
		fmt.Fprintf(&b, "%g requests/s, %g with 429; storage %s\n", a.Requests, a.Rejected, latency(a.Storage))
		for _, l := range a.Levels {
			fmt.Fprintf(&b, "level %+v\n", l)
		}
		for _, f := range a.Flows {
			fmt.Fprintf(&b, "flow %+v\n", f)
		}
		for _, h := range a.Webhooks {
			fmt.Fprintf(&b, "webhook %s: %g calls/s, %g rejected, %s\n", h.Name, h.Calls, h.Rejected, latency(h.Latency))
		}
		for _, name := range slices.Sorted(maps.Keys(a.Objects)) {
			fmt.Fprintf(&b, "%d %s\n", a.Objects[name], name)
		}
	}
	if e := r.Etcd; e != nil {
		fmt.Fprintf(&b, "fsync %s; commit %s\nsize %d, used %d, quota %d; %g leader changes/h, %g proposals failed/s\n",
			latency(e.Fsync), latency(e.Commit), e.Size, e.Used, e.Quota, e.LeaderChanges, e.ProposalsFailed)
	}
	return b.String()
}

func latency(l model.Latency) string {
	return fmt.Sprintf("%g/s p99 %s mean %s", l.Count, l.P99, l.Mean)
}

func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata/scenarios", func(t *testing.T, path string) {
		st := newStage(t)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			command, ok := commands[d.Cmd]
			if !ok {
				d.Fatalf(t, "there is no such command")
			}
			return command(t, st, d)
		})
	})
}
