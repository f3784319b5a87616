package profile_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/recommender/model"
	"github.com/metapilot/metapilot/recommender/profile"
	"github.com/metapilot/metapilot/recommender/source"
)

const mi = 1 << 20

func asItIs(*v1alpha1.WorkloadProfile) bool { return true }

func testKept(t *testing.T, w *world) {
	w.start()
	d := w.deploy("api", true, 0)
	w.deploy("other", false, 0)
	p := w.profile("api", asItIs)
	if len(p.OwnerReferences) != 1 || p.OwnerReferences[0].UID != d.UID || p.Labels[v1alpha1.TenantLabel] != "demo" {
		t.Errorf("the profile is not its workload's: %+v", p.ObjectMeta)
	}
	if err := w.Delete(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	w.profile("api", func(again *v1alpha1.WorkloadProfile) bool { return again.UID != p.UID })

	d.Labels = nil
	if err := w.Update(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	marked := w.profile("api", func(p *v1alpha1.WorkloadProfile) bool { return p.Annotations["metapilot.io/not-admitted-since"] != "" })
	d.Labels = map[string]string{v1alpha1.TenantLabel: "demo"}
	if err := w.Update(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	w.profile("api", func(p *v1alpha1.WorkloadProfile) bool {
		return p.UID == marked.UID && p.Annotations["metapilot.io/not-admitted-since"] == ""
	})
	d.Labels = nil
	if err := w.Update(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	w.profile("api", func(p *v1alpha1.WorkloadProfile) bool { return p.Annotations["metapilot.io/not-admitted-since"] != "" })
	if err := w.edit("api", func(p *v1alpha1.WorkloadProfile) {
		p.Annotations["metapilot.io/not-admitted-since"] = w.clock.Now().Add(-25 * time.Hour).Format(time.RFC3339)
	}); err != nil {
		t.Fatal(err)
	}
	w.gone("deployment-api")
	w.gone("deployment-other")
}

// edit changes a profile, whatever is written to it at the same time.
func (w *world) edit(name string, change func(*v1alpha1.WorkloadProfile)) error {
	return retry.RetryOnConflict(retry.DefaultRetry, func() error {
		p := &v1alpha1.WorkloadProfile{}
		if err := w.Get(w.t.Context(), client.ObjectKey{Namespace: w.namespace, Name: "deployment-" + name}, p); err != nil {
			return err
		}
		change(p)
		return w.Update(w.t.Context(), p)
	})
}

// gone waits until there is no such profile.
func (w *world) gone(name string) {
	w.t.Helper()
	var err error
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		err = w.Get(w.t.Context(), client.ObjectKey{Namespace: w.namespace, Name: name}, &v1alpha1.WorkloadProfile{})
		if apierrors.IsNotFound(err) {
			return
		}
	}
	w.t.Errorf("WorkloadProfile %s is there: %v", name, err)
}

// The hungriest of three replicas counts, and limits keep their proportion.
func testFilled(t *testing.T, w *world) {
	w.meter.past = 3 * 24 * time.Hour
	w.deploy("api", true, 3)
	for i, use := range []float64{100, 400, 200} {
		w.meter.uses(fmt.Sprintf("api-7f9-%05d", i), use, use*mi)
	}
	w.meter.uses("api-6c4-bcdfg", 50, 600*mi) // one that is no longer there
	w.start()
	p := w.profile("api", ready)
	c := p.Status.Containers[0]
	if c.Name != "app" || p.Status.Replicas != 4 || c.CPU.Samples < 3*288*3 || p.Status.LastSample == nil {
		t.Errorf("%+v", p.Status)
	}
	if got := c.CPU.Target.MilliValue(); got < 400 || got > 500 {
		t.Errorf("CPU target %dm", got)
	}
	if got := c.Memory.Target.Value() / mi; got < 600 || got > 780 {
		t.Errorf("memory target %d Mi", got)
	}
	checkFigures(t, c)
}

func checkFigures(t *testing.T, c v1alpha1.ContainerProfile) {
	t.Helper()
	if r := c.Recommended; r.Requests.CPU.Cmp(*c.CPU.Target) != 0 || r.Limits.CPU != nil || r.Limits.Memory.Value() != 2*r.Requests.Memory.Value() {
		t.Errorf("recommended %+v", r)
	}
	if len(c.CPU.Usage) != 3 || c.CPU.Usage[1].Max.MilliValue() < 400 || len(c.CPU.Algorithms) != 5 || len(c.CPU.Recent) != 48 || c.CPU.GapsPercent > 1 {
		t.Errorf("%+v", c.CPU)
	}
}

// A past that is told in part is asked for again, and taken as it is when that does not help.
func testHalf(t *testing.T, w *world) {
	for name, tc := range map[string]struct {
		half         int
		fewest, most int64
	}{"once": {1, 280, 290}, "always": {9, 140, 150}} {
		w.meter.change(func() { w.meter.past, w.meter.half = 24*time.Hour, tc.half })
		w.deploy(name, true, 1)
		w.meter.uses(name+"-7f9-00000", 400, 300*mi)
		if w.stop == nil {
			w.start()
		}
		p := w.profile(name, ready)
		if got := p.Status.Containers[0].CPU.Samples; got < tc.fewest || got > tc.most {
			t.Errorf("%s: %d samples", name, got)
		}
	}
}

// The pod was evicted, and replaced by another one, while no recommender ran.
func testEvicted(t *testing.T, w *world) {
	w.deploy("api", true, 1)
	w.meter.uses("api-7f9-00000", 100, 200*mi)
	w.start()
	w.profile("api", ready)
	w.stop()
	at := metav1.NewTime(w.clock.Now().Add(-time.Minute))
	w.create(&corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Name: "api.1", Namespace: w.namespace, Annotations: map[string]string{
			"offending_containers": "app", "offending_containers_usage": "512Mi", "starved_resource": "memory",
		}},
		InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: w.namespace, Name: "api-7f9-bcdfg", UID: "u"},
		Reason:         "Evicted", Type: corev1.EventTypeWarning, FirstTimestamp: at, LastTimestamp: at,
	})
	w.start()
	p := w.profile("api", func(p *v1alpha1.WorkloadProfile) bool { return ready(p) && p.Status.Containers[0].OOMFloor != nil })
	if got := p.Status.Containers[0].OOMFloor; got.Bytes.Value() != 768*mi || got.Kills != 1 {
		t.Errorf("%+v", got)
	}
}

func testSilence(t *testing.T, w *world) {
	w.meter.past = 2 * 24 * time.Hour
	w.deploy("api", true, 1)
	w.meter.uses("api-7f9-00000", 400, 300*mi)
	w.start()
	before := w.profile("api", ready).Status.Containers[0]
	w.meter.change(func() { w.meter.fault = "nobody answers" })
	for range 30 { // hours
		w.clock.Step(time.Hour)
	}
	p := w.profile("api", func(p *v1alpha1.WorkloadProfile) bool {
		return is(p, v1alpha1.SourcesAnswerCondition, metav1.ConditionFalse, "Faulty") && p.Status.Containers[0].CPU.GapsPercent > 50
	})
	after := p.Status.Containers[0]
	if after.CPU.Target.Cmp(*before.CPU.Target) != 0 || after.Memory.Target.Cmp(*before.Memory.Target) != 0 {
		t.Errorf("from %v, %v to %v, %v while nothing was seen", before.CPU.Target, before.Memory.Target, after.CPU.Target, after.Memory.Target)
	}
	if p.Status.Sources[0].Fault != "nobody answers" {
		t.Errorf("%+v", p.Status.Sources)
	}
	w.meter.change(func() { w.meter.fault, w.meter.past = "", 0 })
	w.meter.uses("api-7f9-00000", 40, 30*mi)
	seen := after.CPU.Samples
	again := w.profile("api", func(p *v1alpha1.WorkloadProfile) bool { return p.Status.Containers[0].CPU.Samples > seen+40 }).Status.Containers[0]
	if again.CPU.Target.Cmp(*before.CPU.Target) != 0 || again.Memory.Target.Cmp(*before.Memory.Target) != 0 {
		t.Errorf("from %v, %v to %v, %v after a day of which little is known", before.CPU.Target, before.Memory.Target, again.CPU.Target, again.Memory.Target)
	}
}

func testFrozen(t *testing.T, w *world) {
	w.meter.past = 2 * 24 * time.Hour
	d := w.deploy("api", true, 1)
	w.meter.uses("api-7f9-00000", 400, 300*mi)
	w.start()
	before := w.profile("api", ready)
	if err := w.Delete(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	w.meter.uses("api-7f9-00000", 4000, 300*mi)
	p := w.profile("api", func(p *v1alpha1.WorkloadProfile) bool {
		return is(p, v1alpha1.TargetFoundCondition, metav1.ConditionFalse, "TargetNotFound") && is(p, v1alpha1.ReadyCondition, metav1.ConditionFalse, "TargetNotFound")
	})
	for range 10 {
		w.clock.Step(time.Minute)
	}
	if p.UID != before.UID || p.Status.Containers[0].CPU.Target.MilliValue() > 500 {
		t.Errorf("%+v", p.Status.Containers[0].CPU)
	}
	w.meter.uses("api-7f9-00000", 400, 300*mi)
	w.deployAgain(d.Name)
	after := w.profile("api", ready)
	if after.UID != before.UID || after.Status.Containers[0].CPU.Samples < before.Status.Containers[0].CPU.Samples {
		t.Errorf("history was lost: %d samples, and %d before", after.Status.Containers[0].CPU.Samples, before.Status.Containers[0].CPU.Samples)
	}
}

func (w *world) deployAgain(name string) { w.deploy(name, true, 0) }

func testKill(t *testing.T, w *world) {
	w.deploy("api", true, 2)
	w.meter.uses("api-7f9-00000", 100, 200*mi)
	w.start()
	w.profile("api", ready)
	w.killed("api-7f9-00001", w.clock.Now())
	p := w.profile("api", func(p *v1alpha1.WorkloadProfile) bool { return ready(p) && p.Status.Containers[0].OOMFloor != nil })
	if got := p.Status.Containers[0]; got.OOMFloor.Bytes.Value() != 384*mi || got.Memory.Target.Value() < 384*mi {
		t.Errorf("floor %v, target %v", &got.OOMFloor.Bytes, got.Memory.Target)
	}
	for range 5 {
		w.clock.Step(time.Minute)
		time.Sleep(50 * time.Millisecond)
	}
	if got := w.profile("api", asItIs).Status.Containers[0].OOMFloor; got.Bytes.Value() != 384*mi || got.Kills != 1 {
		t.Errorf("the same kill was learned from again: %+v", got)
	}
	saved, err := w.checkpoint(p.Name)
	if err != nil {
		t.Fatal(err)
	}
	c, err := model.Restore(saved.Spec.Containers[0].State)
	if err != nil || c.Floor().Kills != 1 {
		t.Errorf("the kill is not in the checkpoint: %v, %+v", err, c.Floor())
	}
}

// A kill that happened while nobody looked is found when somebody does.
func testRestart(t *testing.T, w *world) {
	w.meter.past = 3 * 24 * time.Hour // more than any algorithm wants, or the last sample before the restart could be the one that makes it enough
	w.deploy("api", true, 1)
	w.meter.uses("api-7f9-00000", 400, 300*mi)
	w.start()
	before := w.profile("api", func(p *v1alpha1.WorkloadProfile) bool {
		return ready(p) && is(p, v1alpha1.CheckpointSavedCondition, metav1.ConditionTrue, "Saved")
	})
	w.stop()
	w.meter.change(func() { w.meter.past, w.meter.use = 0, map[string][2]float64{} })
	w.killed("api-7f9-00000", w.clock.Now())
	w.start()
	after := w.profile("api", func(p *v1alpha1.WorkloadProfile) bool { return ready(p) && p.Status.Containers[0].OOMFloor != nil })
	a, b := after.Status.Containers[0], before.Status.Containers[0]
	if a.CPU.Samples < b.CPU.Samples || a.CPU.Target.Cmp(*b.CPU.Target) != 0 {
		t.Errorf("%d samples and %v, before %d and %v", a.CPU.Samples, a.CPU.Target, b.CPU.Samples, b.CPU.Target)
	}
	for i := range a.CPU.Algorithms {
		if x, y := a.CPU.Algorithms[i].Target, b.CPU.Algorithms[i].Target; (x == nil) != (y == nil) || x != nil && x.Cmp(*y) != 0 {
			t.Errorf("%s: %v, before %v", a.CPU.Algorithms[i].Name, x, y)
		}
	}
}

func testDamaged(t *testing.T, w *world) {
	w.meter.past = 2 * 24 * time.Hour
	w.deploy("api", true, 1)
	w.meter.uses("api-7f9-00000", 400, 300*mi)
	w.start()
	p := w.profile("api", func(p *v1alpha1.WorkloadProfile) bool {
		return is(p, v1alpha1.CheckpointSavedCondition, metav1.ConditionTrue, "Saved")
	})
	w.stop()
	saved, err := w.checkpoint(p.Name)
	if err != nil {
		t.Fatal(err)
	}
	state := saved.Spec.Containers[0].State
	saved.Spec.Containers[0].State = state[:len(state)/2]
	if err := w.Update(t.Context(), saved); err != nil {
		t.Fatal(err)
	}
	w.meter.change(func() { w.meter.past = 0 })
	w.meter.uses("api-7f9-00000", 10, 10*mi)
	w.start()
	after := w.profile("api", func(p *v1alpha1.WorkloadProfile) bool {
		return is(p, v1alpha1.CheckpointSavedCondition, metav1.ConditionTrue, "DamagedCheckpoint")
	})
	if got := after.Status.Containers[0].CPU; got.Target.MilliValue() < 400 {
		t.Errorf("CPU target %v after the history was lost", got.Target)
	}
	var all v1alpha1.WorkloadProfileCheckpointList
	if err := w.List(t.Context(), &all, client.InNamespace(w.namespace)); err != nil || len(all.Items) != 2 {
		t.Errorf("%d checkpoints, want the new one and what was put aside: %v", len(all.Items), err)
	}
}

func testForeign(t *testing.T, w *world) {
	w.create(&v1alpha1.WorkloadProfileCheckpoint{
		ObjectMeta: metav1.ObjectMeta{Name: "deployment-api", Namespace: w.namespace},
		Spec:       v1alpha1.WorkloadProfileCheckpointSpec{Saved: metav1.Now(), Containers: []v1alpha1.ContainerCheckpoint{{Name: "app", State: []byte("somebody's")}}},
	})
	w.deploy("api", true, 1)
	w.meter.uses("api-7f9-00000", 400, 300*mi)
	w.start()
	w.profile("api", func(p *v1alpha1.WorkloadProfile) bool {
		return ready(p) && is(p, v1alpha1.CheckpointSavedCondition, metav1.ConditionFalse, "ForeignCheckpoint")
	})
	if c, err := w.checkpoint("deployment-api"); err != nil || string(c.Spec.Containers[0].State) != "somebody's" {
		t.Errorf("somebody's checkpoint was written over: %v, %+v", err, c.Spec)
	}
}

func testLess(t *testing.T, w *world) {
	w.meter.past = 2 * 24 * time.Hour
	w.deploy("api", true, 1)
	w.meter.uses("api-7f9-00000", 400, 300*mi)
	w.start()
	p := w.profile("api", func(p *v1alpha1.WorkloadProfile) bool {
		return is(p, v1alpha1.CheckpointSavedCondition, metav1.ConditionTrue, "Saved")
	})
	w.stop()
	saved, err := w.checkpoint(p.Name)
	if err != nil {
		t.Fatal(err)
	}
	saved.Spec.Samples = math.MaxInt32 // as another recommender would have that knows more
	if err := w.Update(t.Context(), saved); err != nil {
		t.Fatal(err)
	}
	w.start()
	w.profile("api", func(p *v1alpha1.WorkloadProfile) bool {
		return is(p, v1alpha1.CheckpointSavedCondition, metav1.ConditionFalse, "LessHistory")
	})
	if c, err := w.checkpoint(p.Name); err != nil || c.Spec.Samples != math.MaxInt32 {
		t.Errorf("it was written over: %v, %d samples", err, c.Spec.Samples)
	}
}

func testRivals(t *testing.T, w *world) {
	w.deploy("api", true, 1)
	w.meter.uses("api-7f9-00000", 400, 300*mi)
	w.start()
	w.profile("api", ready)
	time.Sleep(time.Second) // creation times are in whole seconds
	w.create(&v1alpha1.WorkloadProfile{
		ObjectMeta: metav1.ObjectMeta{Name: "deployment-a-rival", Namespace: w.namespace},
		Spec:       v1alpha1.WorkloadProfileSpec{TargetRef: v1alpha1.ProfileTarget{APIVersion: "apps/v1", Kind: "Deployment", Name: "api"}},
	})
	w.profile("a-rival", func(p *v1alpha1.WorkloadProfile) bool {
		return is(p, v1alpha1.StalledCondition, metav1.ConditionTrue, "TargetTaken")
	})
	if !ready(w.profile("api", asItIs)) {
		t.Error("the older one does not work any more")
	}
}

func testUnknownAlgorithm(t *testing.T, w *world) {
	w.meter.past = 2 * 24 * time.Hour
	d := w.deploy("api", true, 1)
	w.meter.uses("api-7f9-00000", 400, 300*mi)
	w.start()
	w.profile("api", ready)
	w.stop()
	if err := w.DeleteAllOf(t.Context(), &v1alpha1.WorkloadProfileCheckpoint{}, client.InNamespace(w.namespace)); err != nil {
		t.Fatal(err)
	}
	w.meter.uses("api-7f9-00000", 40, 30*mi) // for two days: whoever knows no better decreases at once
	d.Annotations = map[string]string{v1alpha1.AlgorithmAnnotation: "best"}
	if err := w.Update(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	w.start()
	p := w.profile("api", func(p *v1alpha1.WorkloadProfile) bool {
		return is(p, v1alpha1.AlgorithmKnownCondition, metav1.ConditionFalse, "UnknownAlgorithm")
	})
	if c := p.Status.Containers[0]; c.CPU.Target.MilliValue() < 400 || c.Memory.Target.Value() < 300*mi {
		t.Errorf("CPU %v, memory %v", c.CPU.Target, c.Memory.Target)
	}
	if message := fmt.Sprint(p.Status.Conditions); !strings.Contains(message, `"best"`) || !strings.Contains(message, "peak-trend") {
		t.Errorf("%s", message)
	}
	d.Annotations[v1alpha1.AlgorithmAnnotation] = "vpa"
	if err := w.Update(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	p = w.profile("api", func(p *v1alpha1.WorkloadProfile) bool { return p.Status.Algorithm == "vpa" })
	if got := p.Status.Containers[0].CPU.Target; got.MilliValue() > 200 {
		t.Errorf("nothing was decreased by one that is known, either: %v", got)
	}
	err := w.edit("api", func(p *v1alpha1.WorkloadProfile) { p.Spec.Algorithm = "best" })
	if err == nil || !strings.Contains(err.Error(), "write auto, peak-trend") {
		t.Errorf("an unknown algorithm in the spec: %v", err)
	}
}

func testBounds(t *testing.T, w *world) {
	w.meter.past = 2 * 24 * time.Hour
	w.deploy("api", true, 1)
	w.meter.uses("api-7f9-00000", 400, 300*mi)
	w.start()
	w.profile("api", ready)
	cpu, memory := resource.MustParse("250m"), resource.MustParse("4Gi")
	if err := w.edit("api", func(p *v1alpha1.WorkloadProfile) {
		p.Spec.Containers = []v1alpha1.ContainerBounds{
			{Name: "*", Bounds: v1alpha1.Bounds{Max: v1alpha1.BoundAmounts{CPU: &cpu}}, MemoryPerCore: v1alpha1.MemoryPerCore{Min: &memory}},
		}
	}); err != nil {
		t.Fatal(err)
	}
	p := w.profile("api", func(p *v1alpha1.WorkloadProfile) bool { return p.Status.ObservedGeneration == p.Generation })
	c := p.Status.Containers[0]
	if c.CPU.Target.MilliValue() != 250 || c.CPU.Uncapped.MilliValue() < 400 || c.Memory.Target.Value() != 1<<30 {
		t.Errorf("CPU %v of %v, memory %v: %s; %s", c.CPU.Target, c.CPU.Uncapped, c.Memory.Target, c.CPU.Reason, c.Memory.Reason)
	}
}

func testLies(t *testing.T, w *world) {
	w.meter.past = 2 * 24 * time.Hour
	w.deploy("api", true, 1)
	w.meter.uses("api-7f9-00000", 400, 300*mi)
	w.start()
	before := w.profile("api", ready).Status.Containers[0]
	now := w.clock.Now()
	for _, amount := range []float64{math.NaN(), -5, math.Inf(1)} {
		lie := source.Reading{Namespace: w.namespace, Pod: "api-7f9-00000", Container: "app", Resource: model.CPU, At: now, Amount: amount}
		w.meter.change(func() { w.meter.late = append(w.meter.late, lie) })
	}
	p := w.profile("api", func(p *v1alpha1.WorkloadProfile) bool {
		return slices.ContainsFunc(p.Status.Containers[0].BadSamples, func(b v1alpha1.BadSamples) bool { return b.Fault == "Invalid" })
	})
	after := p.Status.Containers[0]
	if after.CPU.Target.Cmp(*before.CPU.Target) != 0 {
		t.Errorf("%+v, target %v, before %v", after.BadSamples, after.CPU.Target, before.CPU.Target)
	}
}

func TestNamesOfProfilesAreNeverTooLong(t *testing.T) {
	long := strings.Repeat("a", 250)
	if a, b := profile.NameFor("Deployment", long+"1"), profile.NameFor("Deployment", long+"2"); a == b || len(a) > 253 {
		t.Errorf("%d characters: %s, %s", len(a), a, b)
	}
	if got := profile.NameFor("StatefulSet", "etcd"); got != "statefulset-etcd" {
		t.Error(got)
	}
}
