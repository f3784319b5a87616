package oom

import (
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The messages are what kubelet/eviction/helpers.go of 1.36 and of 1.25 makes.
func TestMessagesOfEvictions(t *testing.T) {
	for message, want := range map[string]string{
		"":                                       "",
		"The node was low on resource: memory. ": "",
		"The node was low on resource: memory. Threshold quantity: 100Mi, available: 93128Ki. ":                                                                                    "",
		"The node was low on resource: memory. Threshold quantity: 100Mi, available: 93128Ki. Container etcd was using 712Mi, request is 96Mi, has larger consumption of memory. ": "Evicted tc-one/etcd-0/etcd 712 at 0",
		"The node was low on resource: memory. Container etcd was using 729088Ki, request is 0, has larger consumption of memory. Container a-b was using 3145728, request is 1Mi, has larger consumption of memory. ": "Evicted tc-one/etcd-0/a-b 3 at 0, " +
			"Evicted tc-one/etcd-0/etcd 712 at 0",
		"The node was low on resource: memory. Pod etcd-0 was using 1Gi, request is 96Mi, has larger consumption of memory. Container etcd was using 712Mi, request is 96Mi, has larger consumption of memory. ": "Evicted tc-one/etcd-0/etcd 712 at 0",
		"The node was low on resource: memory. Container etcd was using 712Mi, which exceeds its request of 96Mi. ":                                                                                              "Evicted tc-one/etcd-0/etcd 712 at 0",
		"The node was low on resource: ephemeral-storage. Container etcd was using 712Mi, request is 96Mi, has larger consumption of ephemeral-storage. ":                                                        "",
		"The node was low on resource: inodes. ":                                                                                                "",
		"The node had condition: [MemoryPressure]. ":                                                                                            "",
		"Usage of EmptyDir volume \"data\" exceeds the limit \"1Gi\". ":                                                                         "",
		"Container etcd exceeded its local ephemeral storage limit \"1Gi\". ":                                                                   "",
		"The node was low on resource: memory. Container etcd was using -5Mi, request is 96Mi, has larger consumption of memory. ":              "",
		"The node was low on resource: memory. Container etcd was using 0, request is 96Mi, has larger consumption of memory. ":                 "",
		"The node was low on resource: memory. Container etcd was using a lot, request is 96Mi, has larger consumption of memory. ":             "",
		"I say: The node was low on resource: memory. Container etcd was using 712Mi, request is 96Mi, has larger consumption of memory. ":      "",
		"The node was low on resource: memory. Container ../etcd was using 712Mi, request is 96Mi, has larger consumption of memory. ":          "",
		"The node was low on resource: memory. Container etcd was using 1.5.5Gi, request is 96Mi, has larger consumption of memory. Container ": "",
	} {
		p := pod(evicts(message), state(ended("Error", 137), corev1.ContainerState{}))
		if got := text(OfPod(p, seesNothing, nil)); got != want {
			t.Errorf("of %q it tells\n%s, want\n%s", message, got, want)
		}
	}
}

func TestOnlyThePodsEvictedByTheKubeletCount(t *testing.T) {
	const message = "The node was low on resource: memory. Container etcd was using 712Mi, request is 96Mi, has larger consumption of memory. "
	for _, p := range []*corev1.Pod{
		pod(func(p *corev1.Pod) { p.Status.Message = message }),
		pod(evicts(message), func(p *corev1.Pod) { p.Status.Reason = "NodeShutdown" }),
		pod(evicts(message), func(p *corev1.Pod) { p.Status.Phase = corev1.PodRunning }),
	} {
		if got := text(OfPod(p, seesNothing, nil)); got != "" {
			t.Errorf("a pod %s for %q tells %s", p.Status.Phase, p.Status.Reason, got)
		}
	}
}

// event of an eviction as the kubelet makes it.
func event(message string, annotations ...string) *corev1.Event {
	e := &corev1.Event{
		Reason: "Evicted", Message: message, FirstTimestamp: at(5 * time.Second), LastTimestamp: at(5 * time.Second),
		InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: "tc-one", Name: "etcd-0", UID: "u-1"},
		ObjectMeta:     metav1.ObjectMeta{Namespace: "tc-one", Name: "etcd-0.1", Annotations: map[string]string{}},
	}
	for i, key := range []string{"offending_containers", "offending_containers_usage", "starved_resource"}[:len(annotations)] {
		e.Annotations[key] = annotations[i]
	}
	return e
}

func TestEventsOfEvictions(t *testing.T) {
	const message = "The node was low on resource: memory. Container etcd was using 712Mi, request is 96Mi, has larger consumption of memory. "
	changed := func(e *corev1.Event, change func(*corev1.Event)) *corev1.Event {
		change(e)
		return e
	}
	for name, tc := range map[string]struct {
		event *corev1.Event
		want  string
	}{
		"one container":           {event(message, "etcd", "712Mi", "memory"), "Evicted tc-one/etcd-0/etcd 712 at 5"},
		"two, of which VPA loses": {event("", "etcd,metrics", "712Mi,64Mi", "memory"), "Evicted tc-one/etcd-0/etcd 712 at 5, Evicted tc-one/etcd-0/metrics 64 at 5"},
		"none to blame":           {event("The node was low on resource: memory. ", "", "", "memory"), ""},
		"another resource":        {event("", "etcd", "712Mi", "ephemeral-storage"), ""},
		"lists that do not fit":   {event("", "etcd,metrics", "712Mi", "memory"), ""},
		"no amount":               {event("", "etcd,metrics", "much,64Mi", "memory"), "Evicted tc-one/etcd-0/metrics 64 at 5"},
		"no annotations":          {event(message), "Evicted tc-one/etcd-0/etcd 712 at 5"},
		"nothing":                 {event(""), ""},
		"of something else":       {changed(event(message, "etcd", "712Mi", "memory"), func(e *corev1.Event) { e.Reason = "Killing" }), ""},
		"of a node":               {changed(event(message, "etcd", "712Mi", "memory"), func(e *corev1.Event) { e.InvolvedObject.Kind = "Node" }), ""},
		"of nobody":               {changed(event(message, "etcd", "712Mi", "memory"), func(e *corev1.Event) { e.InvolvedObject.UID = "" }), ""},
		"of the new kind": {
			changed(event(message, "etcd", "712Mi", "memory"), func(e *corev1.Event) {
				e.FirstTimestamp, e.LastTimestamp, e.EventTime = metav1.Time{}, metav1.Time{}, metav1.NewMicroTime(noon)
			}), "Evicted tc-one/etcd-0/etcd 712 at 0",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := text(OfEvent(tc.event)); got != tc.want {
				t.Errorf("it tells\n%s, want\n%s", got, tc.want)
			}
		})
	}
}

func FuzzEviction(f *testing.F) {
	f.Add("The node was low on resource: memory. Container etcd was using 712Mi, request is 96Mi, has larger consumption of memory. ", "etcd,a", "712Mi,1", "memory")
	f.Add("The node was low on resource: memory. Container etcd was using 712Mi, which exceeds its request of 96Mi. ", "", "", "")
	f.Add("", ",", ",", "memory")
	f.Add("", "a", "9e99", "memory")
	f.Fuzz(func(t *testing.T, message, containers, amounts, starved string) {
		kills := slices.Concat(OfPod(pod(evicts(message)), seesNothing, nil), OfEvent(event(message, containers, amounts, starved)))
		for _, k := range kills {
			if k.Limit <= 0 || k.Limit > 1<<50 || k.Container == "" {
				t.Errorf("it tells %+v", k)
			}
			if !strings.Contains(message, k.Container) && !strings.Contains(containers, k.Container) {
				t.Errorf("nobody spoke of %q", k.Container)
			}
		}
	})
}
