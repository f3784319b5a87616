package utilization

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metricsv1beta1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/scaler/model"
	"github.com/metapilot/metapilot/scaler/source"
)

const (
	period = 15 * time.Second
	mi     = int64(1 << 20)
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// metricsAPI gives the last readings again and again, as metrics-server does, or fails.
type metricsAPI struct {
	client.Reader
	mu       sync.Mutex
	readings []metricsv1beta1.PodMetrics
	away     error
}

func (a *metricsAPI) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	list.(*metricsv1beta1.PodMetricsList).Items = a.readings
	return a.away
}

// world is a source on its way, in step with the test: it asks when the test lets time pass.
type world struct {
	*Source
	t     *testing.T
	api   *metricsAPI
	clock *clocktesting.FakeClock
	asked chan struct{}
}

func newWorld(t *testing.T, readings ...metricsv1beta1.PodMetrics) *world {
	t.Helper()
	w := &world{t: t, api: &metricsAPI{readings: readings}, clock: clocktesting.NewFakeClock(noon), asked: make(chan struct{})}
	w.Source = New(w.api, w.clock, period)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Start(ctx, func() { w.asked <- struct{}{} }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("it ended with %v", err)
		}
	})
	<-w.asked
	return w
}

// passes lets one period pass, with other readings in the API if some are given.
func (w *world) passes(readings ...metricsv1beta1.PodMetrics) {
	w.t.Helper()
	if readings != nil {
		w.api.mu.Lock()
		w.api.readings = readings
		w.api.mu.Unlock()
	}
	w.clock.Step(period)
	<-w.asked
}

func (w *world) away(why error) {
	w.api.mu.Lock()
	defer w.api.mu.Unlock()
	w.api.away = why
}

// reading of etcd in a pod, and of a neighbour of which nobody asked.
func reading(pod string, at time.Time, cpu, memory int64) metricsv1beta1.PodMetrics {
	use := func(name string, cpu, memory int64) metricsv1beta1.ContainerMetrics {
		return metricsv1beta1.ContainerMetrics{Name: name, Usage: corev1.ResourceList{
			corev1.ResourceCPU: *resource.NewMilliQuantity(cpu, resource.DecimalSI), corev1.ResourceMemory: *resource.NewQuantity(memory*mi, resource.BinarySI),
		}}
	}
	return metricsv1beta1.PodMetrics{
		ObjectMeta: metav1.ObjectMeta{Namespace: "tc-one", Name: pod}, Timestamp: metav1.NewTime(at),
		Containers: []metricsv1beta1.ContainerMetrics{use("neighbour", 999, 999), use("etcd", cpu, memory)},
	}
}

// pod whose container runs since then.
func pod(name string, since time.Time) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "tc-one", Name: name, CreationTimestamp: metav1.NewTime(noon.Add(-time.Hour))},
		Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{
			{Name: "neighbour", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(noon)}}},
			{Name: "etcd", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(since)}}},
		}},
	}
}

// says is what the source tells of pods: of each one the memory in MiB and how many seconds ago, and then why nothing is known.
func (w *world) says(pods ...*corev1.Pod) string {
	o := &model.Observed{Now: w.clock.Now(), Pods: make([]model.Pod, len(pods))}
	w.Look(source.Component{Container: "etcd", Pods: pods}, o)
	var all []string
	for _, p := range o.Pods {
		var some []string
		for _, s := range p.Usage {
			some = append(some, fmt.Sprintf("%d@%.0f", s.Memory/mi, s.At.Sub(o.Now).Seconds()))
		}
		all = append(all, "["+strings.Join(some, " ")+"]")
	}
	return strings.TrimSpace(strings.Join(all, " ") + " " + o.Metrics)
}

func (w *world) mustSay(want string, pods ...*corev1.Pod) {
	w.t.Helper()
	if got := w.says(pods...); got != want {
		w.t.Errorf("it says\n%s, want\n%s", got, want)
	}
}

var old = noon.Add(-time.Hour)

func TestNothingIsKnownBeforeTheFirstQuestion(t *testing.T) {
	o := &model.Observed{Now: noon, Pods: make([]model.Pod, 1)}
	New(&metricsAPI{}, clocktesting.NewFakeClock(noon), period).Look(source.Component{Container: "etcd", Pods: []*corev1.Pod{pod("etcd-0", old)}}, o)
	if o.Metrics != "the metrics API was not asked yet" || len(o.Pods[0].Usage) != 0 {
		t.Errorf("it says %q and %v", o.Metrics, o.Pods[0].Usage)
	}
}

func TestSamplesAreKeptInTheirOrder(t *testing.T) {
	w := newWorld(t, reading("etcd-0", noon, 10, 100))
	w.passes(reading("etcd-0", noon.Add(period), 20, 200))
	w.passes(reading("etcd-0", noon.Add(2*period), 30, 300))
	w.mustSay("[100@-30 200@-15 300@0]", pod("etcd-0", old))
	o := &model.Observed{Now: w.clock.Now(), Pods: make([]model.Pod, 1)}
	w.Look(source.Component{Container: "etcd", Pods: []*corev1.Pod{pod("etcd-0", old)}}, o)
	if last := o.Pods[0].Usage[2]; last.CPU != 30 {
		t.Errorf("it used %dm of CPU, want 30m", last.CPU)
	}
}

func TestSameReadingAgainIsNoSample(t *testing.T) {
	w := newWorld(t, reading("etcd-0", noon, 10, 100))
	w.passes()
	w.passes(reading("etcd-0", noon.Add(-time.Second), 10, 90)) // of a replica that lags behind
	w.mustSay("[100@-30]", pod("etcd-0", old))
}

// A gap stays a gap: nothing is put into it.
func TestGapStaysAGap(t *testing.T) {
	w := newWorld(t, reading("etcd-0", noon, 10, 100))
	w.away(errors.New("no endpoints"))
	w.passes()
	w.passes()
	w.mustSay("[100@-30] the metrics API does not answer: no endpoints", pod("etcd-0", old))
	w.away(nil)
	w.passes(reading("etcd-0", noon.Add(3*period), 10, 300))
	w.mustSay("[100@-45 300@0]", pod("etcd-0", old))
}

func TestOldReadingSaysNothingAboutNow(t *testing.T) {
	w := newWorld(t, reading("etcd-0", noon, 10, 100))
	for range 8 {
		w.passes()
	}
	w.mustSay("[100@-120]", pod("etcd-0", old))
	w.passes()
	w.mustSay("[] the metrics API has no reading of its pods yet", pod("etcd-0", old))
	w.passes(reading("etcd-0", noon.Add(10*period), 10, 200))
	w.mustSay("[100@-150 200@0]", pod("etcd-0", old))
}

func TestPodWithoutAReadingHasNone(t *testing.T) {
	w := newWorld(t, reading("etcd-1", noon, 10, 100))
	w.mustSay("[] [100@0]", pod("etcd-0", old), pod("etcd-1", old))
	w.mustSay("[] the metrics API has no reading of its pods yet", pod("etcd-0", old))
	w.mustSay("the metrics API has no reading of its pods yet")
}

func TestPodOfTheSameNameElsewhereIsAnother(t *testing.T) {
	w := newWorld(t, reading("etcd-0", noon, 10, 100))
	other := pod("etcd-0", old)
	other.Namespace = "tc-two"
	w.mustSay("[] the metrics API has no reading of its pods yet", other)
}

// What a container used before it was killed says nothing about the one that runs now.
func TestRestartedContainerStartsAnew(t *testing.T) {
	w := newWorld(t, reading("etcd-0", noon, 10, 500))
	w.passes(reading("etcd-0", noon.Add(period), 10, 100))
	w.mustSay("[100@0]", pod("etcd-0", noon.Add(10*time.Second)))
	w.mustSay("[] the metrics API has no reading of its pods yet", pod("etcd-0", noon.Add(20*time.Second)))
}

func TestPodThatWasMadeAgainStartsAnew(t *testing.T) {
	w := newWorld(t, reading("etcd-0", noon, 10, 500))
	w.passes(reading("etcd-0", noon.Add(period), 10, 100))
	young := pod("etcd-0", old)
	young.CreationTimestamp, young.Status.ContainerStatuses = metav1.NewTime(noon.Add(10*time.Second)), nil // not started yet
	w.mustSay("[100@0]", young)
}

// A quarter of an hour is kept, and what was given out is never changed: decisions are made of it while others are asked for.
func TestOldestSampleGoesAndWhatWasGivenOutStays(t *testing.T) {
	w := newWorld(t, reading("etcd-0", noon, 10, 1))
	var given, copied [][]model.Sample
	for i := range int64(100) {
		w.passes(reading("etcd-0", noon.Add(time.Duration(i+1)*period), 10, i+2))
		o := &model.Observed{Now: w.clock.Now(), Pods: make([]model.Pod, 1)}
		w.Look(source.Component{Container: "etcd", Pods: []*corev1.Pod{pod("etcd-0", old)}}, o)
		given, copied = append(given, o.Pods[0].Usage), append(copied, slices.Clone(o.Pods[0].Usage))
	}
	if last := given[99]; len(last) != 64 || last[0].Memory != 38*mi || last[63].Memory != 101*mi {
		t.Errorf("kept are %d samples from %d to %d MiB", len(last), last[0].Memory/mi, last[len(last)-1].Memory/mi)
	}
	for i := range given {
		if !slices.Equal(given[i], copied[i]) {
			t.Fatalf("the samples that were given out at look %d have changed since", i)
		}
	}
}

func TestContainerThatIsGoneIsForgotten(t *testing.T) {
	w := newWorld(t, reading("etcd-0", noon, 10, 100))
	for i := range 70 {
		w.passes(reading("etcd-1", noon.Add(time.Duration(i+1)*period), 10, 100))
	}
	w.mu.RLock()
	defer w.mu.RUnlock()
	if _, kept := w.samples[key{"tc-one", "etcd-0", "etcd"}]; kept || len(w.samples) != 2 {
		t.Errorf("samples of %d containers are kept, want those of the two of etcd-1", len(w.samples))
	}
}

// An API that hangs is given up after a period, and asked again.
func TestQuestionThatHangsIsGivenUp(t *testing.T) {
	woken := make(chan struct{})
	s := New(hanging{}, clocktesting.NewFakeClock(noon), 10*time.Millisecond)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Start(ctx, func() { woken <- struct{}{} }) }()
	<-woken
	o := &model.Observed{Now: noon}
	s.Look(source.Component{Container: "etcd"}, o)
	if !strings.Contains(o.Metrics, "does not answer") {
		t.Errorf("it says %q", o.Metrics)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("it ended with %v", err)
	}
}

type hanging struct{ client.Reader }

func (hanging) List(ctx context.Context, _ client.ObjectList, _ ...client.ListOption) error {
	<-ctx.Done()
	return ctx.Err()
}
