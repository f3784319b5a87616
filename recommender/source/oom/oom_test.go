package oom

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/metapilot/metapilot/internal/podresize"
	"github.com/metapilot/metapilot/recommender/model"
)

const mi = 1 << 20

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func at(after time.Duration) metav1.Time { return metav1.NewTime(noon.Add(after)) }

// pod of etcd with a limit of 512 MiB, and a neighbour that is well.
func pod(changes ...func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "tc-one", Name: "etcd-0", UID: "u-1", Annotations: map[string]string{}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{
			{Name: "neighbour", Resources: memory("16Mi")}, {Name: "etcd", Resources: memory("512Mi")},
		}},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, ContainerStatuses: []corev1.ContainerStatus{
			{Name: "neighbour", State: running()}, {Name: "etcd", State: running()},
		}},
	}
	for _, c := range changes {
		c(p)
	}
	return p
}

func memory(limit string) corev1.ResourceRequirements {
	if limit == "" {
		return corev1.ResourceRequirements{}
	}
	return corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(limit)}}
}

func running() corev1.ContainerState {
	return corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: at(time.Hour)}}
}

// ended at noon, an hour after it began.
func ended(reason string, code int32) corev1.ContainerState {
	return endedAt(reason, code, 0)
}

func endedAt(reason string, code int32, after time.Duration) corev1.ContainerState {
	return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
		Reason: reason, ExitCode: code, ContainerID: fmt.Sprintf("containerd://%d", int(after.Seconds())), StartedAt: at(after - time.Hour), FinishedAt: at(after),
	}}
}

func state(now, last corev1.ContainerState) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Status.ContainerStatuses[1].State, p.Status.ContainerStatuses[1].LastTerminationState = now, last
	}
}

func limited(limit string) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Spec.Containers[1].Resources = memory(limit) }
}

// sees that etcd used so many MiB that long before noon, and knows nothing of others.
func sees(mib float64, before time.Duration) func(string) model.Sample {
	return func(container string) model.Sample {
		if container != "etcd" {
			return model.Sample{}
		}
		return model.Sample{Replica: "etcd-0", At: noon.Add(-before), Amount: mib * mi}
	}
}

func seesNothing(string) model.Sample { return model.Sample{} }

// text of kills; the cause, the container, the limit in MiB and the seconds after noon.
func text(kills []Kill) string {
	var all []string
	for _, k := range kills {
		all = append(all, fmt.Sprintf("%s %s/%s/%s %d at %.0f", k.Cause, k.Namespace, k.Replica, k.Container, k.Limit/mi, k.At.Sub(noon).Seconds()))
	}
	return strings.Join(all, ", ")
}

// killing is what the kubelet tells when it stops a container itself.
func killing(message string, first, latest time.Duration, changes ...func(*corev1.Event)) []*corev1.Event {
	e := &corev1.Event{
		Reason: "Killing", Message: message, FirstTimestamp: at(first), LastTimestamp: at(latest),
		InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: "tc-one", Name: "etcd-0", UID: "u-1", FieldPath: "spec.containers{etcd}"},
	}
	for _, c := range changes {
		c(e)
	}
	return []*corev1.Event{e}
}

func TestKillsOfPods(t *testing.T) {
	const liveness = "Container etcd failed liveness probe, will be restarted"
	none := corev1.ContainerState{}
	for name, tc := range map[string]struct {
		pod    *corev1.Pod
		last   func(string) model.Sample
		events []*corev1.Event
		want   string
	}{
		"well":                         {pod: pod()},
		"killed now":                   {pod: pod(state(ended("OOMKilled", 137), none)), want: "OOMKilled tc-one/etcd-0/etcd 512 at 0"},
		"killed before it runs again":  {pod: pod(state(running(), ended("OOMKilled", 137))), want: "OOMKilled tc-one/etcd-0/etcd 512 at 0"},
		"a child, and the runtime saw": {pod: pod(state(running(), ended("OOMKilled", 1))), want: "OOMKilled tc-one/etcd-0/etcd 512 at 0"},
		"killed without a limit":       {pod: pod(limited(""), state(running(), ended("OOMKilled", 137))), want: "OOMKilled tc-one/etcd-0/etcd 0 at 0"},
		"killed twice": {
			pod:  pod(state(endedAt("OOMKilled", 137, time.Minute), ended("OOMKilled", 137))),
			want: "OOMKilled tc-one/etcd-0/etcd 512 at 0, OOMKilled tc-one/etcd-0/etcd 512 at 60",
		},
		"killed while the pod was deleted": {
			pod:  pod(state(ended("OOMKilled", 137), none), func(p *corev1.Pod) { now := at(0); p.DeletionTimestamp = &now }),
			want: "OOMKilled tc-one/etcd-0/etcd 512 at 0",
		},
		"ended by itself":            {pod: pod(state(running(), ended("Error", 1))), last: sees(500, 0)},
		"asked to end, and did":      {pod: pod(state(running(), ended("Error", 143))), last: sees(500, 0)},
		"137 at its limit":           {pod: pod(state(running(), ended("Error", 137))), last: sees(512, 30*time.Second), want: "PassedOn tc-one/etcd-0/etcd 512 at 0"},
		"137 just close to it":       {pod: pod(state(running(), ended("Error", 137))), last: sees(461, 5*time.Minute), want: "PassedOn tc-one/etcd-0/etcd 512 at 0"},
		"137 without a reason":       {pod: pod(state(ended("", 137), none)), last: sees(512, 0), want: "PassedOn tc-one/etcd-0/etcd 512 at 0"},
		"137 not close to it":        {pod: pod(state(running(), ended("Error", 137))), last: sees(460, 0)},
		"137, not seen for too long": {pod: pod(state(running(), ended("Error", 137))), last: sees(512, 5*time.Minute+time.Second)},
		"137, seen only since":       {pod: pod(state(running(), ended("Error", 137))), last: sees(512, -time.Second)},
		"137, the one before was seen": {
			pod: pod(state(running(), func() corev1.ContainerState {
				s := ended("Error", 137)
				s.Terminated.StartedAt = at(-10 * time.Second)
				return s
			}())), last: sees(512, 11*time.Second),
		},
		"137, never seen":        {pod: pod(state(running(), ended("Error", 137)))},
		"137 without a limit":    {pod: pod(limited(""), state(running(), ended("Error", 137))), last: sees(512, 0)},
		"137, but nobody knows":  {pod: pod(state(ended("ContainerStatusUnknown", 137), none)), last: sees(512, 0)},
		"137, but it never ran":  {pod: pod(state(ended("StartError", 137), none)), last: sees(512, 0)},
		"137 of a deleted pod":   {pod: pod(state(ended("Error", 137), none), func(p *corev1.Pod) { now := at(0); p.DeletionTimestamp = &now }), last: sees(512, 0)},
		"137 at a node's end":    {pod: pod(state(ended("Error", 137), none), func(p *corev1.Pod) { p.Status.Reason = "Terminated" }), last: sees(512, 0)},
		"137 in a preemption":    {pod: pod(state(ended("Error", 137), none), disrupts("PreemptionByScheduler")), last: sees(512, 0)},
		"137 by the probe":       {pod: pod(state(running(), ended("Error", 137))), last: sees(512, 0), events: killing(liveness, -30*time.Second, -30*time.Second)},
		"137 by a probe of old":  {pod: pod(state(running(), ended("Error", 137))), last: sees(512, 0), events: killing(liveness, -3*time.Hour, -2*time.Hour), want: "PassedOn tc-one/etcd-0/etcd 512 at 0"},
		"137 by a probe again":   {pod: pod(state(running(), ended("Error", 137))), last: sees(512, 0), events: killing(liveness, -3*time.Hour, time.Hour)},
		"137, the probe is next": {pod: pod(state(running(), ended("Error", 137))), last: sees(512, 0), events: killing(liveness, time.Minute, time.Minute), want: "PassedOn tc-one/etcd-0/etcd 512 at 0"},
		"137, as it was changed": {pod: pod(state(running(), ended("Error", 137))), last: sees(512, 0), events: killing("Container etcd definition changed, will be restarted", -time.Second, 0)},
		"137 of a native sidecar, by its probe": {
			pod: pod(state(running(), ended("Error", 137))), last: sees(512, 0),
			events: killing(liveness, 0, 0, func(e *corev1.Event) { e.InvolvedObject.FieldPath = "spec.initContainers{etcd}" }),
		},
		"137, the neighbour's probe": {
			pod: pod(state(running(), ended("Error", 137))), last: sees(512, 0), want: "PassedOn tc-one/etcd-0/etcd 512 at 0",
			events: killing(liveness, 0, 0, func(e *corev1.Event) { e.InvolvedObject.FieldPath = "spec.containers{neighbour}" }),
		},
		"137, the probe of a pod of that name": {
			pod: pod(state(running(), ended("Error", 137))), last: sees(512, 0), want: "PassedOn tc-one/etcd-0/etcd 512 at 0",
			events: killing(liveness, 0, 0, func(e *corev1.Event) { e.InvolvedObject.UID = "u-0" }),
		},
		"137 by the probe, in an event of the new kind": {
			pod: pod(state(running(), ended("Error", 137))), last: sees(512, 0), events: killing(liveness, 0, 0, func(e *corev1.Event) {
				e.FirstTimestamp, e.LastTimestamp, e.EventTime = metav1.Time{}, metav1.Time{}, metav1.NewMicroTime(noon)
			}),
		},
		"evicted": {
			pod: pod(evicts("The node was low on resource: memory. Threshold quantity: 100Mi, available: 52Mi. "+
				"Container etcd was using 712Mi, request is 96Mi, has larger consumption of memory. "), disrupts(corev1.PodReasonTerminationByKubelet)),
			want: "Evicted tc-one/etcd-0/etcd 712 at 30",
		},
		"evicted, and killed before": {
			pod: pod(state(ended("Error", 137), ended("OOMKilled", 137)), evicts("The node was low on resource: memory. "+
				"Container etcd was using 712Mi, request is 96Mi, has larger consumption of memory. ")),
			last: sees(512, 0), want: "OOMKilled tc-one/etcd-0/etcd 512 at 0, Evicted tc-one/etcd-0/etcd 712 at 0",
		},
	} {
		t.Run(name, func(t *testing.T) {
			last := tc.last
			if last == nil {
				last = seesNothing
			}
			if got := text(OfPod(tc.pod, last, tc.events)); got != tc.want {
				t.Errorf("it tells\n%s, want\n%s", got, tc.want)
			}
		})
	}
}

func disrupts(reason string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{
			Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: reason, LastTransitionTime: at(30 * time.Second),
		})
	}
}

func evicts(message string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Status.Phase, p.Status.Reason, p.Status.Message = corev1.PodFailed, "Evicted", message
	}
}

// A kill at the old limit is not taken for one at the limit that answers it.
func TestKillBeforeResizeHasTheOldLimit(t *testing.T) {
	p := pod(state(running(), ended("Error", 137)), limited("768Mi"), func(p *corev1.Pod) {
		p.Annotations[podresize.Annotation] = fmt.Sprintf(`{"at":%q,"from":%d,"to":%d}`, noon.Add(10*time.Second).Format(time.RFC3339), 512*mi, 768*mi)
	})
	if got, want := text(OfPod(p, sees(480, time.Minute), nil)), "PassedOn tc-one/etcd-0/etcd 512 at 0"; got != want {
		t.Errorf("it tells %s, want %s", got, want)
	}
}

// By its time the same kill is known: while it is the present state, when it is the last one, and when its limit was raised since.
func TestAKillThatIsToldAgainHasTheSameTime(t *testing.T) {
	first, none := ended("OOMKilled", 137), corev1.ContainerState{}
	present, past := OfPod(pod(state(first, none)), seesNothing, nil), OfPod(pod(state(running(), first), limited("1Gi")), seesNothing, nil)
	if len(present) != 1 || len(past) != 1 || !present[0].At.Equal(past[0].At) {
		t.Errorf("first %s, then %s", text(present), text(past))
	}
}
