// Package podresize knows how a pod that lives gets another size, and at which limit one was killed.
//
// It owns the rules about pods/resize that Kubernetes 1.36 asks for, and the annotation that remembers when a pod was resized. It never decides
// about sizes.
package podresize

import (
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Annotation on a pod tells of its last resize: the container that had ended last by then, when it was, the memory limit before, and whether the
// kubelet has said of a running container that it is done. It is written before the resize,
// so that a kill is never taken for one at the new limit when it was at the old one.
const Annotation = "metapilot.io/resized"

// settling is how long after a resize a kill may still have been at the old limit: the kubelet took up to 0.7 s to tell the cgroup, and the
// time of a kill is given in whole seconds.
const settling = 2 * time.Second

// settled ends the annotation of a resize that a running container has got.
const settled = "settled"

const oomKilled, backOff = "OOMKilled", "CrashLoopBackOff"

// Kill is one container killed for want of memory.
type Kill struct {
	Container string // its id
	At        time.Time
	Limit     int64 // bytes
}

// Kills are those that the pod's status still tells of, oldest first.
func Kills(pod *corev1.Pod, container string) (kills []Kill) {
	status := Status(pod, container)
	if status == nil {
		return nil
	}
	for _, end := range []*corev1.ContainerStateTerminated{status.LastTerminationState.Terminated, status.State.Terminated} {
		if end != nil && end.Reason == oomKilled {
			kills = append(kills, Kill{end.ContainerID, end.FinishedAt.Time, limitAt(pod, container, end)})
		}
	}
	return kills
}

// limitAt is the memory limit that a container had when it ended.
func limitAt(pod *corev1.Pod, container string, end *corev1.ContainerStateTerminated) int64 {
	last := remembered(pod)
	early := end.FinishedAt.Time.Before(last.at.Truncate(time.Second)) || !last.settled && !end.FinishedAt.After(last.at.Add(settling))
	if !last.at.IsZero() && (end.ContainerID == last.ended || early) {
		return last.from
	}
	return limit(pod, container)
}

func limit(pod *corev1.Pod, container string) int64 {
	if c := Container(pod, container); c != nil {
		return c.Resources.Limits.Memory().Value()
	}
	return 0
}

// Container is the pod's container of the name; nil if it has none.
func Container(pod *corev1.Pod, name string) *corev1.Container {
	for i := range pod.Spec.Containers {
		if pod.Spec.Containers[i].Name == name {
			return &pod.Spec.Containers[i]
		}
	}
	return nil
}

// Status of the pod's container; nil before the kubelet has told.
func Status(pod *corev1.Pod, container string) *corev1.ContainerStatus {
	for i := range pod.Status.ContainerStatuses {
		if pod.Status.ContainerStatuses[i].Name == container {
			return &pod.Status.ContainerStatuses[i]
		}
	}
	return nil
}

// memory of the last resize.
type memory struct {
	ended   string // id of the container that had ended last
	at      time.Time
	from    int64
	settled bool // a container ran with the new limit
}

func remembered(pod *corev1.Pod) (m memory) {
	parts := strings.Split(pod.Annotations[Annotation], ";")
	if len(parts) < 3 {
		return memory{}
	}
	at, err := time.Parse(time.RFC3339Nano, parts[1])
	from, wrong := resource.ParseQuantity(parts[2])
	if err != nil || wrong != nil {
		return memory{}
	}
	return memory{parts[0], at, from.Value(), slices.Contains(parts[3:], settled)}
}

// remember is the annotation's value for a resize now.
func remember(pod *corev1.Pod, container string, now time.Time) string {
	ended := ""
	if status := Status(pod, container); status != nil {
		for _, end := range []*corev1.ContainerStateTerminated{status.LastTerminationState.Terminated, status.State.Terminated} {
			if end != nil {
				ended = end.ContainerID
			}
		}
	}
	from := resource.NewQuantity(limit(pod, container), resource.BinarySI)
	return strings.Join([]string{ended, now.UTC().Format(time.RFC3339Nano), from.String()}, ";")
}
