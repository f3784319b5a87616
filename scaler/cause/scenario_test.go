package cause

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/metapilot/metapilot/scaler/model"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// world is what is seen of one component; commands of a scenario change it.
type world struct {
	o model.Observed
	p model.Policy
}

func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		w := &world{}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			command, ok := commands[d.Cmd]
			if !ok {
				d.Fatalf(t, "there is no such command")
			}
			return command(&line{t, d, w})
		})
	})
}

// line is a command with the world that it changes.
type line struct {
	t *testing.T
	*datadriven.TestData
	w *world
}

// commands of the scenario files.
var commands = map[string]func(*line) string{
	// component NAME [pods=1] [cpu=1] [memory=1Gi] [born=100h]: what it is all about; of its use nothing is known.
	"component": func(l *line) string {
		l.w.p = model.Policy{Causes: true, CPU: model.Utilization{Above: 80, For: time.Minute}, RepeatWithin: 30 * time.Minute}
		l.w.o = model.Observed{
			Now: noon, Component: l.CmdArgs[0].Key, Born: noon.Add(-l.duration("born", "100h")),
			Size: model.Size{Requests: model.Amounts{CPU: l.amount("cpu", "1", 1000)}, Limits: model.Amounts{Memory: l.amount("memory", "1Gi", 1)}},
		}
		l.w.o.Profile.Unknown = "there is none"
		l.w.o.Pods = pods(l.w.o.Component, int(l.amount("pods", "1", 1)), l.w.o.Size)
		return ""
	},
	// beside NAME [pods=1]: another component of the target.
	"beside": func(l *line) string {
		name := l.CmdArgs[0].Key
		l.w.o.Beside = map[string][]model.Pod{name: pods(name, int(l.amount("pods", "1", 1)), model.Size{})}
		return ""
	},
	// use POD cpu=900m..950m memory=100Mi for=1m [old=20s]: readings every 15 s.
	"use": use,
	// reading POD [over=30s] [old=20s] [unknown]: what the program says, line by line.
	"reading": reading,
	// pod NAME [throttled=30] [terminating]
	"pod": func(l *line) string {
		pod := l.pod()
		pod.Throttled, pod.Terminating = l.amount("throttled", "-1", 1), l.HasArg("terminating")
		return ""
	},
	// kills: lines AGO LIMIT
	"kills": func(l *line) string {
		l.w.o.Kills = nil
		for text := range strings.Lines(l.Input) {
			f := strings.Fields(text)
			l.w.o.Kills = append(l.w.o.Kills, model.Kill{Pod: l.w.o.Pods[0].Name, At: noon.Add(-l.parse(f[0])), Limit: l.quantity(f[1], 1)})
		}
		return ""
	},
	// past [grown=10m] [shrunk=10m] [lowered=10m]: how long ago.
	"past": func(l *line) string {
		l.w.o.Grown, l.w.o.Shrunk, l.w.o.Lowered.At = l.ago("grown"), l.ago("shrunk"), l.ago("lowered")
		return ""
	},
	// profile [known=48h] [week=900Mi] [silent=1m]: the line are peaks of half hours in MiB, FROM..TO xN for a line of them.
	"profile": profile,
	// told TYPE ...: at the last look.
	"told": func(l *line) string {
		l.w.o.Causes = nil
		for _, a := range l.CmdArgs {
			l.w.o.Causes = append(l.w.o.Causes, a.Key)
		}
		return ""
	},
	"off":     func(l *line) string { l.w.p.Causes = false; return "" },
	"metrics": func(l *line) string { l.w.o.Metrics = l.Input; return "" },
	// find [full]: the causes; full with evidence and what would help.
	"find": func(l *line) string { return words(Find(&l.w.o, &l.w.p), l.HasArg("full")) },
}

func pods(component string, n int, size model.Size) (all []model.Pod) {
	for i := range n {
		all = append(all, model.Pod{Name: fmt.Sprint(component, "-", i), Size: size, Actual: size, Running: true, Ready: true, Throttled: -1})
	}
	return all
}

func use(l *line) string {
	pod := l.pod()
	low, high, ranges := strings.Cut(l.text("cpu", "0"), "..")
	if !ranges {
		high = low
	}
	pod.Usage = nil
	end := noon.Add(-l.duration("old", "20s"))
	for back := l.duration("for", "1m"); back >= 0; back -= 15 * time.Second {
		s := model.Sample{At: end.Add(-back), CPU: l.quantity(low, 1000), Memory: l.amount("memory", "100Mi", 1)}
		if back == 15*time.Second {
			s.CPU = l.quantity(high, 1000)
		}
		pod.Usage = append(pod.Usage, s)
	}
	return ""
}

func reading(l *line) string {
	r := model.Reading{At: noon.Add(-l.duration("old", "20s")), Over: l.duration("over", "30s")}
	if l.HasArg("unknown") {
		r.Unknown = "it does not answer"
	}
	for text := range strings.Lines(l.Input) {
		f := strings.Fields(text)
		fill, ok := fills[f[0]]
		if !ok {
			l.Fatalf(l.t, "a reading has no %q", f[0])
		}
		if f[0] == "etcd" {
			r.Etcd = &model.Etcd{}
		} else if r.APIServer == nil {
			r.APIServer = &model.APIServer{}
		}
		fill(&r, &fields{l, f})
	}
	l.pod().Reading = r
	return ""
}

// fills are the lines of a reading.
var fills = map[string]func(*model.Reading, *fields){
	// api [requests=10] [rejected=1] [storage=200ms] [questions=50]
	"api": func(r *model.Reading, f *fields) {
		a := r.APIServer
		a.Requests, a.Rejected = f.number("requests"), f.number("rejected")
		a.Storage = model.Latency{Count: f.number("questions"), P99: f.duration("storage"), Mean: f.duration("storage") / 2}
	},
	// level NAME [seats=10] [executing=10] [queued=2] [rejected=1] [reason=queue-full]
	"level": func(r *model.Reading, f *fields) {
		r.APIServer.Levels = append(r.APIServer.Levels, model.PriorityLevel{
			Name: f.all[1], Seats: f.number("seats"), Executing: f.number("executing"), Queued: f.number("queued"), Rejected: f.number("rejected"), Reason: f.value("reason"),
		})
	},
	// flow LEVEL SCHEMA [requests=1] [work=20] [rejected=1]
	"flow": func(r *model.Reading, f *fields) {
		r.APIServer.Flows = append(r.APIServer.Flows, model.Flow{
			Level: f.all[1], Schema: f.all[2], Requests: f.number("requests"), Work: f.number("work"), Rejected: f.number("rejected"),
		})
	},
	// webhook NAME [calls=1] [mean=600ms] [p99=2s] [rejected=1]
	"webhook": func(r *model.Reading, f *fields) {
		r.APIServer.Webhooks = append(r.APIServer.Webhooks, model.Webhook{
			Name: f.all[1], Calls: f.number("calls"), Rejected: f.number("rejected"),
			Latency: model.Latency{Count: f.number("calls"), Mean: f.duration("mean"), P99: f.duration("p99")},
		})
	},
	// etcd [fsync=12ms] [fsyncs=10] [commit=30ms] [commits=10] [size=1Gi] [used=1Gi] [quota=2Gi]
	"etcd": func(r *model.Reading, f *fields) {
		r.Etcd.Fsync = model.Latency{Count: f.number("fsyncs"), P99: f.duration("fsync")}
		r.Etcd.Commit = model.Latency{Count: f.number("commits"), P99: f.duration("commit")}
		r.Etcd.Size, r.Etcd.Used, r.Etcd.Quota = f.bytes("size"), f.bytes("used"), f.bytes("quota")
	},
}

func profile(l *line) string {
	p := &l.w.o.Profile
	*p = model.Profile{Name: l.w.o.Component, LastSample: noon.Add(-l.duration("silent", "1m"))}
	p.Memory.Since = noon.Add(-l.duration("known", "48h"))
	p.Memory.Peak = l.amount("week", "0", 1)
	for _, f := range strings.Fields(l.Input) {
		span, times, _ := strings.Cut(f, "x")
		from, to, rises := strings.Cut(span, "..")
		n, _ := strconv.Atoi(times)
		for i := range max(n, 1) {
			mib := l.number(from)
			if rises {
				mib += (l.number(to) - l.number(from)) * float64(i) / float64(n-1)
			}
			p.Memory.Recent = append(p.Memory.Recent, max(int64(mib)<<20, -1))
		}
	}
	return ""
}

func words(found []model.Cause, full bool) string {
	if len(found) == 0 {
		return "no cause\n"
	}
	var b strings.Builder
	for _, c := range found {
		fmt.Fprintf(&b, "%d%% %s: %s\n", c.Confidence, c.Type, c.Says)
		if !full {
			continue
		}
		fmt.Fprintf(&b, "  cpu %q, memory %q; %s\n", c.CPU, c.Memory, c.Helps)
		for _, e := range c.Evidence {
			fmt.Fprintf(&b, "  - %s\n", e)
		}
	}
	return b.String()
}

func (l *line) pod() *model.Pod {
	for _, all := range [...][]model.Pod{l.w.o.Pods, l.w.o.Beside["etcd"], l.w.o.Beside["kube-apiserver"]} {
		if i := slices.IndexFunc(all, func(p model.Pod) bool { return p.Name == l.CmdArgs[0].Key }); i >= 0 {
			return &all[i]
		}
	}
	l.Fatalf(l.t, "there is no pod %s", l.CmdArgs[0].Key)
	return nil
}

func (l *line) text(key, otherwise string) string {
	for _, a := range l.CmdArgs {
		if a.Key == key && len(a.Vals) > 0 {
			return a.Vals[0]
		}
	}
	return otherwise
}

func (l *line) duration(key, otherwise string) time.Duration { return l.parse(l.text(key, otherwise)) }

func (l *line) ago(key string) time.Time {
	if l.text(key, "") == "" {
		return time.Time{}
	}
	return noon.Add(-l.duration(key, ""))
}

func (l *line) amount(key, otherwise string, times int64) int64 {
	return l.quantity(l.text(key, otherwise), times)
}

func (l *line) parse(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		l.Fatalf(l.t, "%v", err)
	}
	return d
}

func (l *line) quantity(text string, times int64) int64 {
	q, err := resource.ParseQuantity(text)
	if err != nil {
		l.Fatalf(l.t, "%q: %v", text, err)
	}
	return q.ScaledValue(resource.Milli) * times / 1000
}

func (l *line) number(text string) float64 {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		l.Fatalf(l.t, "%v", err)
	}
	return n
}

// fields of one line of a reading.
type fields struct {
	*line
	all []string
}

func (f *fields) value(key string) string {
	for _, one := range f.all {
		if value, ok := strings.CutPrefix(one, key+"="); ok {
			return value
		}
	}
	return ""
}

func (f *fields) number(key string) float64 {
	if f.value(key) == "" {
		return 0
	}
	return f.line.number(f.value(key))
}

func (f *fields) duration(key string) time.Duration {
	if f.value(key) == "" {
		return 0
	}
	return f.parse(f.value(key))
}

func (f *fields) bytes(key string) int64 {
	if f.value(key) == "" {
		return 0
	}
	return f.quantity(f.value(key), 1)
}
