package scaler

import (
	"reflect"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/internal/podresize"
)

const cachedPod = `
metadata:
  name: etcd-0
  namespace: tc-one
  uid: one
  generation: 3
  labels: {app: etcd, metapilot.io/tenant: one}
  annotations: {metapilot.io/resized: '{"at":"2026-11-24T04:00:00Z"}', metapilot.io/resize-refused: "a;b", metapilot.io/restarted-at: "2026-11-24T04:00:00Z", metapilot.io/config: 0123}
  managedFields: [{manager: kubelet}]
spec:
  nodeName: node-1
  volumes: [{name: pki}]
  containers:
  - name: etcd
    image: example.org/etcd
    env: [{name: A, value: b}, {name: GOMEMLIMIT, value: "900"}]
    resources: {requests: {cpu: 50m, memory: 96Mi}, limits: {memory: 512Mi}}
status:
  phase: Running
  podIP: 10.0.0.1
  conditions: [{type: Initialized, status: "True"}, {type: PodScheduled, status: "True"}, {type: Ready, status: "False"}, {type: PodResizePending, status: "True", reason: Deferred, message: full}]
  containerStatuses:
  - name: etcd
    image: example.org/etcd
    imageID: example.org/etcd@sha256:0
    containerID: containerd://one
    restartCount: 2
    ready: true
    allocatedResources: {cpu: 50m, memory: 96Mi}
    resources: {requests: {cpu: 50m, memory: 96Mi}, limits: {memory: 512Mi}}
    state: {running: {startedAt: "2026-11-24T04:00:00Z"}}
    lastState: {terminated: {reason: OOMKilled, exitCode: 137, containerID: "containerd://zero", finishedAt: "2026-11-24T03:59:00Z"}}
`

func read(t *testing.T, text string, into any) {
	t.Helper()
	if err := yaml.UnmarshalStrict([]byte(text), into); err != nil {
		t.Fatal(err)
	}
}

// All that is read of pods is read of what the cache keeps of them, and pods of one size share it.
func TestCacheKeepsOfAPodWhatIsRead(t *testing.T) {
	k := keeper{newShared()}
	var kept [2]*corev1.Pod
	for i := range kept {
		pod := &corev1.Pod{}
		read(t, cachedPod, pod)
		out, err := k.slim(pod)
		if err != nil {
			t.Fatal(err)
		}
		kept[i] = out.(*corev1.Pod)
	}
	whole := &corev1.Pod{}
	read(t, cachedPod, whole)
	now := time.Date(2026, 11, 24, 5, 0, 0, 0, time.UTC)
	size := requirements(&whole.Spec.Containers[0].Resources)
	if got, want := podOf(kept[0], "etcd", size, now), podOf(whole, "etcd", size, now); !reflect.DeepEqual(got, want) {
		t.Errorf("of the kept pod is read\n%+v, want\n%+v", got, want)
	}
	if got, want := podresize.Kills(kept[0], "etcd"), podresize.Kills(whole, "etcd"); len(want) != 1 || !reflect.DeepEqual(got, want) {
		t.Errorf("kills of the kept pod are %v, want %v", got, want)
	}
	keepsOfAPod(t, kept, whole)
}

func keepsOfAPod(t *testing.T, kept [2]*corev1.Pod, whole *corev1.Pod) {
	t.Helper()
	delete(whole.Annotations, "metapilot.io/config")
	if got, want := kept[0].ObjectMeta, whole.ObjectMeta; got.ManagedFields != nil || !reflect.DeepEqual(got.Annotations, want.Annotations) || !reflect.DeepEqual(got.Labels, want.Labels) {
		t.Errorf("kept is %+v", got)
	}
	sharesOfAPod(t, kept)
	s := kept[0].Status.ContainerStatuses[0]
	if s.Image != "" || s.AllocatedResources != nil || kept[0].Spec.Volumes != nil || kept[0].Spec.Containers[0].Image != "" || len(kept[0].Status.Conditions) != 2 || s.RestartCount != 2 {
		t.Errorf("kept is %+v", kept[0])
	}
}

func sharesOfAPod(t *testing.T, kept [2]*corev1.Pod) {
	t.Helper()
	s := kept[0].Status.ContainerStatuses[0]
	for _, l := range []corev1.ResourceList{s.Resources.Requests, kept[1].Spec.Containers[0].Resources.Requests} {
		if reflect.ValueOf(l).Pointer() != reflect.ValueOf(kept[0].Spec.Containers[0].Resources.Requests).Pointer() {
			t.Error("the same amounts are kept twice")
		}
	}
}

// A pod that waits for a node says why in a condition that is otherwise dropped.
func TestCacheKeepsWhyAPodIsNotPlaced(t *testing.T) {
	pod := &corev1.Pod{Status: corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable"}}}}
	out, err := keeper{newShared()}.slim(pod)
	if err != nil || len(out.(*corev1.Pod).Status.Conditions) != 1 {
		t.Errorf("kept is %+v, %v", out, err)
	}
}

func TestAmountsOfOtherResourcesStay(t *testing.T) {
	s := newShared()
	both := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1"), corev1.ResourceMemory: resource.MustParse("1Gi")}
	storage := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1"), corev1.ResourceEphemeralStorage: resource.MustParse("1Gi")}
	for _, l := range []corev1.ResourceList{both, storage, {corev1.ResourceCPU: resource.MustParse("1")}, {corev1.ResourceMemory: resource.MustParse("1")}, {corev1.ResourceMemory: resource.MustParse("0")}, {}, nil} {
		if got := s.list(l.DeepCopy()); !equality.Semantic.DeepEqual(got, l) || len(got) != len(l) {
			t.Errorf("%v became %v", l, got)
		}
	}
}

func TestSharedAmountsAreForgotten(t *testing.T) {
	s := newShared()
	for i := range int64(mostShared + 10) {
		s.amount(resource.NewQuantity(i, resource.BinarySI))
		s.list(corev1.ResourceList{corev1.ResourceMemory: *resource.NewQuantity(i, resource.BinarySI)})
	}
	if len(s.amounts) > mostShared || len(s.lists) > mostShared {
		t.Errorf("%d amounts and %d lists are remembered", len(s.amounts), len(s.lists))
	}
}

const cachedRecord = `
metadata: {name: one-abc-etcd, namespace: fleet, uid: r1, labels: {metapilot.io/scaler: one}, ownerReferences: [{kind: ClusterScaler, name: one}]}
spec:
  scaler: one
  targetUID: t1
  component: etcd
  decision: Hold
  reason: "held"
  source: oom
  seenAt: "2026-11-24T04:00:00.000000Z"
  decidedAt: "2026-11-24T04:00:00.000000Z"
  from: {requests: {cpu: 50m, memory: 96Mi}, limits: {memory: 512Mi}}
  to: {requests: {cpu: 50m, memory: 96Mi}, limits: {memory: 768Mi}}
  kills: [{pod: etcd-0, container: "containerd://zero", time: "2026-11-24T03:59:00Z", limit: 536870912}]
  evidence: [{source: oom, says: x}]
  proposals: [{estimator: oom, says: x}]
  guards: [{guard: mode}, {guard: pause, held: true, says: x}]
status: {phase: Held, message: held, outcomes: [{check: early, at: "2026-11-24T04:00:00Z", good: true, says: y}]}
`

// What is remembered of a record is what the whole one says.
func TestCacheKeepsOfARecordWhatIsRecalled(t *testing.T) {
	kept, whole := &v1alpha1.ScalingRecord{}, &v1alpha1.ScalingRecord{}
	read(t, cachedRecord, kept)
	read(t, cachedRecord, whole)
	if _, err := (keeper{newShared()}).other(kept); err != nil {
		t.Fatal(err)
	}
	if got, want := decidedIn(kept), decidedIn(whole); want.Guard != "pause" || !reflect.DeepEqual(got, want) {
		t.Errorf("recalled is %+v, want %+v", got, want)
	}
	if !equality.Semantic.DeepEqual(kept.Status, whole.Status) || !equality.Semantic.DeepEqual(kept.Spec.Kills, whole.Spec.Kills) || kept.Spec.Reason != whole.Spec.Reason || kept.Spec.Source != "oom" {
		t.Errorf("kept is %+v", kept)
	}
	dropsOfARecord(t, kept)
}

func dropsOfARecord(t *testing.T, kept *v1alpha1.ScalingRecord) {
	t.Helper()
	if kept.Spec.Evidence != nil || kept.Spec.Proposals != nil || kept.Labels != nil || kept.OwnerReferences != nil || len(kept.Spec.Guards) != 1 {
		t.Errorf("kept is %+v", kept)
	}
}

const cachedProfile = `
metadata: {name: etcd, namespace: tc-one, labels: {metapilot.io/tenant: one}}
spec: {targetRef: {kind: StatefulSet, name: etcd}}
status:
  algorithm: auto
  lastSample: "2026-11-24T04:00:00Z"
  sources: [{name: metrics-server}]
  conditions: [{type: Ready, status: "True"}, {type: SourcesAnswer, status: "False", reason: No}, {type: TargetFound, status: "False", reason: Gone, message: it is gone}, {type: Stalled, status: "False"}]
  containers:
  - name: etcd
    cpu: {target: 20m, lower: 10m, upper: 30m, uncapped: 20m, reason: peak, since: "2026-11-17T04:00:00Z", gapsPercent: 3, usage: [{window: 24h, p50: 1m, p90: 1m, p95: 1m, p99: 1m, max: 1m}, {window: 168h, p50: 1m, p90: 1m, p95: 25m, p99: 1m, max: 99m}]}
    memory: {target: 20Mi, lower: 20Mi, upper: 20Mi, uncapped: 20Mi, gapsPercent: 0, recent: [1, -1, 3], usage: [{window: 168h, p50: 1Mi, p90: 1Mi, p95: 25Mi, p99: 1Mi, max: 99Mi}], algorithms: [{name: peak}]}
`

// Every decision rests on the same of what the cache keeps of a profile as of the whole one, however often it goes through.
func TestCacheKeepsOfAProfileWhatItTells(t *testing.T) {
	kept, whole := &v1alpha1.WorkloadProfile{}, &v1alpha1.WorkloadProfile{}
	read(t, cachedProfile, kept)
	read(t, cachedProfile, whole)
	k := keeper{newShared()}
	for range 2 {
		if _, err := k.other(kept); err != nil {
			t.Fatal(err)
		}
	}
	got, want := profileOf(kept, "etcd"), profileOf(whole, "etcd")
	want.CPU.Recent = got.CPU.Recent
	if want.Frozen != "Gone: it is gone" || !reflect.DeepEqual(got, want) {
		t.Errorf("it tells\n%+v, want\n%+v", got, want)
	}
	c := &kept.Status.Containers[0]
	if len(kept.Status.Conditions) != 1 || len(c.CPU.Usage) != 1 || cap(c.CPU.Usage) != 1 || c.Memory.Algorithms != nil || kept.Status.Sources != nil {
		t.Errorf("kept is %+v", kept)
	}
	if c.Memory.Target != c.Memory.Uncapped || c.CPU.Target == c.CPU.Lower {
		t.Error("the same amounts are kept twice, or different ones once")
	}
}

// Who writes sizing is told by managed fields, and by nothing else of them.
func TestCacheKeepsWhoWritesSizing(t *testing.T) {
	entry := func(manager, fields string) metav1.ManagedFieldsEntry {
		return metav1.ManagedFieldsEntry{Manager: manager, FieldsV1: metav1.NewFieldsV1(fields)}
	}
	tc := &v1alpha1.TenantCluster{ObjectMeta: metav1.ObjectMeta{Name: "one", ManagedFields: []metav1.ManagedFieldsEntry{
		entry("kubectl", `{"f:spec":{"f:version":{}}}`), entry("somebody", `{"f:spec":{"f:sizing":{"f:etcd":{}}}}`), {Manager: "nobody"},
	}}}
	if _, err := (keeper{newShared()}).tenant(tc); err != nil || len(tc.ManagedFields) != 1 || tc.ManagedFields[0].Manager != "somebody" {
		t.Errorf("kept are %v, %v", tc.ManagedFields, err)
	}
}
