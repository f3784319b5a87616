package oom

import (
	"regexp"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/metapilot/metapilot/recommender/model"
)

// What the kubelet writes when it evicts a pod: k8s.io/kubernetes/pkg/kubelet/eviction/helpers.go, 1.36. Before 1.26 the sentence about a container
// was another one, which clusters that are old enough still write.
const (
	evictedReason = "Evicted"
	lowOnMemory   = "The node was low on resource: memory. "

	offendersKey = "offending_containers"
	usagesKey    = "offending_containers_usage"
	starvedKey   = "starved_resource"

	// most is a pebibyte; no machine has more.
	most = 1 << 50
)

var offender = regexp.MustCompile(`Container ([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?) was using ([0-9.]+[A-Za-z]{0,2}), (request is|which exceeds its request of) `)

// evicted are the kills of a pod that the kubelet has evicted for want of memory. Containers that used less than they had requested were not to
// blame, and learn nothing from it.
func evicted(pod *corev1.Pod) []Kill {
	if pod.Status.Phase != corev1.PodFailed || pod.Status.Reason != evictedReason {
		return nil
	}
	subject := corev1.ObjectReference{Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID}
	return atEviction(subject, evictedAt(pod), usages(pod.Status.Message))
}

// OfEvent are the kills that an event tells of. The event of an eviction is there before the pod says so, and often longer: the pod of a
// StatefulSet is replaced at once.
func OfEvent(event *corev1.Event) []Kill {
	o := event.InvolvedObject
	if event.Reason != evictedReason || o.Kind != "Pod" || o.UID == "" {
		return nil
	}
	offenders := annotated(event.Annotations)
	if len(offenders) == 0 {
		offenders = usages(event.Message)
	}
	_, at := between(event)
	return atEviction(o, at, offenders)
}

// usage of a container in bytes.
type usage struct {
	container string
	bytes     int64
}

// atEviction makes kills of usages.
func atEviction(pod corev1.ObjectReference, at time.Time, offenders []usage) []Kill {
	var all []Kill
	for _, u := range offenders {
		all = append(all, Kill{
			Namespace: pod.Namespace, Container: u.container, Cause: Evicted,
			Kill: model.Kill{Replica: pod.Name, At: at, Limit: u.bytes},
		})
	}
	return all
}

// evictedAt is when the kubelet told so; its condition is from 1.26 on.
func evictedAt(pod *corev1.Pod) time.Time {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.DisruptionTarget && c.Reason == corev1.PodReasonTerminationByKubelet {
			return c.LastTransitionTime.Time
		}
	}
	var latest time.Time
	for _, s := range pod.Status.ContainerStatuses {
		if end := s.State.Terminated; end != nil && end.FinishedAt.After(latest) {
			latest = end.FinishedAt.Time
		}
	}
	return latest
}

// annotated are the usages in an event's annotations: two lists of equal length, and one resource for all. (VPA takes that for a list too, and so
// loses every eviction with two containers to blame.)
func annotated(annotations map[string]string) []usage {
	containers, amounts := strings.Split(annotations[offendersKey], ","), strings.Split(annotations[usagesKey], ",")
	if annotations[starvedKey] != string(corev1.ResourceMemory) || len(containers) != len(amounts) {
		return nil
	}
	var all []usage
	for i := range containers {
		all = appendUsage(all, containers[i], amounts[i])
	}
	return all
}

// usages are those that the message of an eviction for want of memory tells.
func usages(message string) []usage {
	if !strings.HasPrefix(message, lowOnMemory) {
		return nil
	}
	var all []usage
	for _, said := range offender.FindAllStringSubmatch(message, -1) {
		all = appendUsage(all, said[1], said[3])
	}
	return all
}

// appendUsage leaves out what is no amount, so that nothing is learnt from a message that was not understood.
func appendUsage(all []usage, container, amount string) []usage {
	q, err := resource.ParseQuantity(amount)
	if err != nil || q.Value() <= 0 || q.Value() > most || container == "" {
		return all
	}
	return append(all, usage{container, q.Value()})
}
