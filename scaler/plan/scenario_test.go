package plan

import (
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

func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata/scenarios", func(t *testing.T, path string) {
		w := newWorld()
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			command, ok := commands[d.Cmd]
			if !ok {
				d.Fatalf(t, "there is no such command")
			}
			return command(t, w, d)
		})
	})
}

// commands of the scenario files. Amounts are written request/limit.
var commands = map[string]func(*testing.T, *world, *datadriven.TestData) string{
	// component NAME [pods=N] [quorum] cpu=50m memory=96Mi/512Mi: what it is all about, with all its pods well.
	"component": func(t *testing.T, w *world, d *datadriven.TestData) string {
		pods := 1
		d.MaybeScanArgs(t, "pods", &pods)
		w.build(d.CmdArgs[0].Key, pods, d.HasArg("quorum"), size(t, d))
		return ""
	},
	// size cpu= memory= [pods]: decided by somebody else; with pods, carried out as well.
	"size": func(t *testing.T, w *world, d *datadriven.TestData) string {
		w.o.Size = size(t, d)
		if d.HasArg("pods") {
			resize(&w.o, w.o.Size)
			w.kubelet()
		}
		return ""
	},
	// policy: YAML that is merged into the ClusterScaler's spec. A new-policy starts from an empty one.
	"policy": func(t *testing.T, w *world, d *datadriven.TestData) string { return merge(t, w, d) },
	"new-policy": func(t *testing.T, w *world, d *datadriven.TestData) string {
		w.spec = v1alpha1.ClusterScalerSpec{}
		return merge(t, w, d)
	},
	// after: time passes.
	"after": func(t *testing.T, w *world, d *datadriven.TestData) string {
		w.o.Now = w.o.Now.Add(duration(t, d, d.CmdArgs[0].Key))
		return ""
	},
	// use for=5m [looks], then lines POD cpu=90m memory=400Mi..480Mi: time passes, with a reading every 15 s; "all" stands for every pod. With looks, it
	// is decided every minute, and nothing is done.
	"use": use,
	// kill POD [limit=237Mi]: an OOM kill now, at the limit that the container has.
	"kill": func(t *testing.T, w *world, d *datadriven.TestData) string {
		pod := podOf(t, w, d)
		limit := pod.Actual.Limits.Memory
		if d.HasArg("limit") {
			limit = amount(t, d, model.Memory, value(d, "limit"))
		}
		w.kill(pod, limit)
		return ""
	},
	// pod NAME [not-ready] [well] [terminating] [node=N] [gomemlimit=460Mi] [refuses=Deferred|Infeasible] [cpu= memory=]
	"pod": changePod,
	// throttled POD percent=40 over=30s: a kubelet tells so now.
	"throttled": throttled,
	// metrics [FAULT]: the metrics API fails, or answers again.
	"metrics": func(_ *testing.T, w *world, d *datadriven.TestData) string { w.fault = d.Input; return "" },
	// profile [age=72h] [gaps=3] [silent=11m] [frozen] [cpu=TARGET/UPPER] [memory=TARGET/UPPER]: of the workload, by the algorithm peak-trend.
	"profile": profile,
	// reading POD: what its program says from now on, as YAML of a model.Reading; nothing for nothing.
	"reading": func(t *testing.T, w *world, d *datadriven.TestData) string {
		r := &model.Reading{Over: 30 * time.Second}
		if err := yaml.UnmarshalStrict([]byte(d.Input), r); err != nil {
			d.Fatalf(t, "%v", err)
		}
		if w.says[podOf(t, w, d).Name] = r; d.Input == "" {
			delete(w.says, d.CmdArgs[0].Key)
		}
		return ""
	},
	// windows [open] [next=2h]: of maintenance.
	"windows": func(t *testing.T, w *world, d *datadriven.TestData) string {
		w.o.Windows = model.Maintenance{Open: d.HasArg("open")}
		if next := value(d, "next"); next != "" {
			w.o.Windows.Next = w.o.Now.Add(duration(t, d, next))
		}
		return ""
	},
	// probe answers|failing|unknown|off [for=70s]: what asking the tenant from outside shows now, and has for so long; in words.
	"probe": probe,
	// fleet tenants=100 failing=10 [unknown=3]: how many of the fleet fail now, and whether that stops anything.
	"fleet": func(t *testing.T, w *world, d *datadriven.TestData) string {
		var tenants, failing, unknown int
		d.ScanArgs(t, "tenants", &tenants)
		d.MaybeScanArgs(t, "failing", &failing)
		d.MaybeScanArgs(t, "unknown", &unknown)
		w.o.Fleet = w.o.Fleet.Next(w.o.Now, tenants, failing, unknown)
		return w.o.Fleet.Stopped()
	},
	// scale nodes=N pods=N objects=N [floor=CPU/MEMORY] [fleet=CPU/MEMORY] [error=18]: of the cluster, and what others of its scale need.
	"scale":   scale,
	"foreign": func(_ *testing.T, w *world, d *datadriven.TestData) string { w.o.Foreign = d.Input; return "" },
	"stuck":   func(_ *testing.T, w *world, d *datadriven.TestData) string { w.o.Stuck = d.Input; return "" },
	// nodes: lines NAME allocatable=CPU,MEMORY free=CPU,MEMORY [closed]
	"nodes": nodes,
	// moves: how long ago the fleet's last disruptive moves were.
	"moves": func(t *testing.T, w *world, d *datadriven.TestData) string {
		w.o.Moves = nil
		for _, ago := range d.CmdArgs {
			w.o.Moves = append(w.o.Moves, w.o.Now.Add(-duration(t, d, ago.Key)))
		}
		return ""
	},
	// group-moves GROUP COUNT WITHIN AGO...: the budget of the component's group, and how long ago its last moves were.
	"group-moves": groupMoves,
	// turn [open] [unknown] [next=2h], and why it has to wait: the component's turn among the steps down of the fleet.
	"turn": func(t *testing.T, w *world, d *datadriven.TestData) string {
		w.o.Turn = model.Turn{Open: d.HasArg("open"), Says: d.Input}
		if next := value(d, "next"); next != "" {
			w.o.Turn.Until = w.o.Now.Add(duration(t, d, next))
		}
		return ""
	},
	"decide": func(_ *testing.T, w *world, _ *datadriven.TestData) string { return describe(w.decide()) },
	// explain: the last decision with all that was proposed.
	"explain": func(_ *testing.T, w *world, _ *datadriven.TestData) string { return explain(&w.plan) },
	"apply":   func(_ *testing.T, w *world, _ *datadriven.TestData) string { w.apply(); return "" },
	// effective: the policy that holds for the component.
	"effective": func(_ *testing.T, w *world, _ *datadriven.TestData) string {
		return effective(PolicyOf(&w.spec, w.o.Component))
	},
}

func probe(t *testing.T, w *world, d *datadriven.TestData) string {
	since := w.o.Now
	if d.HasArg("for") {
		since = since.Add(-duration(t, d, value(d, "for")))
	}
	w.o.Probe = model.Probe{Asked: true, At: w.o.Now, Since: since}
	switch d.CmdArgs[0].Key {
	case "answers":
	case "failing":
		w.o.Probe.Failing, w.o.Probe.Says = true, d.Input
	case "unknown":
		w.o.Probe.Unknown = d.Input
	case "off":
		w.o.Probe = model.Probe{}
	default:
		d.Fatalf(t, "a probe is not %q", d.CmdArgs[0].Key)
	}
	return ""
}

func throttled(t *testing.T, w *world, d *datadriven.TestData) string {
	pod, percent := podOf(t, w, d), int64(0)
	d.ScanArgs(t, "percent", &percent)
	pod.Throttling = append(pod.Throttling, model.Throttle{At: w.o.Now, Over: duration(t, d, value(d, "over")), Percent: percent})
	pod.Throttled = percent
	return ""
}

func groupMoves(t *testing.T, w *world, d *datadriven.TestData) string {
	w.o.Group, w.o.GroupMoves = d.CmdArgs[0].Key, nil
	n, err := strconv.Atoi(d.CmdArgs[1].Key)
	if err != nil {
		d.Fatalf(t, "%v", err)
	}
	w.groupMoves, w.groupWithin = n, duration(t, d, d.CmdArgs[2].Key)
	for _, ago := range d.CmdArgs[3:] {
		w.o.GroupMoves = append(w.o.GroupMoves, w.o.Now.Add(-duration(t, d, ago.Key)))
	}
	return ""
}

func merge(t *testing.T, w *world, d *datadriven.TestData) string {
	if err := yaml.UnmarshalStrict([]byte(d.Input), &w.spec); err != nil {
		d.Fatalf(t, "%v", err)
	}
	return ""
}

func use(t *testing.T, w *world, d *datadriven.TestData) string {
	n := int(duration(t, d, value(d, "for")) / samplePeriod)
	for k := 1; k <= n; k++ {
		w.o.Now = w.o.Now.Add(samplePeriod)
		for line := range strings.Lines(d.Input) {
			name, cpu, memory := usageLine(t, d, line)
			w.reads(name, model.Sample{At: w.o.Now, CPU: between(cpu, k, n), Memory: between(memory, k, n)})
		}
		if d.HasArg("looks") && k%4 == 0 {
			w.decide()
		}
	}
	return ""
}

// reads gives one pod or all a reading.
func (w *world) reads(name string, s model.Sample) {
	for i := range w.o.Pods {
		if pod := w.o.Pods[i].Name; name == "all" || name == pod {
			w.usage[pod] = append(w.usage[pod], s)
		}
	}
}

func profile(t *testing.T, w *world, d *datadriven.TestData) string {
	p := model.Profile{Name: w.o.Component, Algorithm: "peak-trend"}
	age, gaps := "72h", int64(0)
	d.MaybeScanArgs(t, "age", &age)
	d.MaybeScanArgs(t, "gaps", &gaps)
	if w.silent = 0; d.HasArg("silent") {
		w.silent = duration(t, d, value(d, "silent"))
	}
	if d.HasArg("frozen") {
		p.Frozen = "NotFound: its workload is away"
	}
	for _, r := range [...]model.Resource{model.CPU, model.Memory} {
		target, upper, _ := strings.Cut(value(d, string(r)), "/")
		*p.Of(r) = model.Recommendation{
			Target: amount(t, d, r, target), Upper: amount(t, d, r, upper), Since: w.o.Now.Add(-duration(t, d, age)), Gaps: gaps,
		}
	}
	w.o.Profile = p
	return ""
}

func scale(t *testing.T, w *world, d *datadriven.TestData) string {
	s, off := model.Scale{At: w.o.Now, Bytes: 64 << 20, Requests: 10}, int64(18)
	for name, into := range map[string]*int64{"nodes": &s.Nodes, "pods": &s.Pods, "objects": &s.Objects, "error": &off} {
		d.MaybeScanArgs(t, name, into)
	}
	w.o.Scale, w.o.BySize = s, model.BySize{Floor: pair(t, d, joinedArg(d, "floor")), Row: "row 2 of 5"}
	for _, r := range [...]model.Resource{model.CPU, model.Memory} {
		*w.o.BySize.Fleet.Of(r) = model.Estimate{Amount: pair(t, d, joinedArg(d, "fleet")).Of(r), Error: off, Tenants: 312}
	}
	return ""
}

// joinedArg is an argument with a comma in it.
func joinedArg(d *datadriven.TestData, key string) string {
	return strings.ReplaceAll(value(d, key), "/", ",")
}

func usageLine(t *testing.T, d *datadriven.TestData, line string) (pod string, cpu, memory [2]int64) {
	for i, field := range strings.Fields(line) {
		name, text, _ := strings.Cut(field, "=")
		switch {
		case i == 0:
			pod = field
		case name == "cpu":
			cpu = fromTo(t, d, model.CPU, text)
		case name == "memory":
			memory = fromTo(t, d, model.Memory, text)
		default:
			d.Fatalf(t, "%q is neither cpu nor memory", field)
		}
	}
	return pod, cpu, memory
}

func fromTo(t *testing.T, d *datadriven.TestData, r model.Resource, text string) [2]int64 {
	from, to, rises := strings.Cut(text, "..")
	if !rises {
		to = from
	}
	return [2]int64{amount(t, d, r, from), amount(t, d, r, to)}
}

func between(ends [2]int64, k, n int) int64 { return ends[0] + (ends[1]-ends[0])*int64(k)/int64(n) }

func changePod(t *testing.T, w *world, d *datadriven.TestData) string {
	pod := podOf(t, w, d)
	for _, arg := range d.CmdArgs[1:] {
		switch arg.Key {
		case "not-ready":
			pod.Ready, pod.Turned = false, w.o.Now
		case "terminating":
			pod.Ready, pod.Terminating = false, true
		case "well":
			pod.Ready, pod.Terminating, pod.Pending, pod.Says = true, false, "", ""
			delete(w.refuses, pod.Name)
		case "node":
			pod.Node = arg.Vals[0]
		case "throttled":
			if _, err := fmt.Sscan(arg.Vals[0], &pod.Throttled); err != nil {
				d.Fatalf(t, "%v", err)
			}
		case "gomemlimit":
			pod.GoMemLimit = amount(t, d, model.Memory, arg.Vals[0])
		case "refuses":
			w.refuses[pod.Name] = arg.Vals[0]
		default:
			d.Fatalf(t, "a pod has no %q", arg.Key)
		}
	}
	return ""
}

func nodes(t *testing.T, w *world, d *datadriven.TestData) string {
	w.o.Nodes = nil
	for line := range strings.Lines(d.Input) {
		node := model.Node{}
		for i, field := range strings.Fields(line) {
			name, text, _ := strings.Cut(field, "=")
			switch {
			case i == 0:
				node.Name = field
			case name == "allocatable":
				node.Allocatable = pair(t, d, text)
			case name == "free":
				node.Free = pair(t, d, text)
			case name == "closed":
				node.Closed = true
			}
		}
		w.o.Nodes = append(w.o.Nodes, node)
	}
	return ""
}

func podOf(t *testing.T, w *world, d *datadriven.TestData) *model.Pod {
	pod := w.pod(d.CmdArgs[0].Key)
	if pod == nil {
		d.Fatalf(t, "there is no pod %s", d.CmdArgs[0].Key)
	}
	return pod
}

func duration(t *testing.T, d *datadriven.TestData, text string) time.Duration {
	parsed, err := time.ParseDuration(text)
	if err != nil {
		d.Fatalf(t, "%v", err)
	}
	return parsed
}

func value(d *datadriven.TestData, key string) string {
	for _, arg := range d.CmdArgs {
		if arg.Key == key && len(arg.Vals) > 0 {
			return arg.Vals[0]
		}
	}
	return ""
}

// size reads cpu=REQUEST[/LIMIT] and memory=REQUEST[/LIMIT].
func size(t *testing.T, d *datadriven.TestData) (s model.Size) {
	request, limit, _ := strings.Cut(value(d, "cpu"), "/")
	s.Requests.CPU, s.Limits.CPU = amount(t, d, model.CPU, request), amount(t, d, model.CPU, limit)
	request, limit, _ = strings.Cut(value(d, "memory"), "/")
	s.Requests.Memory, s.Limits.Memory = amount(t, d, model.Memory, request), amount(t, d, model.Memory, limit)
	return s
}

func pair(t *testing.T, d *datadriven.TestData, text string) model.Amounts {
	cpu, memory, _ := strings.Cut(text, ",")
	return model.Amounts{CPU: amount(t, d, model.CPU, cpu), Memory: amount(t, d, model.Memory, memory)}
}

func amount(t *testing.T, d *datadriven.TestData, r model.Resource, text string) int64 {
	if text == "" {
		return 0
	}
	q, err := resource.ParseQuantity(text)
	if err != nil {
		d.Fatalf(t, "%q: %v", text, err)
	}
	if r == model.CPU {
		return q.MilliValue()
	}
	return q.Value()
}

// describe prints a plan for people.
func describe(p *model.Plan) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s: %s\n", verb(p), Explain(p))
	if p.To != p.From {
		fmt.Fprintf(&out, "size %s -> %s\n", words(p.From), words(p.To))
	}
	if p.Wants != p.To {
		fmt.Fprintf(&out, "wants %s\n", words(p.Wants))
	}
	for _, v := range p.Verdicts {
		switch {
		case !v.Held && v.Says != "":
			fmt.Fprintf(&out, "%s: %s\n", v.Guard, v.Says)
		case v.Held && v.Until.IsZero():
			fmt.Fprintf(&out, "held by %s, recheck %s\n", v.Guard, p.Recheck)
		case v.Held:
			fmt.Fprintf(&out, "held by %s until %s, recheck %s\n", v.Guard, v.Until.Format(time.TimeOnly), p.Recheck)
		}
	}
	if p.Decision != model.Stay && !p.Record() {
		out.WriteString("no news\n")
	}
	return out.String()
}

func verb(p *model.Plan) string {
	switch {
	case p.Decision == model.Stay:
		return "Stay"
	case p.DryRun:
		return string(p.Decision) + " (dry run)"
	}
	return string(p.Decision)
}

func explain(p *model.Plan) string {
	var out strings.Builder
	for _, one := range p.Proposals {
		if one.Value == 0 {
			fmt.Fprintf(&out, "%s abstains: %s\n", one.Estimator, one.Says)
			continue
		}
		fmt.Fprintf(&out, "%s proposes %s (proven %s, urgent %t, source %s, signal %s): %s\n", one.Estimator,
			model.Short(one.Resource, one.Value), model.Short(one.Resource, one.Proven), one.Urgent, one.Source, one.Signal.Format(time.TimeOnly), one.Says)
	}
	for i := range p.Causes {
		fmt.Fprintf(&out, "%d%% %s: %s\n", p.Causes[i].Confidence, p.Causes[i].Type, p.Causes[i].Says)
	}
	fmt.Fprintf(&out, "not smaller: %s\n", p.Smaller)
	if p.Lower != (model.Size{}) {
		fmt.Fprintf(&out, "at its turn: %s\n", words(p.Lower))
	}
	if p.Debt != "" {
		fmt.Fprintf(&out, "debt: %s\n", p.Debt)
	}
	return out.String()
}

func effective(p model.Policy) string {
	var out strings.Builder
	fmt.Fprintf(&out, "up %s, down %s, paused %q until %s\n", p.Up, p.Down, p.Paused, p.PausedUntil.Format(time.DateTime))
	fmt.Fprintf(&out, "oom %t, cpu %+v, memory %+v\n", p.OOM, p.CPU, p.Memory)
	fmt.Fprintf(&out, "factors %d%%, repeated within %s\n", p.Factors, p.RepeatWithin)
	fmt.Fprintf(&out, "by use %t: cpu to %d%%, memory to %d%%, step %d%%\n", p.Estimate, p.CPUTarget, p.MemoryTarget, p.MaxStep)
	fmt.Fprintf(&out, "by profile %t: below %d%% for %s, step %d%%, watched for %s\n", p.Profile, p.Below, p.DownWindow, p.DownStep, p.Watch)
	fmt.Fprintf(&out, "min %+v, max %+v\n", p.Min, p.Max)
	fmt.Fprintf(&out, "cool-down %s, %s; tolerance %d%%; checks %s, %s\n", p.UpCooldown, p.DownCooldown, p.Tolerance, p.EarlyCheck, p.LateCheck)
	fmt.Fprintf(&out, "restarts after %s, %d in %s; causes %t\n", p.QuietBeforeDebts, p.FleetMoves, p.FleetWithin, p.Causes)
	return out.String()
}

// words are a size as it is written in a scenario.
func words(s model.Size) string {
	return fmt.Sprintf("cpu=%s memory=%s",
		both(model.CPU, s.Requests.CPU, s.Limits.CPU), both(model.Memory, s.Requests.Memory, s.Limits.Memory))
}

func both(r model.Resource, request, limit int64) string {
	if limit == 0 {
		return model.Short(r, request)
	}
	return model.Short(r, request) + "/" + model.Short(r, limit)
}
