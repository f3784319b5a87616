package podresize

import (
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A kill is at the limit that the container had when it died, whatever the pod says by now.
func TestKillsAreToldWithTheLimitAtWhichTheyHappened(t *testing.T) {
	larger, none := size("50m", "96Mi", "", "768Mi"), corev1.ContainerState{}
	for name, tc := range map[string]struct {
		pod  *corev1.Pod
		want []Kill
	}{
		"a container that was never killed": {running(), nil},
		"one that has ended by itself":      {running(state(ended("Error", "a", noon), none)), nil},
		"one that was killed and waits to be started": {
			running(state(killed("a", noon), none)), []Kill{{"a", noon, 512 * mi}},
		},
		"one that was killed and runs again": {
			running(state(started(), killed("a", noon))), []Kill{{"a", noon, 512 * mi}},
		},
		"one that was killed twice: the older one first": {
			running(state(killed("b", noon.Add(time.Minute)), killed("a", noon))), []Kill{{"a", noon, 512 * mi}, {"b", noon.Add(time.Minute), 512 * mi}},
		},
		"before the resize": {
			running(state(started(), killed("a", noon)), resized(noon.Add(time.Second), larger)), []Kill{{"a", noon, 512 * mi}},
		},
		"so soon after the resize that the cgroup may not have had it": {
			running(resized(noon, larger), state(started(), killed("a", noon.Add(2*time.Second)))), []Kill{{"a", noon.Add(2 * time.Second), 512 * mi}},
		},
		"after the resize": {
			running(resized(noon, larger), state(started(), killed("a", noon.Add(3*time.Second)))), []Kill{{"a", noon.Add(3 * time.Second), 768 * mi}},
		},
		"long after a resize that the kubelet has put off": {
			running(resized(noon, larger), waitsFor("Deferred", "node is full"), state(started(), killed("a", noon.Add(time.Minute)))),
			[]Kill{{"a", noon.Add(time.Minute), 512 * mi}},
		},
		"after a resize that the kubelet has not got to yet": {
			running(resized(noon, larger), runsWith(size("50m", "96Mi", "", "512Mi")), state(started(), killed("a", noon.Add(3*time.Second)))),
			[]Kill{{"a", noon.Add(3 * time.Second), 512 * mi}},
		},
		"one before the resize, one after it": {
			running(state(none, killed("a", noon)), resized(noon.Add(time.Second), larger), state(killed("b", noon.Add(time.Minute)), killed("a", noon))),
			[]Kill{{"a", noon, 512 * mi}, {"b", noon.Add(time.Minute), 768 * mi}},
		},
		"before the resize, of a container that the note does not name, because the cache was behind": {
			running(resized(noon.Add(5*time.Second), larger), hasSettled, state(started(), killed("a", noon))), []Kill{{"a", noon, 512 * mi}},
		},
		"before the resize that a running container has got": {
			running(state(started(), killed("a", noon)), resized(noon.Add(time.Second), larger), hasSettled), []Kill{{"a", noon, 512 * mi}},
		},
		"soon after the resize that a running container has got": {
			running(resized(noon, larger), hasSettled, state(started(), killed("a", noon.Add(time.Second)))), []Kill{{"a", noon.Add(time.Second), 768 * mi}},
		},
		"before a resize that is not noted yet": {running(runsWith(size("50m", "96Mi", "", "512Mi")), has(larger), state(started(), killed("a", noon))), []Kill{{"a", noon, 512 * mi}}},
		"soon after it was started, long after the resize that it was started for": {
			running(resized(noon, larger), state(started(), killed("a", noon.Add(32*time.Second))), func(p *corev1.Pod) {
				Status(p, "etcd").LastTerminationState.Terminated.StartedAt = metav1.NewTime(noon.Add(30 * time.Second))
			}), []Kill{{"a", noon.Add(32 * time.Second), 512 * mi}},
		},
		"before the kubelet has taken what somebody else has set": {
			running(resized(noon, larger), hasSettled, runsWith(larger), has(size("50m", "96Mi", "", "1Gi")), state(started(), killed("a", noon.Add(time.Hour)))),
			[]Kill{{"a", noon.Add(time.Hour), 768 * mi}},
		},
		"at a limit that somebody else has set since": {
			running(resized(noon, larger), hasSettled, has(size("50m", "96Mi", "", "1Gi")), runsWith(size("50m", "96Mi", "", "1Gi")), state(started(), killed("a", noon.Add(time.Hour)))),
			[]Kill{{"a", noon.Add(time.Hour), 1024 * mi}},
		},
		"before a resize of an older version, whose note does not say to what": {
			running(state(started(), killed("a", noon)), noted(`{"at":"2026-11-23T12:00:01Z","from":536870912,"ended":"a","endedAt":536870912,"settled":true}`), has(larger), runsWith(larger)),
			[]Kill{{"a", noon, 512 * mi}},
		},
		"without a limit":                     {running(has(size("50m", "96Mi", "", "")), state(started(), killed("a", noon))), []Kill{{"a", noon, 0}}},
		"of a pod whose note nobody can read": {running(noted("yesterday"), state(started(), killed("a", noon))), []Kill{{"a", noon, 512 * mi}}},
		"of a pod whose note has no time":     {running(noted(`{"from":1}`), state(started(), killed("a", noon))), []Kill{{"a", noon, 512 * mi}}},
		"before two resizes: a later one does not give it another limit": {
			running(state(started(), killed("a", noon)), resized(noon.Add(time.Second), larger), hasSettled, resized(noon.Add(time.Minute), larger)),
			[]Kill{{"a", noon, 512 * mi}},
		},
		"while two resizes in a row are put off": {
			running(resized(noon, larger), waitsFor("Deferred", "node is full"), resized(noon.Add(time.Minute), size("50m", "96Mi", "", "2Gi")),
				state(started(), killed("a", noon.Add(2*time.Minute)))),
			[]Kill{{"a", noon.Add(2 * time.Minute), 512 * mi}},
		},
		"of a pod that the kubelet has not told of": {
			running(func(p *corev1.Pod) { p.Status.ContainerStatuses = nil }), nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := Kills(tc.pod, "etcd")
			if !slices.EqualFunc(got, tc.want, func(a, b Kill) bool { return a.Container == b.Container && a.Limit == b.Limit && a.At.Equal(b.At) }) {
				t.Errorf("kills are told as\n%v, want\n%v", got, tc.want)
			}
		})
	}
}

func TestKillOfAnotherContainerIsNotTold(t *testing.T) {
	pod := running(state(started(), killed("a", noon)))
	if kills := Kills(pod, "neighbour"); len(kills) != 1 || kills[0].Container != "other" || kills[0].Limit != 16*mi {
		t.Errorf("the neighbour's kills are told as %v", kills)
	}
	if kills := Kills(pod, "nobody"); kills != nil {
		t.Errorf("a container that is not there was killed: %v", kills)
	}
}

// A note has the container that had ended last by then, so that a kill that comes while a pod is resized is known as another one.
func TestNoteNamesTheContainerThatHasEndedLast(t *testing.T) {
	for name, tc := range map[string]struct {
		pod  *corev1.Pod
		want string
	}{
		"none has ended":                    {running(), `{"at":"2026-11-23T12:00:00.5Z","from":536870912,"to":805306368}`},
		"one has, and it runs again":        {running(state(started(), killed("a", noon))), `{"at":"2026-11-23T12:00:00.5Z","from":536870912,"to":805306368,"ended":"a","endedAt":536870912}`},
		"two have":                          {running(state(killed("b", noon), killed("a", noon))), `{"at":"2026-11-23T12:00:00.5Z","from":536870912,"to":805306368,"ended":"b","endedAt":536870912}`},
		"one has ended, but was not killed": {running(state(started(), ended("Error", "e", noon))), `{"at":"2026-11-23T12:00:00.5Z","from":536870912,"to":805306368,"ended":"e","endedAt":536870912}`},
		"there is no limit":                 {running(has(size("50m", "96Mi", "", ""))), `{"at":"2026-11-23T12:00:00.5Z","from":0,"to":805306368}`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := remember(tc.pod, "etcd", 768*mi, noon.Add(500*time.Millisecond)).String(); got != tc.want {
				t.Errorf("the note is %q, want %q", got, tc.want)
			}
		})
	}
}

// A note that could not be written is made up for by the next one.
func TestNoteGoesOnFromTheOneBefore(t *testing.T) {
	larger := size("50m", "96Mi", "", "768Mi")
	for name, test := range map[string]struct {
		pod  *corev1.Pod
		from int64
	}{
		"that has settled":                      {running(resized(noon, larger), hasSettled), 768 * mi},
		"that has not settled":                  {running(resized(noon, larger)), 512 * mi},
		"of an older version":                   {running(noted(`{"at":"2026-11-23T12:00:00Z","from":1,"settled":true}`)), 512 * mi},
		"after which there was one without any": {running(resized(noon, larger), hasSettled, has(size("50m", "96Mi", "", "1Gi"))), 768 * mi},
	} {
		if n := remember(test.pod, "etcd", 2048*mi, noon.Add(time.Minute)); n.From != test.from {
			t.Errorf("the note after one %s begins at %d MiB, want %d", name, n.From/mi, test.from/mi)
		}
	}
}

func TestNoteIsReadAsItWasWritten(t *testing.T) {
	pod := running(state(started(), killed("containerd://0123", noon)))
	at := time.Date(2026, 11, 23, 13, 0, 0, 123456789, time.FixedZone("elsewhere", 3600))
	pod.Annotations[Annotation] = remember(pod, "etcd", 768*mi, at).String()
	if got := remembered(pod); got.Ended != "containerd://0123" || !got.At.Equal(at) || got.From != 512*mi {
		t.Errorf("%q is read as %+v", pod.Annotations[Annotation], got)
	}
}
