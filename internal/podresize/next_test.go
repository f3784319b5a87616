package podresize

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Every state that a pod can be in, and the one step that brings it closer to its size.
func TestNextStepOfAPod(t *testing.T) {
	small, large := size("50m", "96Mi", "", "512Mi"), size("50m", "96Mi", "", "768Mi")
	none := corev1.ContainerState{}
	backsOff := waits("CrashLoopBackOff")
	for name, tc := range map[string]struct {
		pod  *corev1.Pod
		want corev1.ResourceRequirements
		step Step
		why  string
	}{
		"it has its size":                                     {running(), small, Done, ""},
		"the same amounts written otherwise":                  {running(), size("0.05", "98304Ki", "0", "0.5Gi"), Done, ""},
		"it runs with another one":                            {running(), large, InPlace, ""},
		"it runs with another request of CPU":                 {running(), size("60m", "96Mi", "", "512Mi"), InPlace, ""},
		"a limit is added":                                    {running(), size("50m", "96Mi", "200m", "512Mi"), InPlace, ""},
		"it was killed at its old size and runs":              {running(state(started(), killed("a", noon))), large, InPlace, ""},
		"it asks for what the API server makes of a fraction": {running(has(size("51m", "96Mi", "", "512Mi"))), size("50.5m", "96Mi", "", "512Mi"), Done, ""},
		"it was killed a moment ago, and before: nobody tells when": {
			running(state(killed("b", noon), none), func(p *corev1.Pod) { Status(p, "etcd").RestartCount = 3 }), large, Held, "its container is being started",
		},
		"it has the size that somebody else gave it, and a note of another one": {
			running(resized(noon, large), has(size("50m", "96Mi", "", "1Gi")), runsWith(size("50m", "96Mi", "", "1Gi"))), size("50m", "96Mi", "", "1Gi"), Done, "",
		},
		"it was dead already when it was resized, and nobody knew": {
			running(resized(noon.Add(1500*time.Millisecond), large), state(started(), killed("a", noon))),
			large, Recreate, "it was OOM-killed again before it had got its new limit, which its cgroup may never get",
		},
		"it was resized when it was killed, and the kubelet has not looked at it since": {
			running(state(killed("a", noon), none), resized(noon, large), seen(6)), large, Done, "",
		},
		"it was resized when it was killed, and the kubelet finds it not running": {
			running(state(killed("a", noon), none), resized(noon, large), seen(7)), large, Recreate, "it is started with its new limit, which its cgroup may never get",
		},
		"it was resized when it was killed, and runs, and the kubelet has not told that it has the size": {
			running(state(killed("a", noon), none), resized(noon, large), seen(7), state(started(), killed("a", noon))), large, Done, "",
		},
		"it was resized when it was killed, and the kubelet puts that off": {
			running(state(killed("a", noon), none), resized(noon, large), seen(7), waitsFor("Deferred", "node is full")), large, Held, "Deferred: node is full",
		},
		"it was killed a moment ago":         {running(state(killed("a", noon), none)), large, InPlace, ""},
		"it has ended otherwise just before": {running(state(ended("Error", "a", noon), none)), large, Held, "its container is being started"},
		"it was killed a moment ago, and before at the same size": {
			running(state(killed("b", noon.Add(time.Minute)), ended("Error", "a", noon))), large, Held, "its container is being started",
		},
		"it was killed a moment ago, and long before at the same size": {
			running(state(killed("b", noon.Add(time.Hour)), killed("a", noon))), large, InPlace, "",
		},
		"it was killed a moment ago at the size that it got after the last kill": {
			running(state(started(), killed("a", noon)), resized(noon.Add(time.Second), large), hasSettled, state(killed("b", noon.Add(time.Minute)), killed("a", noon))),
			size("50m", "96Mi", "", "1Gi"), InPlace, "",
		},
		"the kubelet has not told of its container": {
			running(func(p *corev1.Pod) { p.Status.ContainerStatuses = nil }), large, Held, "its container is being started",
		},
		"its image is being fetched": {running(state(waits("ContainerCreating"), none)), large, Held, "its container is being started"},
		"it was killed at its old size and waits in back-off": {
			running(state(backsOff, killed("a", noon))), large, Recreate, "it was OOM-killed at 512 MiB and waits in back-off",
		},
		"it has ended otherwise and waits in back-off with its old size": {
			running(state(backsOff, ended("Error", "a", noon))), large, Recreate, "it waits in back-off with its old size",
		},
		"it has ended otherwise and waits in back-off with its size": {
			running(state(backsOff, ended("Error", "a", noon))), small, Done, "",
		},
		"it was killed at its size and waits in back-off: another pod would be killed as well": {
			running(state(backsOff, killed("a", noon))), small, Done, "",
		},
		"it was resized after it was killed, and waits in back-off": {
			running(state(none, killed("a", noon)), resized(noon.Add(time.Second), large), state(backsOff, killed("a", noon))),
			large, Recreate, "it was OOM-killed at 512 MiB and waits in back-off",
		},
		"it was resized after it was killed, and runs": {
			running(state(started(), killed("a", noon)), resized(noon.Add(time.Second), large)), large, Done, "",
		},
		"it was killed again while it was resized": {
			running(state(started(), killed("a", noon)), resized(noon.Add(time.Second), large), state(started(), killed("b", noon.Add(2*time.Second)))),
			large, Recreate, "it was OOM-killed again before it had got its new limit, which its cgroup may never get",
		},
		"it was killed for the first time while it was resized": {
			running(resized(noon, large), state(killed("a", noon), none)),
			large, Recreate, "it was OOM-killed again before it had got its new limit, which its cgroup may never get",
		},
		"a running container has got the resize": {
			running(state(started(), killed("a", noon)), resized(noon.Add(time.Second), large), runsWith(large)), large, Settle, "",
		},
		"a running container has got the resize, and that is noted": {
			running(state(started(), killed("a", noon)), resized(noon.Add(time.Second), large), runsWith(large), hasSettled), large, Done, "",
		},
		"the kubelet says that a container has got the resize that does not run": {
			running(resized(noon, large), runsWith(large), state(waits("ContainerCreating"), none)), large, Done, "",
		},
		"it was killed soon after a running container had got the resize": {
			running(resized(noon, large), hasSettled, state(started(), killed("a", noon.Add(time.Second))), runsWith(large)), large, Done, "",
		},
		"its node can never have the size": {running(wasRefused(large)), large, Held, "Infeasible: the node is too small"},
		"its node can never have another size": {
			running(wasRefused(large)), size("50m", "96Mi", "", "600Mi"), InPlace, "",
		},
		"it was killed at its new size, long after it was resized": {
			running(state(started(), killed("a", noon)), resized(noon.Add(time.Second), large), state(started(), killed("b", noon.Add(time.Minute)))),
			large, Done, "",
		},
		"it was killed while it was resized, and a larger one is decided by now": {
			running(state(started(), killed("a", noon)), resized(noon.Add(time.Second), large), state(started(), killed("b", noon.Add(2*time.Second)))),
			size("50m", "96Mi", "", "1Gi"), Recreate, "it was OOM-killed again before it had got its new limit, which its cgroup may never get",
		},
		"it was killed a minute after a resize that the kubelet has put off": {
			running(resized(noon, large), waitsFor("Deferred", "node is full"), state(started(), killed("b", noon.Add(time.Minute)))),
			large, Recreate, "it was OOM-killed again before it had got its new limit, which its cgroup may never get",
		},
		"another container of the pod was killed and waits in back-off": {
			running(func(p *corev1.Pod) { Status(p, "neighbour").State = backsOff }), large, InPlace, "",
		},
		"no node was found for it": {
			running(func(p *corev1.Pod) { p.Spec.NodeName, p.Status.ContainerStatuses = "", nil }), large, Recreate, "it was never placed with its old size",
		},
		"no node was found for it with its size": {
			running(func(p *corev1.Pod) { p.Spec.NodeName, p.Status.ContainerStatuses = "", nil }), small, Done, "",
		},
		"its requests would become its limits": {
			running(), size("50m", "512Mi", "50m", "512Mi"), Held, "it would change the pod's QoS class; it comes with the next pod",
		},
		"its requests would no longer be its limits": {
			running(has(size("50m", "512Mi", "50m", "512Mi"))), size("50m", "512Mi", "50m", "768Mi"), Held,
			"it would change the pod's QoS class; it comes with the next pod",
		},
		"requests and limits stay the same as each other": {
			running(has(size("50m", "512Mi", "50m", "512Mi"))), size("50m", "768Mi", "50m", "768Mi"), InPlace, "",
		},
		"nothing of it asks for anything so far": {
			running(has(size("", "", "", "")), func(p *corev1.Pod) { Container(p, "neighbour").Resources = size("", "", "", "") }), large, Held, "it would change the pod's QoS class; it comes with the next pod",
		},
		"its limit of memory would go": {
			running(), size("50m", "96Mi", "", ""), Held, "a limit cannot be taken from a running pod; it comes with the next pod",
		},
		"its limit of CPU would go": {
			running(has(size("50m", "96Mi", "100m", "512Mi"))), small, Held, "a limit cannot be taken from a running pod; it comes with the next pod",
		},
		"the kubelet has no room for it now": {
			running(waitsFor("Deferred", "node is full")), small, Held, "Deferred: node is full",
		},
		"the kubelet can never do it": {
			running(waitsFor("Infeasible", "node is too small")), small, Held, "Infeasible: node is too small",
		},
		"a smaller one is decided, because the kubelet can never do the other": {
			running(has(size("50m", "96Mi", "", "99Gi")), waitsFor("Infeasible", "node is too small")), small, InPlace, "",
		},
		"it is being deleted": {
			running(func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: noon} }), large, Done, "",
		},
		"it was evicted": {running(func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed }), large, Done, ""},
		"it is done":     {running(func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }), large, Done, ""},
	} {
		t.Run(name, func(t *testing.T) {
			step, why := Next(tc.pod, "etcd", tc.want)
			if step != tc.step || why != tc.why {
				t.Errorf("the next step is %q (%s), want %q (%s)", step, why, tc.step, tc.why)
			}
		})
	}
}

func TestPodWithoutTheContainerIsLeftAlone(t *testing.T) {
	if step, why := Next(running(), "nobody", size("1", "1Gi", "", "1Gi")); step != Done {
		t.Errorf("the next step is %q (%s)", step, why)
	}
}
