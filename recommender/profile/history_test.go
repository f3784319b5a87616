package profile

import (
	"context"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/recommender/estimator"
	"github.com/metapilot/metapilot/recommender/model"
	"github.com/metapilot/metapilot/recommender/source"
)

var start = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// ended is a pod whose container was killed at start with this code and reason, and runs again.
func ended(limit string, code int32, reason string) *corev1.Pod {
	spec := corev1.Container{Name: "app"}
	spec.Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(limit)}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "app-0", UID: "u"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{spec}},
		Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
			Name: "app",
			LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
				ExitCode: code, Reason: reason, ContainerID: "containerd://1",
				StartedAt: metav1.NewTime(start.Add(-time.Hour)), FinishedAt: metav1.NewTime(start),
			}},
		}}},
	}
}

func silent(*corev1.Pod) ([]*corev1.Event, bool) { return nil, true }

// Whoever resizes the pod without a note makes the same kill seem to be one at the new limit.
func TestAKillThatIsToldAgainTeachesNothing(t *testing.T) {
	h := newHistory()
	if taught := h.absorb(start, []*corev1.Pod{ended("256Mi", 137, "OOMKilled")}, silent); len(taught) != 1 || taught[0] != "app" {
		t.Fatalf("taught %v", taught)
	}
	for _, limit := range []string{"384Mi", "1152Mi", "8Gi"} {
		if taught := h.absorb(start.Add(time.Minute), []*corev1.Pod{ended(limit, 137, "OOMKilled")}, silent); len(taught) > 0 || h.kills != 1 {
			t.Errorf("resized to %s, it was learned from again: floor %.0f", limit, h.containers["app"].Floor().Need/mi)
		}
	}
}

// Whether a probe has ended it is told by events. While they cannot be read, nobody knows.
func TestADoubtfulEndWaitsForItsEvents(t *testing.T) {
	h := newHistory()
	h.add(start.Add(-time.Minute), "test", source.Reading{Pod: "app-0", Container: "app", Resource: model.Memory, At: start.Add(-time.Minute), Amount: 250 * mi})
	pods := []*corev1.Pod{ended("256Mi", 137, "Error")}
	if taught := h.absorb(start, pods, func(*corev1.Pod) ([]*corev1.Event, bool) { return nil, false }); len(taught) > 0 {
		t.Errorf("taught %v without asking", taught)
	}
	if taught := h.absorb(start, pods, silent); len(taught) != 1 {
		t.Errorf("taught %v", taught)
	}
}

// A fleet that was not seen for a month, or whose clock was wrong, keeps what it knows.
func TestNothingIsForgottenForItsAge(t *testing.T) {
	h := newHistory()
	for _, name := range []string{"app", "old"} {
		h.add(start, "test", source.Reading{Pod: "app-0", Container: name, Resource: model.CPU, At: start, Amount: 100})
	}
	now := target{pods: []*corev1.Pod{ended("1Gi", 0, "")}}
	h.checkpoint.samples = h.samples()
	if h.clean(now); len(h.containers) != 2 {
		t.Errorf("%d containers", len(h.containers))
	}
	later := start.Add(30 * 24 * time.Hour)
	h.add(later, "test", source.Reading{Pod: "app-0", Container: "app", Resource: model.CPU, At: later, Amount: 100})
	if h.clean(now); len(h.containers) != 1 || h.containers["app"] == nil || h.checkpoint.samples != 1 {
		t.Errorf("%v, checkpoint of %d samples", h.names(), h.checkpoint.samples)
	}
}

// What is held for want of data is held in the size to write down, too.
func TestTheRecommendedSizeIsHeldAsTheTargetIs(t *testing.T) {
	h := newHistory()
	for r, amount := range []float64{50, 100 * mi} {
		h.add(start, "test", source.Reading{Pod: "app-0", Container: "app", Resource: model.Resource(r), At: start, Amount: amount})
	}
	h.published = targets{"app": {2000, 4096 * mi}}
	auto, _ := estimator.Named("auto")
	advice := h.advise(start, &v1alpha1.WorkloadProfile{}, choice{algorithm: auto})
	size := sized(corev1.ResourceRequirements{Requests: list("1", "1Gi"), Limits: list("2", "2Gi")}, advice[0])
	if got := words(size.Requests.CPU) + " " + words(size.Requests.Memory); got != "2 4Gi" {
		t.Errorf("requests %s", got)
	}
}

// An init container that runs on is one of the pod's containers; one that ends is not.
func TestNativeSidecarsAreContainers(t *testing.T) {
	always := corev1.ContainerRestartPolicyAlways
	pod := ended("1Gi", 137, "OOMKilled")
	pod.Spec.InitContainers = []corev1.Container{{Name: "migrate"}, {Name: "proxy", RestartPolicy: &always}}
	own := pod.Status.ContainerStatuses[0]
	for _, name := range []string{"migrate", "proxy"} {
		s := *own.DeepCopy()
		s.Name = name
		pod.Status.InitContainerStatuses = append(pod.Status.InitContainerStatuses, s)
	}
	kept, err := slim(pod)
	if err != nil {
		t.Fatal(err)
	}
	h := newHistory()
	if taught := h.absorb(start, []*corev1.Pod{kept.(*corev1.Pod)}, silent); !slices.Equal(taught, []string{"app", "proxy"}) {
		t.Errorf("kills of %v", taught)
	}
	if now := (target{pods: []*corev1.Pod{kept.(*corev1.Pod)}}); !now.has("proxy") || now.has("migrate") {
		t.Errorf("containers %+v", kept.(*corev1.Pod).Spec.Containers)
	}
}

func TestALoopThatHangsIsNotHealthy(t *testing.T) {
	clock := clocktesting.NewFakeClock(start)
	r := &Recommender{Clock: clock, Options: Options{Period: time.Minute}}
	clock.Step(time.Hour)
	if err := r.Healthy(nil); err != nil {
		t.Errorf("one that does not lead: %v", err)
	}
	r.alive()
	for _, step := range []struct {
		after time.Duration
		well  bool
	}{{10 * time.Minute, true}, {time.Second, false}} {
		clock.Step(step.after)
		if err := r.Healthy(nil); (err == nil) != step.well {
			t.Errorf("%s later: %v", step.after, err)
		}
	}
}

// hanging is a historian that takes all the time there is, and then has nothing.
type hanging struct {
	clock *clocktesting.FakeClock
	asked int
}

func (h *hanging) Name() string { return "hanging" }
func (h *hanging) Read(context.Context, []string) source.Answer {
	return source.Answer{Fault: "no answer"}
}
func (h *hanging) History(context.Context, string, time.Time, time.Time) source.Answer {
	h.asked++
	h.clock.Step(longest)
	return source.Answer{Fault: "no answer", Partial: true}
}

// A source that knows the past and does not answer keeps nobody for longer than its tries from what another one tells of now.
func TestAHistorianThatHangsSilencesNobody(t *testing.T) {
	clock := clocktesting.NewFakeClock(start)
	h := &hanging{clock: clock}
	r := &Recommender{Clock: clock, Sources: []source.Source{h}, Options: Options{Period: 15 * time.Second}, faults: map[string]string{}}
	p := &v1alpha1.WorkloadProfile{ObjectMeta: metav1.ObjectMeta{Namespace: "shop"}}
	all := make([]*history, 20)
	for i := range all {
		all[i] = newHistory()
	}
	for range tries {
		r.past = archive{until: clock.Now().Add(r.Options.Period / 2)}
		for _, one := range all {
			r.fill(t.Context(), p, target{}, one)
		}
	}
	r.past = archive{until: clock.Now()}
	for i, one := range all {
		if !r.fill(t.Context(), p, target{}, one) {
			t.Errorf("profile %d waits still", i)
		}
	}
	if h.asked != tries {
		t.Errorf("asked %d times, although nothing came", h.asked)
	}
}
