package podresize

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const mi = int64(1 << 20)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// change is what a case makes of a pod that runs well.
type change func(*corev1.Pod)

// running is a pod of two containers: etcd, which the tests are about, and a neighbour that nothing may be taken from.
func running(changes ...change) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "tc-one", Name: "etcd-0", UID: "u-1", Annotations: map[string]string{}},
		Spec: corev1.PodSpec{NodeName: "node-1", Containers: []corev1.Container{
			{Name: "neighbour", Resources: size("10m", "16Mi", "10m", "16Mi")}, // the pod's QoS class is that of etcd
			{Name: "etcd", Resources: size("50m", "96Mi", "", "512Mi")},
		}},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, ContainerStatuses: []corev1.ContainerStatus{
			{Name: "neighbour", State: started(), LastTerminationState: killed("other", noon)},
			{Name: "etcd", State: started()},
		}},
	}
	for _, c := range changes {
		c(pod)
	}
	return pod
}

// size is written requests first, then limits; what is empty is none.
func size(requestedCPU, requestedMemory, cpuLimit, memoryLimit string) corev1.ResourceRequirements {
	return corev1.ResourceRequirements{Requests: amounts(requestedCPU, requestedMemory), Limits: amounts(cpuLimit, memoryLimit)}
}

func amounts(cpu, memory string) corev1.ResourceList {
	l := corev1.ResourceList{}
	for name, amount := range map[corev1.ResourceName]string{corev1.ResourceCPU: cpu, corev1.ResourceMemory: memory} {
		if amount != "" {
			l[name] = resource.MustParse(amount)
		}
	}
	return l
}

func started() corev1.ContainerState {
	return corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(noon.Add(-time.Hour))}}
}

func killed(id string, at time.Time) corev1.ContainerState { return ended("OOMKilled", id, at) }

func ended(reason, id string, at time.Time) corev1.ContainerState {
	return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
		Reason: reason, ExitCode: 137, ContainerID: id, FinishedAt: metav1.NewTime(at),
	}}
}

func waits(reason string) corev1.ContainerState {
	return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason}}
}

// state is what the container does now, and what ended before it.
func state(now, last corev1.ContainerState) change {
	return func(p *corev1.Pod) {
		s := Status(p, "etcd")
		s.State, s.LastTerminationState = now, last
	}
}

// has is the size that the pod asks for.
func has(r corev1.ResourceRequirements) change {
	return func(p *corev1.Pod) { Container(p, "etcd").Resources = r }
}

// resized is what Resize notes before it resizes a pod as the others have made it, and the new size.
func resized(at time.Time, to corev1.ResourceRequirements) change {
	return func(p *corev1.Pod) {
		p.Annotations[Annotation] = remember(p, "etcd", to.Limits.Memory().Value(), at).String()
		has(to)(p)
	}
}

// seen: the kubelet has looked at the pod up to a generation; the resize asked for the seventh.
func seen(observed int64) change {
	return func(p *corev1.Pod) {
		n := remembered(p)
		n.Asked, p.Status.ObservedGeneration = 7, observed
		p.Annotations[Annotation] = n.String()
	}
}

// runsWith: the kubelet tells that the container has the size.
func runsWith(r corev1.ResourceRequirements) change {
	return func(p *corev1.Pod) { Status(p, "etcd").Resources = &r }
}

// hasSettled is what Remembered notes.
func hasSettled(p *corev1.Pod) {
	n := remembered(p)
	n.Settled = true
	p.Annotations[Annotation] = n.String()
}

// wasRefused is what Resize notes when the API server says that the node can never have the size.
func wasRefused(r corev1.ResourceRequirements) change {
	return func(p *corev1.Pod) { p.Annotations[refusedAnnotation] = sizeKey(r) + ";the node is too small" }
}

func noted(value string) change {
	return func(p *corev1.Pod) { p.Annotations[Annotation] = value }
}

func waitsFor(says, message string) change {
	return func(p *corev1.Pod) {
		p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: corev1.PodResizePending, Status: corev1.ConditionTrue, Reason: says, Message: message})
	}
}
