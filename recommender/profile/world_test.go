package profile_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/internal/testenv"
	"github.com/metapilot/metapilot/recommender/model"
	"github.com/metapilot/metapilot/recommender/profile"
	"github.com/metapilot/metapilot/recommender/source"
)

// world is an API server without nodes, and a recommender on it. The test stands in for the kubelets, and for the sources of usage.
type world struct {
	client.Client // without a cache
	t             *testing.T
	config        *rest.Config
	scheme        *runtime.Scheme
	clock         *clocktesting.FakeClock
	meter         *meter
	namespace     string
	stop          func()
}

// newWorld has a namespace of its own, and one recommender that sees no other.
func newWorld(t *testing.T, config *rest.Config) *world {
	t.Helper()
	w := &world{t: t, config: config, scheme: runtime.NewScheme(), namespace: fmt.Sprintf("n%x", time.Now().UnixNano())}
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme, vpav1.AddToScheme} {
		if err := add(w.scheme); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if w.Client, err = client.New(config, client.Options{Scheme: w.scheme}); err != nil {
		t.Fatal(err)
	}
	w.clock = clocktesting.NewFakeClock(time.Now().Truncate(time.Second))
	w.meter = &meter{world: w, use: map[string][2]float64{}}
	w.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.namespace}})
	return w
}

// start runs a recommender until stop is called, or the test ends.
func (w *world) start() {
	w.t.Helper()
	again := true
	admitted, err := labels.Parse(v1alpha1.TenantLabel)
	if err != nil {
		w.t.Fatal(err)
	}
	options := profile.Cached(admitted)
	m, err := ctrl.NewManager(w.config, ctrl.Options{
		Scheme: w.scheme, Cache: options, Metrics: metricsserver.Options{BindAddress: "0"},
		Controller: ctrlconfig.Controller{SkipNameValidation: &again}, // a program starts it once
	})
	if err != nil {
		w.t.Fatal(err)
	}
	r := &profile.Recommender{
		Client: m.GetClient(), Live: m.GetAPIReader(), Recorder: m.GetEventRecorder(profile.Owner), Clock: w.clock, Sources: []source.Source{w.meter}, Workers: 4,
		Options: profile.Options{Algorithm: "auto", Period: time.Minute, Save: 5 * time.Minute, Tell: time.Minute},
	}
	if err := r.SetupWithManager(m); err != nil {
		w.t.Fatal(err)
	}
	for _, kind := range profile.Kinds {
		k := &profile.Keeper{Client: m.GetClient(), Live: m.GetAPIReader(), Clock: w.clock, Kind: kind, Selector: admitted, Workers: 4}
		if err := k.SetupWithManager(m); err != nil {
			w.t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- m.Start(ctx) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Error(err)
		}
	})
	w.t.Cleanup(func() { w.stop() })
}

// meter is a source that tells what the test says, and knows the past of a week.
type meter struct {
	*world
	mu    sync.Mutex
	use   map[string][2]float64 // by pod: thousandths of a core and bytes
	past  time.Duration         // that it knows
	fault string
	late  []source.Reading // told as they are, beside what is used
	asked int              // how often what is used now was asked for
	half  int              // questions about the past that are answered in part
}

func (m *meter) Name() string { return "meter" }

func (m *meter) uses(pod string, cpu, memory float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.use[pod] = [2]float64{cpu, memory}
}

func (m *meter) change(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
}

func (m *meter) Read(context.Context, []string) source.Answer {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked++
	if m.fault != "" {
		return source.Answer{Fault: m.fault}
	}
	return source.Answer{Readings: append(m.at(m.clock.Now()), m.late...)}
}

func (m *meter) at(now time.Time) (all []source.Reading) {
	for _, pod := range slices.Sorted(maps.Keys(m.use)) {
		for r, used := range m.use[pod] {
			all = append(all, source.Reading{Namespace: m.namespace, Pod: pod, Container: "app", Resource: model.Resource(r), At: now, Amount: used})
		}
	}
	return all
}

func (m *meter) History(_ context.Context, namespace string, from, to time.Time) (a source.Answer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fault != "" || namespace != m.namespace {
		return source.Answer{Fault: m.fault}
	}
	begin := to.Add(-m.past)
	if m.half--; m.half >= 0 {
		a.Fault, a.Partial, to = "half of it is missing", true, to.Add(-m.past/2)
	}
	for at := begin.Truncate(model.Slot).Add(model.Slot); at.Before(to); at = at.Add(model.Slot) {
		if !at.Before(from) {
			a.Readings = append(a.Readings, m.at(at)...)
		}
	}
	return a
}

func (w *world) create(o client.Object) {
	w.t.Helper()
	if err := w.Create(w.t.Context(), o); err != nil {
		w.t.Fatal(err)
	}
}

// deploy makes a Deployment with pods, as its controllers would.
func (w *world) deploy(name string, tenant bool, pods int) *appsv1.Deployment {
	w.t.Helper()
	match := map[string]string{"app": name}
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: w.namespace},
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: match},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: match}, Spec: podSpec()},
		},
	}
	if tenant {
		d.Labels = map[string]string{v1alpha1.TenantLabel: "demo"}
	}
	w.create(d)
	for i := range pods {
		w.pod(d, fmt.Sprintf("%s-7f9-%05d", name, i))
	}
	return d
}

func podSpec() corev1.PodSpec {
	return corev1.PodSpec{Containers: []corev1.Container{{
		Name: "app", Image: "app",
		Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("128Mi")},
			Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("256Mi")},
		},
	}}}
}

func (w *world) pod(d *appsv1.Deployment, name string) {
	w.t.Helper()
	yes := true
	w.create(&corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: w.namespace, Labels: map[string]string{"app": d.Name, appsv1.DefaultDeploymentUniqueLabelKey: "7f9"},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: d.Name + "-7f9", UID: "1", Controller: &yes}},
		},
		Spec: podSpec(),
	})
}

// killed has the kubelet tell that a pod's container was killed for want of memory.
func (w *world) killed(pod string, at time.Time) {
	w.t.Helper()
	var p corev1.Pod
	if err := w.Get(w.t.Context(), client.ObjectKey{Namespace: w.namespace, Name: pod}, &p); err != nil {
		w.t.Fatal(err)
	}
	p.Status.Phase = corev1.PodRunning
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{
		Name: "app", Image: "app", ImageID: "app", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(at)}},
		LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
			ExitCode: 137, Reason: "OOMKilled", ContainerID: "containerd://1", StartedAt: metav1.NewTime(at.Add(-time.Hour)), FinishedAt: metav1.NewTime(at),
		}},
	}}
	if err := w.Status().Update(w.t.Context(), &p); err != nil {
		w.t.Fatal(err)
	}
}

// passed tells whether a pass has begun since the last call.
func (m *meter) passed() (yes bool) {
	m.change(func() { yes, m.asked = m.asked > 0, 0 })
	return yes
}

// profile of a Deployment once it is as wanted; the clock goes on by a minute after each pass while that is waited for.
func (w *world) profile(name string, wanted func(*v1alpha1.WorkloadProfile) bool) *v1alpha1.WorkloadProfile {
	w.t.Helper()
	p := &v1alpha1.WorkloadProfile{}
	key := client.ObjectKey{Namespace: w.namespace, Name: "deployment-" + name}
	var last error
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if last = w.Get(w.t.Context(), key, p); last == nil && wanted(p) {
			return p
		}
		if w.meter.passed() {
			time.Sleep(20 * time.Millisecond) // what follows the question takes no time on the fake clock
			w.clock.Step(time.Minute)
		}
	}
	w.t.Fatalf("the profile did not get as wanted: %v, %+v", last, p.Status)
	return nil
}

func (w *world) checkpoint(name string) (*v1alpha1.WorkloadProfileCheckpoint, error) {
	c := &v1alpha1.WorkloadProfileCheckpoint{}
	return c, w.Get(w.t.Context(), client.ObjectKey{Namespace: w.namespace, Name: name}, c)
}

func ready(p *v1alpha1.WorkloadProfile) bool {
	return apimeta.IsStatusConditionTrue(p.Status.Conditions, v1alpha1.ReadyCondition)
}

// is tells whether a condition has this status and reason.
func is(p *v1alpha1.WorkloadProfile, kind string, status metav1.ConditionStatus, reason string) bool {
	c := apimeta.FindStatusCondition(p.Status.Conditions, kind)
	return c != nil && c.Status == status && c.Reason == reason && c.Message != ""
}

func TestProfiles(t *testing.T) {
	ctrl.SetLogger(zap.New(zap.WriteTo(os.Stderr))) // not the test's: goroutines of a stopped recommender may still say something
	env := testenv.Start(t, testenv.Options{CRDs: []string{"../../charts/metapilot-crds/templates"}})
	for name, test := range map[string]func(*testing.T, *world){
		"EveryAdmittedWorkloadHasOne":        testKept,
		"UsageIsKnownFromThePast":            testFilled,
		"HalfOfThePastIsNotEnough":           testHalf,
		"AnEvictionOfThePastIsFound":         testEvicted,
		"ASourceThatStopsIsTold":             testSilence,
		"ATargetThatIsGoneFreezes":           testFrozen,
		"AKillIsSavedAtOnce":                 testKill,
		"ARestartChangesNothing":             testRestart,
		"ADamagedCheckpointIsPutAside":       testDamaged,
		"AForeignCheckpointIsLeft":           testForeign,
		"LessHistoryDoesNotReplaceMore":      testLess,
		"TwoProfilesForOneWorkload":          testRivals,
		"AnUnknownAlgorithmDecreasesNothing": testUnknownAlgorithm,
		"BoundsAndProportionsAreKept":        testBounds,
		"WrongSamplesAreToldAndNotCounted":   testLies,
	} {
		t.Run(name, func(t *testing.T) { test(t, newWorld(t, env.Config)) })
	}
}
