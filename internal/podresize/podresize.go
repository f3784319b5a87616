// Package podresize knows how a pod that lives gets another size, and at which limit one was killed.
//
// It owns the rules about pods/resize that Kubernetes 1.36 asks for, and the annotation that remembers when a pod was resized. It never decides
// about sizes.
package podresize

import (
	"encoding/json"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Annotation on a pod tells of its last resize, in JSON. It is written just after the resize: an annotation that is written just before it costs up
// to a second, for the kubelet then looks at the pod for the annotation, and does not look again for the resize before its next look at all pods.
const Annotation = "metapilot.io/resized"

// settling is how long after a resize a kill may still have been at the old limit: the kubelet took up to 0.7 s to tell the cgroup, and the
// time of a kill is given in whole seconds.
const settling = 2 * time.Second

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
			kills = append(kills, Kill{end.ContainerID, end.FinishedAt.Time, LimitAt(pod, container, end)})
		}
	}
	return kills
}

// LimitAt is the memory limit that a container had when it ended.
func LimitAt(pod *corev1.Pod, container string, end *corev1.ContainerStateTerminated) int64 {
	last := remembered(pod)
	switch {
	case last == nil:
		return actual(pod, container)
	case end.ContainerID == last.Ended:
		return last.EndedAt
	case end.FinishedAt.Time.Before(last.At.Truncate(time.Second)):
		return last.From
	case last.To != limit(pod, container):
		return actual(pod, container) // it was resized a moment ago, or by somebody else
	case !last.Settled && (!end.FinishedAt.After(later(last.At, end.StartedAt.Time).Add(settling)) || waiting(pod, container, last.From)):
		return last.From
	}
	return limit(pod, container)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// waiting: the kubelet has not taken the resize yet, and says so.
func waiting(pod *corev1.Pod, container string, from int64) bool {
	if step, _ := pending(pod); step == Held {
		return true
	}
	return actual(pod, container) == from
}

// actual is the memory limit that the kubelet tells of, or else the one that the pod asks for.
func actual(pod *corev1.Pod, container string) int64 {
	if status := Status(pod, container); status != nil && status.Resources != nil {
		return status.Resources.Limits.Memory().Value()
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

// note of the last resize.
type note struct {
	At      time.Time `json:"at"`
	From    int64     `json:"from"`              // bytes of the memory limit before
	To      int64     `json:"to"`                // and after
	Asked   int64     `json:"asked,omitempty"`   // generation of the pod from which on it has the new size
	Ended   string    `json:"ended,omitempty"`   // id of the container that had ended last by then
	EndedAt int64     `json:"endedAt,omitempty"` // bytes of the memory limit that it had
	Settled bool      `json:"settled,omitempty"` // the kubelet has said of a running container that it has the new size
}

// remembered is the pod's note; nil if it has none, or one that nobody can read.
func remembered(pod *corev1.Pod) *note {
	var n note
	if json.Unmarshal([]byte(pod.Annotations[Annotation]), &n) != nil || n.At.IsZero() {
		return nil
	}
	return &n
}

func (n note) String() string {
	raw, err := json.Marshal(n)
	if err != nil {
		panic(err) // the type is ours
	}
	return string(raw)
}

// remember is the note for a resize to a memory limit now. One that had not settled, or of which no note came, has left the limit from before it in
// doubt.
func remember(pod *corev1.Pod, container string, to int64, now time.Time) note {
	n := note{At: now.UTC(), From: limit(pod, container), To: to}
	switch last := remembered(pod); {
	case last == nil:
	case !last.Settled:
		n.From = last.From
	case last.To > 0:
		n.From = last.To
	}
	if status := Status(pod, container); status != nil {
		for _, end := range []*corev1.ContainerStateTerminated{status.LastTerminationState.Terminated, status.State.Terminated} {
			if end != nil {
				n.Ended, n.EndedAt = end.ContainerID, LimitAt(pod, container, end)
			}
		}
	}
	return n
}
