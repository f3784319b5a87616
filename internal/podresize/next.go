package podresize

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Step is what brings a pod closer to its size.
type Step string

// Steps.
const (
	Done     Step = ""
	InPlace  Step = "InPlace"
	Recreate Step = "Recreate" // whoever makes the pod again gives it its size
	Settle   Step = "Settle"   // it has its size, which is to be remembered
	Held     Step = "Held"     // it waits for something, or never comes
)

// Next is the step that a pod needs, and why.
//
// A running container is resized where it is, and so is one that was killed and is being started again as it was. One that was killed and waits in
// back-off is recreated: in place, it would start with its new limit in a pod whose cgroup keeps the old one (kubernetes/kubernetes#138760), and
// the back-off would go on. If it was killed once more while it was resized, nobody knows what its cgroup says, and it is recreated.
func Next(pod *corev1.Pod, container string, want corev1.ResourceRequirements) (Step, string) {
	c, status := Container(pod, container), Status(pod, container)
	if c == nil || !pod.DeletionTimestamp.IsZero() || pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
		return Done, ""
	}
	differs := !same(c.Resources, want)
	if why := hopeless(pod, status, belowLimit(pod, container, want), differs); why != "" {
		return Recreate, why
	}
	if differs {
		return resizable(pod, c, status, want)
	}
	if last := remembered(pod); last != nil && !last.Settled && last.To == limit(pod, container) && got(status, want) {
		return Settle, ""
	}
	return pending(pod)
}

// hopeless is why a pod cannot get its size where it is: it waits in back-off, or was killed in a way that leaves its cgroup in doubt.
func hopeless(pod *corev1.Pod, status *corev1.ContainerStatus, kill *Kill, differs bool) string {
	waits := status != nil && status.State.Waiting != nil && status.State.Waiting.Reason == backOff
	switch {
	case kill != nil && waits:
		return fmt.Sprintf("it was OOM-killed at %d MiB and waits in back-off", kill.Limit>>20)
	case differs && waits:
		return "it waits in back-off with its old size"
	case kill != nil && doubtful(pod, kill):
		return "it was OOM-killed again before it had got its new limit, which its cgroup may never get"
	case missed(pod, status):
		return "it is started with its new limit, which its cgroup may never get"
	}
	return ""
}

// got: a container runs, and the kubelet says that it has the size. Of a container that does not run it says so, too, and is wrong.
func got(status *corev1.ContainerStatus, want corev1.ResourceRequirements) bool {
	return status != nil && status.State.Running != nil && status.Resources != nil && same(*status.Resources, want)
}

// belowLimit is the last kill at a lower limit than is wanted.
func belowLimit(pod *corev1.Pod, container string, want corev1.ResourceRequirements) *Kill {
	kills := Kills(pod, container)
	if len(kills) == 0 {
		return nil
	}
	if last := kills[len(kills)-1]; last.Limit < want.Limits.Memory().Value() {
		return &last
	}
	return nil
}

// doubtful: the kill came after the last resize, at the limit from before it, and was not what the resize was made for.
func doubtful(pod *corev1.Pod, kill *Kill) bool {
	last := remembered(pod)
	return last != nil && !last.Settled && kill.Container != last.Ended && kill.At.After(last.At.Add(-2*time.Second))
}

// missed: the kubelet has looked at the pod with its new size and found the container not running, so that it starts it with that
// (kubernetes/kubernetes#138760). Kubelets from 1.34 on say up to which generation they have looked.
func missed(pod *corev1.Pod, status *corev1.ContainerStatus) bool {
	last := remembered(pod)
	step, _ := pending(pod)
	return last != nil && !last.Settled && last.Asked > 0 && pod.Status.ObservedGeneration >= last.Asked && step != Held &&
		status != nil && status.State.Running == nil
}

// resizable is how a pod gets a size that differs from its own.
func resizable(pod *corev1.Pod, c *corev1.Container, status *corev1.ContainerStatus, want corev1.ResourceRequirements) (Step, string) {
	switch why, refused := notInPlace(c.Resources, want), Refused(pod, want); {
	case refused != "":
		return Held, "Infeasible: " + refused
	case pod.Spec.NodeName == "":
		return Recreate, "it was never placed with its old size"
	case why != "":
		return Held, why + "; it comes with the next pod"
	case status == nil || status.State.Running == nil && !startsAsItWas(pod, status):
		return Held, "its container is being started"
	}
	return InPlace, ""
}

// forgiven is how long after an end the kubelet has surely forgotten it: twice its longest back-off of 5 minutes, and as long again to be sure
// (flowcontrol.Backoff, hasExpired).
const forgiven = 20 * time.Minute

// startsAsItWas: the kubelet tells of a kill from within the sync that starts the container again, with the size from before it told. A resize that
// comes now is what the next sync does, at once; one that comes when the container is said to run waits for the kubelet to look at its pods again,
// up to a second. It holds only without back-off, which counts ends of the same container with the same size (kuberuntime, GetBackoffKey).
func startsAsItWas(pod *corev1.Pod, status *corev1.ContainerStatus) bool {
	end, before := status.State.Terminated, status.LastTerminationState.Terminated
	if end == nil || end.Reason != oomKilled {
		return false
	}
	if before == nil {
		return status.RestartCount == 0
	}
	last := remembered(pod)
	return end.FinishedAt.Sub(before.FinishedAt.Time) > forgiven || last != nil && last.Ended == before.ContainerID
}

// notInPlace is why a container cannot get a size where it is; empty if it can. Kubernetes keeps a pod's QoS class, and never takes a limit away.
func notInPlace(have, want corev1.ResourceRequirements) string {
	switch {
	case guaranteed(have) != guaranteed(want), bestEffort(have) != bestEffort(want):
		return "it would change the pod's QoS class"
	case !have.Limits.Cpu().IsZero() && want.Limits.Cpu().IsZero(), !have.Limits.Memory().IsZero() && want.Limits.Memory().IsZero():
		return "a limit cannot be taken from a running pod"
	}
	return ""
}

// guaranteed: requests and limits are the same and complete.
func guaranteed(r corev1.ResourceRequirements) bool {
	return equal(r.Requests, r.Limits) && !r.Requests.Cpu().IsZero() && !r.Requests.Memory().IsZero()
}

// bestEffort: neither requests nor limits.
func bestEffort(r corev1.ResourceRequirements) bool {
	return equal(r.Requests, nil) && equal(r.Limits, nil)
}

func same(a, b corev1.ResourceRequirements) bool {
	return equal(a.Requests, b.Requests) && equal(a.Limits, b.Limits)
}

func equal(a, b corev1.ResourceList) bool {
	return a.Cpu().MilliValue() == b.Cpu().MilliValue() && a.Memory().Cmp(*b.Memory()) == 0
}

// pending says whether the kubelet makes a resize wait.
func pending(pod *corev1.Pod) (Step, string) {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodResizePending && c.Status == corev1.ConditionTrue {
			return Held, c.Reason + ": " + c.Message
		}
	}
	return Done, ""
}
