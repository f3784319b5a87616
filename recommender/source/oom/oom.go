// Package oom sees containers that were killed for want of memory, in what pods and events tell.
//
// It owns no memory and asks nobody: all is a function of objects that somebody else has read. So a recommender that starts sees again what the
// pods still tell of (the last state of each container, and the one before that runs no more), and what events of the last hour do; a kill that is
// told again has the same time, by which the model knows it. It never guesses where a kill is not told: see passedOn.
package oom

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/metapilot/metapilot/internal/podresize"
	"github.com/metapilot/metapilot/recommender/model"
)

// Cause is how a kill is known.
type Cause string

// The causes.
const (
	OOMKilled Cause = "OOMKilled" // the runtime says so
	PassedOn  Cause = "PassedOn"  // a process of the container was killed, and its first one ended with what that had ended with
	Evicted   Cause = "Evicted"   // the kubelet ended the pod, because its node was short of memory and this container used more than it had requested
)

// Kill is what a container of a pod was killed at.
type Kill struct {
	Namespace, Container string
	Cause                Cause
	model.Kill
}

// killed is exit code 128 + SIGKILL.
const killed = 137

const (
	// nearly is the share of its limit that a container has to have used when it was seen last.
	nearly = 0.9
	// recent is how long before its end it has to have been seen: older readings say nothing about the end.
	recent = 5 * time.Minute
)

// OfPod are the kills that a pod tells of, oldest first: a container's last two ends, and an eviction. Last is what was last seen of the memory
// of a container of this pod, zero if nothing was; events are those of the pod, if they are at hand.
func OfPod(pod *corev1.Pod, last func(container string) model.Sample, events []*corev1.Event) (all []Kill) {
	for i := range pod.Status.ContainerStatuses {
		status := &pod.Status.ContainerStatuses[i]
		for _, end := range []*corev1.ContainerStateTerminated{status.LastTerminationState.Terminated, status.State.Terminated} {
			if end == nil {
				continue
			}
			if cause := causeOf(pod, status.Name, end, last, events); cause != "" {
				all = append(all, ofEnd(pod, status.Name, end, cause))
			}
		}
	}
	all = append(all, evicted(pod)...)
	slices.SortStableFunc(all, func(a, b Kill) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Container, b.Container)) })
	return all
}

// ofEnd has the limit at the time of the end: that of now may be the answer to this very kill.
func ofEnd(pod *corev1.Pod, container string, end *corev1.ContainerStateTerminated, cause Cause) Kill {
	return Kill{
		Namespace: pod.Namespace, Container: container, Cause: cause,
		Kill: model.Kill{Replica: pod.Name, At: end.FinishedAt.Time, Limit: podresize.LimitAt(pod, container, end)},
	}
}

// causeOf is empty if memory was not the cause, or may not have been.
func causeOf(pod *corev1.Pod, container string, end *corev1.ContainerStateTerminated, last func(string) model.Sample, events []*corev1.Event) Cause {
	switch {
	case end.Reason == string(OOMKilled):
		return OOMKilled
	case end.ExitCode != killed || end.Reason != "Error" && end.Reason != "": // others say that nobody knows how it ended, or that it never ran
	case pod.DeletionTimestamp != nil, pod.Status.Reason != "", disrupted(pod): // the whole pod is being stopped, with SIGKILL in the end
	case stopped(pod, container, end, events):
	case passedOn(podresize.LimitAt(pod, container, end), end, last(container)):
		return PassedOn
	}
	return ""
}

// passedOn: a container whose child was killed ends with 137 if its first process passes the status on, as shells do, and with no word about
// memory where the runtime watches the first process alone. Many things end with 137, so it counts only if its memory was all but used up.
func passedOn(limit int64, end *corev1.ContainerStateTerminated, last model.Sample) bool {
	within := !last.At.Before(end.StartedAt.Time) && !last.At.After(end.FinishedAt.Time) && end.FinishedAt.Sub(last.At) <= recent
	return limit > 0 && within && last.Amount >= nearly*float64(limit)
}

// disrupted: a preemption, an eviction by the API or by the kubelet, or a taint has begun to end the pod.
func disrupted(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.DisruptionTarget && c.Status == corev1.ConditionTrue
	})
}

// stopped: the kubelet tells that it stopped the container itself during this life of it, be it for a probe that failed or for another reason.
func stopped(pod *corev1.Pod, container string, end *corev1.ContainerStateTerminated, events []*corev1.Event) bool {
	paths := []string{fmt.Sprintf("spec.containers{%s}", container), fmt.Sprintf("spec.initContainers{%s}", container)} // native sidecars
	return slices.ContainsFunc(events, func(e *corev1.Event) bool {
		first, latest := between(e)
		return e.Reason == "Killing" && e.InvolvedObject.UID == pod.UID && slices.Contains(paths, e.InvolvedObject.FieldPath) &&
			!latest.Before(end.StartedAt.Time) && !first.After(end.FinishedAt.Add(time.Second)) // times are given in whole seconds
	})
}

// between is when the first and the last of the things happened that an event stands for.
func between(e *corev1.Event) (first, latest time.Time) {
	first = cmp.Or(e.FirstTimestamp, metav1.Time(e.EventTime), e.CreationTimestamp).Time
	if latest = e.LastTimestamp.Time; latest.IsZero() {
		latest = first
	}
	return first, latest
}
