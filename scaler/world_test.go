package scaler_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/retry"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/yaml"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/internal/podresize"
	"github.com/metapilot/metapilot/scaler"
	"github.com/metapilot/metapilot/scaler/actuator"
	"github.com/metapilot/metapilot/scaler/model"
	"github.com/metapilot/metapilot/scaler/sizetable"
	"github.com/metapilot/metapilot/scaler/source"
	"github.com/metapilot/metapilot/scaler/source/oom"
)

// world is an API server without nodes and a scaler on it. The test stands in for the master-operator, who tells sizes and makes pods, and for the
// kubelet, who tells how containers are.
type world struct {
	client.Client // without a cache
	t             *testing.T
	config        *rest.Config
	scheme        *runtime.Scheme
	meter         *meter
	clock         clock.PassiveClock
	lag           *lag
	stop          func()
}

// lag is a cache that has not seen yet what was written to some objects.
type lag struct {
	client.Client
	mu    sync.Mutex
	still map[string]client.Object
	fatal func() // what writing the next record leads to; nil for nothing
	end   context.CancelFunc
}

// dieAfterRecord ends the scaler as soon as it has written a record: nothing that it does afterwards reaches the API server.
func (l *lag) dieAfterRecord() (dead <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	died := make(chan struct{})
	l.fatal = sync.OnceFunc(func() { l.end(); close(died) })
	return died
}

func (l *lag) Create(ctx context.Context, o client.Object, options ...client.CreateOption) error {
	err := l.Client.Create(ctx, o, options...)
	l.mu.Lock()
	fatal := l.fatal
	l.mu.Unlock()
	if _, isRecord := o.(*v1alpha1.ScalingRecord); isRecord && fatal != nil {
		fatal()
		<-ctx.Done()
	}
	return err
}

func (l *lag) Get(ctx context.Context, key client.ObjectKey, o client.Object, options ...client.GetOption) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if still := l.still[fmt.Sprintf("%T %s", o, key)]; still != nil {
		reflect.ValueOf(o).Elem().Set(reflect.ValueOf(still.DeepCopyObject()).Elem())
		return nil
	}
	return l.Client.Get(ctx, key, o, options...)
}

// stand keeps the scaler's view of an object as it is now, until what it returns is called.
func (l *lag) stand(o client.Object) (goOn func()) {
	key := fmt.Sprintf("%T %s", o, client.ObjectKeyFromObject(o))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.still[key] = o.DeepCopyObject().(client.Object)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.still, key)
	}
}

// start runs a scaler until stop is called or the whole test ends.
func (w *world) start() {
	t := w.t
	t.Helper()
	again := true
	m, err := ctrl.NewManager(w.config, ctrl.Options{
		Scheme: w.scheme, Cache: scaler.Cached(), Metrics: metricsserver.Options{BindAddress: "0"},
		Controller: ctrlconfig.Controller{SkipNameValidation: &again}, // a program starts it once
	})
	if err != nil {
		t.Fatal(err)
	}
	w.lag = &lag{Client: m.GetClient(), still: map[string]client.Object{}}
	r := &scaler.Reconciler{
		Client: w.lag, Live: m.GetAPIReader(), Recorder: m.GetEventRecorder(actuator.Owner), Clock: w.clock,
		Sources: []source.Source{oom.Source{}, w.meter}, Budget: scaler.Budget{Moves: 5, Within: 10 * time.Minute}, Workers: 4,
	}
	if r.Sizes, err = sizetable.Default(); err != nil {
		t.Fatal(err)
	}
	if err := r.SetupWithManager(m); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	w.lag.end = cancel
	ended := make(chan error, 1)
	go func() { ended <- m.Start(ctx) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { w.stop() })
}

func newWorld(t *testing.T, config *rest.Config, clock clock.PassiveClock) *world {
	t.Helper()
	ctrl.SetLogger(zap.New(zap.WriteTo(t.Output()), zap.UseDevMode(true)))
	w := &world{t: t, config: config, scheme: runtime.NewScheme(), clock: clock}
	w.meter = &meter{clock: clock, looks: map[string]int{}, usage: map[string][]model.Sample{}, probe: map[string]model.Probe{}, says: map[string]model.Reading{}}
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(w.scheme); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if w.Client, err = client.New(config, client.Options{Scheme: w.scheme}); err != nil {
		t.Fatal(err)
	}
	w.node(t)
	w.start()
	return w
}

// node is one with room for all.
func (w *world) node(t *testing.T) {
	t.Helper()
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node-1"}}
	must(t, w.Create(t.Context(), node))
	w.tell(t, node, func() {
		node.Status.Allocatable = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("64"), corev1.ResourceMemory: resource.MustParse("256Gi")}
		node.Status.Capacity = node.Status.Allocatable
		node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	})
}

// meter is a source of usage that the test reads the meters for. It counts how often it was asked about the pods of a namespace.
type meter struct {
	clock clock.PassiveClock
	mu    sync.Mutex
	wake  func()
	looks map[string]int
	usage map[string][]model.Sample // by namespace and pod
	probe map[string]model.Probe    // by tenant
	says  map[string]model.Reading  // the same
}

func (m *meter) Start(ctx context.Context, wake func()) error {
	m.mu.Lock()
	m.wake = wake
	m.mu.Unlock()
	<-ctx.Done()
	return nil
}

func (m *meter) Look(c source.Component, o *model.Observed) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o.Probe = m.probe[c.Tenant.Name]
	for i, pod := range c.Pods {
		m.looks[pod.Namespace+"/"+pod.Name]++
		o.Pods[i].Usage = m.usage[pod.Namespace+"/"+pod.Name]
		if r, said := m.says[pod.Namespace+"/"+pod.Name]; said {
			r.At, r.Over = o.Now, 30*time.Second
			o.Pods[i].Reading = r
		}
	}
}

// tells: the pod's program says so of itself from now on.
func (m *meter) tells(pod *corev1.Pod, r model.Reading) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.says[pod.Namespace+"/"+pod.Name] = r
	if m.wake != nil {
		m.wake()
	}
}

// shows: asking the tenant from outside shows that.
func (m *meter) shows(tenant string, p model.Probe) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p.Asked = true
	m.probe[tenant] = p
	m.wake()
}

// uses: the pod has used so much for the last five minutes.
func (m *meter) uses(pod *corev1.Pod, cpu, memory string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, b := resource.MustParse(cpu), resource.MustParse(memory)
	var all []model.Sample
	for at := -20; at <= 0; at++ {
		all = append(all, model.Sample{At: m.clock.Now().Add(time.Duration(at) * 15 * time.Second), CPU: c.MilliValue(), Memory: b.Value()})
	}
	m.usage[pod.Namespace+"/"+pod.Name] = all
	if m.wake != nil {
		m.wake()
	}
}

// stores: an API server says that its cluster has so many nodes, and some hundred objects for each.
func (m *meter) stores(pod *corev1.Pod, nodes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.says[pod.Namespace+"/"+pod.Name] = model.Reading{At: m.clock.Now(), APIServer: &model.APIServer{
		Requests: 10, Objects: map[string]int64{"nodes": nodes, "pods": nodes * 25, "events": nodes * 300},
	}}
}

// asked wakes the scaler, and tells how often it has looked at the pod.
func (m *meter) asked(pod *corev1.Pod) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.wake != nil {
		m.wake()
	}
	return m.looks[pod.Namespace+"/"+pod.Name]
}

// looks waits until the scaler has gone round the target of the pod as often as is asked for, each round begun after the one before it has ended.
func (w *world) looks(t *testing.T, pod *corev1.Pod, rounds int) {
	t.Helper()
	first := w.meter.asked(pod)
	eventually(t, func() string {
		if n := w.meter.asked(pod) - first; n <= rounds {
			return fmt.Sprintf("the scaler has looked %d times", n)
		}
		return ""
	})
}

// eventually waits until the condition says nothing any more.
func eventually(t *testing.T, why func() string) {
	t.Helper()
	last := ""
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		if last = why(); last == "" {
			return
		}
		select {
		case <-t.Context().Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
	t.Fatal(last)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// make creates an object of ours as a user does, with a spec in YAML.
func (w *world) make(t *testing.T, kind, name, spec string) {
	t.Helper()
	o := object(kind, name)
	var parsed map[string]any
	must(t, yaml.UnmarshalStrict([]byte(spec), &parsed))
	o.Object["spec"] = parsed
	must(t, w.Create(t.Context(), o))
}

func object(kind, name string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "metapilot.io/v1alpha1", "kind": kind, "metadata": map[string]any{"namespace": "default", "name": name},
	}}
}

// scalerOf makes a ClusterScaler.
func (w *world) scalerOf(t *testing.T, name, spec string) *v1alpha1.ClusterScaler {
	t.Helper()
	w.make(t, "ClusterScaler", name, spec)
	cs := &v1alpha1.ClusterScaler{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}}
	w.get(t, cs)
	return cs
}

func (w *world) get(t *testing.T, o client.Object) {
	t.Helper()
	must(t, w.Get(t.Context(), client.ObjectKeyFromObject(o), o))
}

// edit changes an object as often as it takes.
func (w *world) edit(t *testing.T, o client.Object, change func()) {
	t.Helper()
	must(t, retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		if err := w.Get(t.Context(), client.ObjectKeyFromObject(o), o); err != nil {
			return err
		}
		change()
		return w.Update(t.Context(), o)
	}))
}

// tell changes the status of an object as often as it takes.
func (w *world) tell(t *testing.T, o client.Object, change func()) {
	t.Helper()
	must(t, retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		if err := w.Get(t.Context(), client.ObjectKeyFromObject(o), o); err != nil {
			return err
		}
		change()
		return w.Status().Update(t.Context(), o)
	}))
}

// tenant is a TenantCluster as the master-operator tells of it, with one pod of etcd and one API server.
type tenant struct {
	*v1alpha1.TenantCluster
	etcd, apiServer *corev1.Pod
}

func quantities(cpu, memory string) (q v1alpha1.Quantities) {
	for into, amount := range map[**resource.Quantity]string{&q.CPU: cpu, &q.Memory: memory} {
		if amount != "" {
			parsed := resource.MustParse(amount)
			*into = &parsed
		}
	}
	return q
}

func (w *world) tenantOf(t *testing.T, name string) *tenant {
	t.Helper()
	w.make(t, "TenantCluster", name, "{version: v1.36.3}")
	tc := &v1alpha1.TenantCluster{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}}
	namespace := "tc-" + name
	must(t, client.IgnoreAlreadyExists(w.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})))
	w.tell(t, tc, func() {
		tc.Status.Namespace = namespace
		tc.Status.Sizes = []v1alpha1.ComponentSize{
			{Name: "etcd", Replicas: 1, Size: v1alpha1.Size{Requests: quantities("50m", "96Mi"), Limits: quantities("", "512Mi")}},
			{Name: "kube-apiserver", Replicas: 1, Size: v1alpha1.Size{Requests: quantities("100m", "320Mi"), Limits: quantities("", "1Gi")}},
		}
	})
	return &tenant{
		tc, w.podOf(t, name, "etcd", "etcd-0", size("50m", "96Mi", "512Mi")), w.podOf(t, name, "kube-apiserver", "kube-apiserver-0", size("100m", "320Mi", "1Gi")),
	}
}

func size(cpu, memory, limit string) corev1.ResourceRequirements {
	r := corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(memory)}, Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(limit)}}
	r.Requests[corev1.ResourceCPU] = resource.MustParse(cpu)
	return r
}

// podOf makes a pod of a tenant, with an environment of its container if one is given.
func (w *world) podOf(t *testing.T, tenant, component, name string, r corev1.ResourceRequirements, env ...corev1.EnvVar) *corev1.Pod {
	t.Helper()
	labels := map[string]string{v1alpha1.TenantLabel: tenant, v1alpha1.FleetLabel: "default", v1alpha1.ComponentLabel: component}
	return w.pod(t, "tc-"+tenant, name, labels, component, r, env...)
}

func (w *world) pod(t *testing.T, namespace, name string, labels map[string]string, container string, r corev1.ResourceRequirements, env ...corev1.EnvVar) *corev1.Pod {
	t.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels},
		Spec:       corev1.PodSpec{NodeName: "node-1", Containers: []corev1.Container{{Name: container, Image: "example.org/" + container, Resources: r, Env: env}}},
	}
	must(t, w.Create(t.Context(), pod))
	w.runs(t, pod)
	return pod
}

// runs: the kubelet tells that the container runs with the size that its pod asks for, and is ready.
func (w *world) runs(t *testing.T, pod *corev1.Pod) {
	t.Helper()
	w.tell(t, pod, func() {
		was := corev1.ContainerStatus{}
		if len(pod.Status.ContainerStatuses) > 0 {
			was = pod.Status.ContainerStatuses[0]
		}
		c := &pod.Spec.Containers[0]
		pod.Status.Phase = corev1.PodRunning
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{
			Name: c.Name, Image: c.Image, Ready: true, RestartCount: was.RestartCount, LastTerminationState: was.LastTerminationState,
			ContainerID: fmt.Sprintf("containerd://%s-%d", pod.UID, was.RestartCount), Resources: c.Resources.DeepCopy(),
			State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Now()}},
		}}
	})
}

// kill: the kernel has killed the container at its limit, and the kubelet tells and has started it again.
func (w *world) kill(t *testing.T, pod *corev1.Pod) {
	t.Helper()
	w.tell(t, pod, func() {
		s := &pod.Status.ContainerStatuses[0]
		s.LastTerminationState = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
			Reason: "OOMKilled", ExitCode: 137, ContainerID: s.ContainerID, FinishedAt: metav1.Now(),
		}}
		s.RestartCount++
		s.ContainerID = fmt.Sprintf("containerd://%s-%d", pod.UID, s.RestartCount)
		s.State = corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Now()}}
	})
}

// killLater kills when the last resize is so long ago that the kernel's limit is the new one, whatever the kubelet's seconds say.
func (w *world) killLater(t *testing.T, pod *corev1.Pod) {
	t.Helper()
	w.get(t, pod)
	if raw := pod.Annotations[podresize.Annotation]; raw != "" {
		var note struct{ At time.Time }
		must(t, json.Unmarshal([]byte(raw), &note))
		<-time.After(time.Until(note.At.Add(4 * time.Second)))
	}
	w.kill(t, pod)
}

// carriesOut: the master-operator and the kubelet give the pod the size that is decided.
func (w *world) carriesOut(t *testing.T, tc *tenant, pod *corev1.Pod) {
	t.Helper()
	w.get(t, tc.TenantCluster)
	w.get(t, pod)
	component := pod.Labels[v1alpha1.ComponentLabel]
	if _, err := podresize.Resize(t.Context(), w, pod, component, actuator.Requirements(actuator.Resources(tc.TenantCluster, component)), time.Now()); err != nil {
		t.Fatal(err)
	}
	w.runs(t, pod)
}

// records of a ClusterScaler, oldest first.
func (w *world) records(t *testing.T, scaler string) []v1alpha1.ScalingRecord {
	t.Helper()
	var list v1alpha1.ScalingRecordList
	must(t, w.List(t.Context(), &list, client.InNamespace("default"), client.MatchingLabels{"metapilot.io/scaler": scaler}))
	slices.SortFunc(list.Items, func(a, b v1alpha1.ScalingRecord) int { return a.Spec.DecidedAt.Compare(b.Spec.DecidedAt.Time) })
	return list.Items
}

// awaitRecord waits for as many records of a decision, and returns the newest.
func (w *world) awaitRecord(t *testing.T, scaler string, decision v1alpha1.Decision, count int) *v1alpha1.ScalingRecord {
	t.Helper()
	var found []v1alpha1.ScalingRecord
	eventually(t, func() string {
		all := w.records(t, scaler)
		found = slices.DeleteFunc(slices.Clone(all), func(r v1alpha1.ScalingRecord) bool { return r.Spec.Decision != decision || r.Status.Phase == "" })
		if len(found) >= count {
			return ""
		}
		return fmt.Sprintf("there are %d records of %s, want %d: %s", len(found), decision, count, words(all))
	})
	return &found[len(found)-1]
}

// awaitMessage waits until a record says so.
func (w *world) awaitMessage(t *testing.T, r *v1alpha1.ScalingRecord, phase v1alpha1.RecordPhase, message string) {
	t.Helper()
	eventually(t, func() string {
		if w.get(t, r); r.Status.Phase != phase || r.Status.Message != message {
			return fmt.Sprintf("want %s: %s; the record is%s", phase, message, words([]v1alpha1.ScalingRecord{*r}))
		}
		return ""
	})
}

func words(records []v1alpha1.ScalingRecord) string {
	var b strings.Builder
	for _, r := range records {
		fmt.Fprintf(&b, "\n%s %s %s %s %s: %s", r.Spec.DecidedAt.Format(time.StampMilli), r.Name, r.Spec.Decision, r.Status.Phase, r.Spec.Reason, r.Status.Message)
	}
	return b.String()
}

// limitOf is the memory limit that spec.sizing gives a component; empty if none.
func limitOf(tc *v1alpha1.TenantCluster, component string) string {
	if m := actuator.Resources(tc, component).Limits.Memory; m != nil {
		return m.String()
	}
	return ""
}

// awaitLimit waits for a decided memory limit.
func (w *world) awaitLimit(t *testing.T, tc *tenant, component, want string) {
	t.Helper()
	eventually(t, func() string {
		if err := w.Get(t.Context(), client.ObjectKeyFromObject(tc), tc.TenantCluster); err != nil {
			return err.Error()
		}
		if got := limitOf(tc.TenantCluster, component); got != want {
			return fmt.Sprintf("spec.sizing gives %s a memory limit of %q, want %s%s", component, got, want, words(w.records(t, tc.Name)))
		}
		return ""
	})
}

// status of a component in the ClusterScaler's status; empty if it tells of none.
func (w *world) status(t *testing.T, scaler, component string) v1alpha1.ScaledComponent {
	t.Helper()
	cs := &v1alpha1.ClusterScaler{}
	must(t, w.Get(t.Context(), client.ObjectKey{Namespace: "default", Name: scaler}, cs))
	for _, c := range cs.Status.Components {
		if c.Name == component {
			return c
		}
	}
	return v1alpha1.ScaledComponent{}
}

// awaitHeld waits until a guard holds a change of the component.
func (w *world) awaitHeld(t *testing.T, scaler, component, guard string) *v1alpha1.HeldChange {
	t.Helper()
	var held *v1alpha1.HeldChange
	eventually(t, func() string {
		s := w.status(t, scaler, component)
		if held = s.Held; held == nil || held.Guard != guard {
			return fmt.Sprintf("%s is held by %+v, want %s; it says %q", component, held, guard, s.Says)
		}
		return ""
	})
	return held
}

// awaitStalled waits until the ClusterScaler says what somebody has to change; empty if nothing.
func (w *world) awaitStalled(t *testing.T, name, says string) {
	t.Helper()
	eventually(t, func() string {
		cs := &v1alpha1.ClusterScaler{}
		if err := w.Get(t.Context(), client.ObjectKey{Namespace: "default", Name: name}, cs); err != nil {
			return err.Error()
		}
		for _, c := range cs.Status.Conditions {
			if c.Type == "Stalled" && c.ObservedGeneration == cs.Generation && (c.Status == metav1.ConditionTrue) == (says != "") && strings.Contains(c.Message, says) {
				return ""
			}
		}
		return fmt.Sprintf("its conditions are %+v, want Stalled with %q", cs.Status.Conditions, says)
	})
}

// remove deletes at once, as a kubelet would.
func (w *world) remove(t *testing.T, objects ...client.Object) {
	t.Helper()
	var problem error
	for _, o := range objects {
		problem = errors.Join(problem, client.IgnoreNotFound(w.Delete(t.Context(), o, client.GracePeriodSeconds(0))))
	}
	must(t, problem)
}

// objectsOf are the items of a list.
func objectsOf(t *testing.T, list client.ObjectList) (all []client.Object) {
	t.Helper()
	must(t, apimeta.EachListItem(list, func(o runtime.Object) error {
		all = append(all, o.(client.Object))
		return nil
	}))
	return all
}
