package record

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler/model"
)

const mi = int64(1 << 20)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func scaler() *v1alpha1.ClusterScaler {
	return &v1alpha1.ClusterScaler{ObjectMeta: metav1.ObjectMeta{Namespace: "fleet", Name: "demo", UID: "u-1"}}
}

func memory(request, limit int64) model.Size {
	return model.Size{Requests: model.Amounts{CPU: 50, Memory: request * mi}, Limits: model.Amounts{Memory: limit * mi}}
}

// killed is what was seen, and what was decided about it.
func killed() (*model.Observed, *model.Plan) {
	o := &model.Observed{
		Now: noon.Add(500 * time.Millisecond), Component: "etcd", Size: memory(96, 512),
		Kills: []model.Kill{{Pod: "etcd-0", Container: "a", At: noon, Limit: 512 * mi}},
		Pods: []model.Pod{{Name: "etcd-0", Usage: []model.Sample{
			{At: noon.Add(-30 * time.Second), CPU: 10, Memory: 300 * mi}, {At: noon.Add(-15 * time.Second), CPU: 40, Memory: 480 * mi},
		}}, {Name: "etcd-1"}},
	}
	p := &model.Plan{
		Decision: model.Up, From: memory(96, 512), To: memory(512, 768), Reason: "etcd-0 was OOM-killed", News: true, Source: "oom", Signal: noon,
		Proposals: []model.Proposal{
			{Estimator: "oom", Resource: model.Memory, Value: 768 * mi, Proven: 512 * mi, Signal: noon, Says: "150% of 512Mi"},
			{Estimator: "cpu-utilization", Resource: model.CPU, Says: "no pod uses too much"},
		},
		Verdicts: []model.Verdict{{Guard: "mode"}, {Guard: "step", Says: "trimmed"}},
	}
	return o, p
}

func TestRecordSaysAllThatTheDecisionRestedOn(t *testing.T) {
	o, p := killed()
	r := New(scaler(), o, p)
	s := &r.Spec
	var evidence, proposals, guards []string
	for _, e := range s.Evidence {
		evidence = append(evidence, strings.TrimSpace(e.Source+" "+e.Pod+" "+e.Says))
	}
	for _, p := range s.Proposals {
		proposals = append(proposals, fmt.Sprintf("%s %s %s", p.Estimator, p.Value, p.Says))
	}
	for _, g := range s.Guards {
		guards = append(guards, fmt.Sprintf("%s %t %s", g.Guard, g.Held, g.Says))
	}
	for what, tc := range map[string]struct{ got, want string }{
		"its place":     {r.Namespace + " " + r.Labels["metapilot.io/scaler"] + " " + r.Labels["metapilot.io/component"], "fleet demo etcd"},
		"its owner":     {fmt.Sprint(r.OwnerReferences[0].Kind, " ", r.OwnerReferences[0].UID), "ClusterScaler u-1"},
		"its times":     {fmt.Sprint(s.DecidedAt.Sub(s.SignalAt.Time), " ", s.SignalAt.Sub(noon)), "500ms 0s"},
		"its sizes":     {fmt.Sprintf("%s %s %s", s.From.Limits.Memory, s.To.Limits.Memory, s.To.Requests.CPU), "512Mi 768Mi 50m"},
		"its reason":    {s.Reason, "memory 512Mi -> 768Mi: etcd-0 was OOM-killed"},
		"its evidence":  {strings.Join(evidence, "; "), "oom etcd-0 killed at a memory limit of 512Mi; utilization etcd-0 uses 40m of CPU and 480Mi of memory (2 samples)"},
		"its proposals": {strings.Join(proposals, "; "), "oom 768Mi 150% of 512Mi; cpu-utilization <nil> no pod uses too much"},
		"what held it":  {strings.Join(guards, "; "), "mode false ; step false trimmed"},
	} {
		if tc.got != tc.want {
			t.Errorf("%s is\n%s, want\n%s", what, tc.got, tc.want)
		}
	}
}

func TestRecordOfAStepDownSaysWhatItSavesAndWhatItRestsOn(t *testing.T) {
	o, p := killed()
	o.Kills = nil
	o.Profile = model.Profile{Name: "etcd", Algorithm: "auto", LastSample: noon, Memory: model.Recommendation{
		Target: 90 * mi, Lower: 80 * mi, Upper: 100 * mi, Uncapped: 95 * mi, Since: noon.Add(-72 * time.Hour), Gaps: 2, Says: "the peak of a day",
	}}
	p.Decision, p.From, p.To = model.Down, memory(512, 768), memory(384, 576)
	p.Idle.Memory = model.Idle{Since: noon.Add(-13 * time.Hour), Highest: 92 * mi}
	r := New(scaler(), o, p)
	if s := r.Spec.Saving; s == nil || s.Pods != 2 || s.Requests.Memory.String() != "256Mi" || s.Limits.Memory.String() != "384Mi" || s.Requests.CPU != nil {
		t.Errorf("the saving is %+v", s)
	}
	want := "etcd auto recommends 90Mi of memory (80Mi to 100Mi, 95Mi without bounds), known since 2026-11-20 12:00 with 2% of gaps; at most 92Mi since 2026-11-22 23:00: the peak of a day"
	if last := r.Spec.Evidence[len(r.Spec.Evidence)-1]; last.Source != "profile" || last.Says != want {
		t.Errorf("the evidence says\n%s, want\n%s", last.Says, want)
	}
}

func TestRecordSaysThatUsageIsNotKnown(t *testing.T) {
	o, p := killed()
	o.Metrics, o.Pods = "the metrics API does not answer", nil
	last := New(scaler(), o, p).Spec.Evidence[1]
	if last.Source != "utilization" || last.Says != "the metrics API does not answer" {
		t.Errorf("the evidence says %+v", last)
	}
}

func TestRecordOfARestartSaysWhatItBrings(t *testing.T) {
	o, p := killed()
	p.Decision, p.Debt, p.To, p.Reason = model.Restart, "it collects garbage too early", p.From, "it collects garbage too early"
	r := New(scaler(), o, p)
	if last := r.Spec.Evidence[len(r.Spec.Evidence)-1]; last.Source != "restart-debt" || last.Says != p.Debt || r.Spec.Reason != p.Debt {
		t.Errorf("the evidence says %+v, and the reason is %q", last, r.Spec.Reason)
	}
}

// A scaler that died after it had written a record decides the same again, and must find the record.
func TestSameDecisionHasTheSameName(t *testing.T) {
	o, p := killed()
	first := New(scaler(), o, p).Name
	o.Now = o.Now.Add(3 * time.Minute)
	o.Pods[0].Usage = o.Pods[0].Usage[1:]
	p.Reason, p.Verdicts = "in other words", nil
	if again := New(scaler(), o, p).Name; again != first {
		t.Errorf("the same decision is %s after a restart, and was %s", again, first)
	}
}

func TestAnotherDecisionHasAnotherName(t *testing.T) {
	name := func(change func(*model.Observed, *model.Plan)) string {
		o, p := killed()
		change(o, p)
		return New(scaler(), o, p).Name
	}
	held := func(_ *model.Observed, p *model.Plan) {
		p.Decision, p.Verdicts = model.Hold, []model.Verdict{{Guard: "pause", Held: true, Says: "paused"}}
		p.Held = &p.Verdicts[0]
	}
	usual := name(func(*model.Observed, *model.Plan) {})
	for what, change := range map[string]func(*model.Observed, *model.Plan){
		"about another component":        func(o *model.Observed, _ *model.Plan) { o.Component = "etcd-events" },
		"of another kind":                func(_ *model.Observed, p *model.Plan) { p.Decision = model.Revert },
		"that is a dry run":              func(_ *model.Observed, p *model.Plan) { p.DryRun = true },
		"from another size":              func(_ *model.Observed, p *model.Plan) { p.From = memory(96, 511) },
		"to another size":                func(_ *model.Observed, p *model.Plan) { p.To = memory(513, 768) },
		"for another kill":               func(_ *model.Observed, p *model.Plan) { p.Signal = noon.Add(time.Second) },
		"after another way back":         func(o *model.Observed, _ *model.Plan) { o.Shrunk = noon },
		"about another target":           func(o *model.Observed, _ *model.Plan) { o.Target = "u-2" },
		"after another growth":           func(o *model.Observed, _ *model.Plan) { o.Grown = noon },
		"that was held":                  held,
		"that was held an hour later":    func(o *model.Observed, p *model.Plan) { held(o, p); o.Now = o.Now.Add(time.Hour) },
		"that was held by another guard": func(o *model.Observed, p *model.Plan) { held(o, p); p.Verdicts[0].Guard = "owner" },
	} {
		t.Run(what, func(t *testing.T) {
			if got := name(change); got == usual {
				t.Errorf("a decision %s has the same name: %s", what, got)
			}
		})
	}
	paused, foreign := name(held), name(func(o *model.Observed, p *model.Plan) { held(o, p); p.Verdicts[0].Guard = "owner" })
	if paused == foreign {
		t.Errorf("what two guards hold within one hour has one name (%s), so the second is written down nowhere, and is tried again at each look", paused)
	}
}

// Workloads have names of up to 253 characters with dots and dashes anywhere but at the ends; what is cut from them has ends of its own.
func TestRecordOfAnyComponentIsAValidObject(t *testing.T) {
	cs := scaler()
	cs.Name = strings.Repeat("s", 50)
	for cut := range 253 {
		for _, c := range []string{"-", "."} {
			component := strings.Repeat("a", cut) + c + strings.Repeat("b", 253-cut-1)
			if cut == 0 {
				component = component[1:] + "b"
			}
			o, p := killed()
			o.Component = component
			r := New(cs, o, p)
			problems := validation.NameIsDNSSubdomain(r.Name, false)
			problems = append(problems, labelProblems(r.Labels)...)
			if len(problems) > 0 {
				t.Fatalf("a component whose name has %q at place %d cannot be written down, so nothing is done about it: %s", c, cut+1, strings.Join(problems, "; "))
			}
		}
	}
}

func labelProblems(labels map[string]string) (all []string) {
	for _, e := range metav1validation.ValidateLabels(labels, field.NewPath("metadata", "labels")) {
		all = append(all, e.Error())
	}
	return all
}

func TestNamesTellComponentsApart(t *testing.T) {
	seen := map[string]string{}
	for i := range 2000 {
		o, p := killed()
		o.Component = fmt.Sprintf("%s-%d", strings.Repeat("a", 40), i)
		name := New(scaler(), o, p).Name
		if other := seen[name]; other != "" {
			t.Fatalf("%s and %s have the same name %s", o.Component, other, name)
		}
		seen[name] = o.Component
	}
}
