package scaler

import (
	"reflect"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler/model"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// known is a profile of etcd, with a change.
func known(changes ...func(*v1alpha1.WorkloadProfile)) *v1alpha1.WorkloadProfile {
	amount := func(s string) *resource.Quantity { q := resource.MustParse(s); return &q }
	at := metav1.NewTime(noon)
	p := &v1alpha1.WorkloadProfile{
		ObjectMeta: metav1.ObjectMeta{Name: "etcd"},
		Status: v1alpha1.WorkloadProfileStatus{
			Algorithm: "peak-trend", LastSample: &at,
			Containers: []v1alpha1.ContainerProfile{{Name: "sidecar"}, {
				Name: "etcd", BadSamples: []v1alpha1.BadSamples{{Fault: "Future", Count: 1}},
				CPU:    v1alpha1.ResourceProfile{Target: amount("40m"), Lower: amount("36m"), Upper: amount("48m"), Since: &at, GapsPercent: 3, Recent: []int64{1}},
				Memory: v1alpha1.ResourceProfile{Target: amount("90Mi"), Upper: amount("108Mi"), Uncapped: amount("95Mi"), Reason: "the peak", Recent: []int64{-1, 0, 80, 1 << 40}},
			}},
			Conditions: []metav1.Condition{{Type: v1alpha1.ReadyCondition, Status: metav1.ConditionTrue}, {Type: v1alpha1.SourcesAnswerCondition, Status: metav1.ConditionFalse}},
		},
	}
	for _, c := range changes {
		c(p)
	}
	return p
}

func condition(kind string, status metav1.ConditionStatus) func(*v1alpha1.WorkloadProfile) {
	return func(p *v1alpha1.WorkloadProfile) {
		p.Status.Conditions = append(p.Status.Conditions, metav1.Condition{Type: kind, Status: status, Reason: "Because", Message: "of that"})
	}
}

func TestProfileIsReadAsItIs(t *testing.T) {
	want := model.Profile{
		Name: "etcd", Algorithm: "peak-trend", LastSample: noon,
		CPU:    model.Recommendation{Target: 40, Lower: 36, Upper: 48, Since: noon, Gaps: 3},
		Memory: model.Recommendation{Target: 90 << 20, Upper: 108 << 20, Uncapped: 95 << 20, Says: "the peak", Recent: []int64{-1, 0, 80 << 20, -1}},
	}
	if got := profileOf(known(), "etcd"); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	brevity := known()
	brief(brevity)
	if got := profileOf(brevity, "etcd"); !reflect.DeepEqual(got, want) || brevity.Status.Containers[1].CPU.Recent != nil {
		t.Errorf("of what is cached %+v", got)
	}
	if got := profileOf(known(), "nobody"); got.Unknown != "WorkloadProfile etcd says nothing of container nobody yet" {
		t.Errorf("of a container that it does not know: %+v", got)
	}
	for _, lie := range []string{"-1", "8E", "99999999999999999999"} {
		lies := known(func(p *v1alpha1.WorkloadProfile) {
			*p.Status.Containers[1].CPU.Target, *p.Status.Containers[1].Memory.Target = resource.MustParse(lie), resource.MustParse(lie)
		})
		if got := profileOf(lies, "etcd"); got.CPU.Target != 0 || got.Memory.Target != 0 {
			t.Errorf("%s is taken for %d and %d", lie, got.CPU.Target, got.Memory.Target)
		}
	}
}

func TestProfileThatDoesNotGoOn(t *testing.T) {
	for want, p := range map[string]*v1alpha1.WorkloadProfile{
		"":                 known(),
		"Because: of that": known(condition(v1alpha1.TargetFoundCondition, metav1.ConditionFalse)),
		"Because:  of that": known(condition(v1alpha1.StalledCondition, metav1.ConditionTrue), func(p *v1alpha1.WorkloadProfile) {
			p.Status.Conditions[2].Message = " of that"
		}),
	} {
		if got := frozen(p); got != want {
			t.Errorf("it says %q, want %q", got, want)
		}
	}
}

// A recommender writes often, and few of its writes are worth a look.
func TestOnlyWhatDecisionsRestOnWakes(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*v1alpha1.WorkloadProfile)
		wakes  bool
	}{
		"nothing": {func(*v1alpha1.WorkloadProfile) {}, false},
		"another sample": {func(p *v1alpha1.WorkloadProfile) {
			p.Status.LastSample = &metav1.Time{Time: noon.Add(time.Minute)}
			p.Status.Containers[1].CPU.Samples++
			p.Status.Containers[1].CPU.Recent = []int64{2}
		}, false},
		"another target":   {func(p *v1alpha1.WorkloadProfile) { *p.Status.Containers[1].CPU.Target = resource.MustParse("41m") }, true},
		"more gaps":        {func(p *v1alpha1.WorkloadProfile) { p.Status.Containers[1].Memory.GapsPercent = 30 }, true},
		"its workload":     {condition(v1alpha1.TargetFoundCondition, metav1.ConditionFalse), true},
		"its last sources": {condition(v1alpha1.SourcesAnswerCondition, metav1.ConditionTrue), false},
	} {
		if got := telling.Update(event.UpdateEvent{ObjectOld: known(), ObjectNew: known(tc.change)}); got != tc.wakes {
			t.Errorf("%s: wakes %t", name, got)
		}
	}
	if !telling.Create(event.CreateEvent{Object: known()}) || !telling.Delete(event.DeleteEvent{Object: known()}) {
		t.Error("a profile that comes or goes is worth a look")
	}
}

// A kubelet that cannot take memory away says so of a resize that it goes on trying.
func TestResizeThatTheKubeletCannotDo(t *testing.T) {
	pod := &corev1.Pod{Status: corev1.PodStatus{Conditions: []corev1.PodCondition{{
		Type: corev1.PodResizeInProgress, Status: corev1.ConditionTrue, Reason: corev1.PodReasonError, Message: "the limit is below what is in use",
	}}}}
	if got := podOf(pod, "etcd", model.Size{}, noon); got.Pending != "InProgress" || got.Says != "the limit is below what is in use" {
		t.Errorf("the pod is %+v", got)
	}
	pod.Status.Conditions[0].Reason = ""
	if got := podOf(pod, "etcd", model.Size{}, noon); got.Pending != "" {
		t.Errorf("a resize on its way waits for %q", got.Pending)
	}
}

// Of a week's memory the most counts, of its CPU all but what programs take when they start; and that is all that the cache keeps of usage.
func TestPeakOfAWeek(t *testing.T) {
	windows := func(p95, most string) []v1alpha1.UsageWindow {
		week := v1alpha1.UsageWindow{Window: "168h", P95: resource.MustParse(p95), Max: resource.MustParse(most)}
		return []v1alpha1.UsageWindow{{Window: "24h", P95: resource.MustParse("7"), Max: resource.MustParse("8")}, week}
	}
	p := known(func(p *v1alpha1.WorkloadProfile) {
		p.Status.Containers[1].CPU.Usage, p.Status.Containers[1].Memory.Usage = windows("300m", "2"), windows("100Mi", "512Mi")
	})
	brief(p)
	if got := profileOf(p, "etcd"); got.CPU.Peak != 300 || got.Memory.Peak != 512<<20 || len(p.Status.Containers[1].CPU.Usage) != 1 {
		t.Errorf("%+v", got)
	}
	if got := profileOf(known(), "etcd"); got.CPU.Peak != 0 || got.Memory.Needs() != 108<<20 {
		t.Errorf("without usage: %+v", got)
	}
}

// A size that somebody else has made larger is a growth, and one that was just not known before is none.
func TestSizesThatRise(t *testing.T) {
	small := model.Size{Requests: model.Amounts{CPU: 100, Memory: 1 << 30}}
	for name, tc := range map[string]struct {
		before, now model.Size
		want        bool
	}{
		"not known before": {model.Size{}, small, false},
		"the same":         {small, small, false},
		"more CPU":         {small, small.With(model.CPU, 200, 0), true},
		"less memory":      {small, small.With(model.Memory, 1<<29, 0), false},
		"less of one":      {small, small.With(model.CPU, 50, 0).With(model.Memory, 2<<30, 0), true},
	} {
		if got := rose(tc.before, tc.now); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestWhatIsTakenForEtcd(t *testing.T) {
	for name, want := range map[string]bool{"etcd": true, "shop-etcd-events": true, "postgres": false, "": false} {
		if got := isEtcd(name, "main"); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}

// What the records and the status tell is enough to know of a growth by somebody else, and of a regret whose own record is gone.
func TestWhatIsRecalled(t *testing.T) {
	amount := func(s string) *resource.Quantity { q := resource.MustParse(s); return &q }
	v := view{component: &component{}, observed: model.Observed{Now: noon, Size: model.Size{Requests: model.Amounts{Memory: 2 << 30}}}}
	v.before.Size = v1alpha1.Size{Requests: v1alpha1.Quantities{Memory: amount("1Gi")}}
	v.records = []*v1alpha1.ScalingRecord{{
		Spec: v1alpha1.ScalingRecordSpec{Decision: v1alpha1.DecisionDown, DecidedAt: metav1.NewMicroTime(noon.Add(-2 * time.Hour))},
		Status: v1alpha1.ScalingRecordStatus{
			Phase: v1alpha1.PhaseRegretted, Outcomes: []v1alpha1.Outcome{{At: metav1.NewTime(noon.Add(-time.Hour))}},
		},
	}}
	v.recall()
	if o := &v.observed; !o.Grown.Equal(noon) || !o.Regretted.Equal(noon.Add(-time.Hour)) {
		t.Errorf("grown at %s, regretted at %s", o.Grown, o.Regretted)
	}
}
