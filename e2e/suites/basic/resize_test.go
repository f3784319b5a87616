package basic

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/metapilot/metapilot/e2e/metacluster/cgroup"
	"github.com/metapilot/metapilot/e2e/scenario"
)

// podLimit reads the memory limit of the pod's own cgroup, in MiB, from the kernel: status says what was meant, the cgroup what is.
func podLimit(pod *corev1.Pod) (int64, error) {
	pattern := filepath.Join("/sys/fs/cgroup/memory", cgroup.Root, pod.Spec.NodeName, "kubepods", "*", "pod"+string(pod.UID), "memory.limit_in_bytes")
	found, err := filepath.Glob(pattern)
	if err != nil {
		return 0, err
	}
	if len(found) != 1 {
		return 0, fmt.Errorf("the pod has %d cgroups like %s", len(found), pattern)
	}
	raw, err := os.ReadFile(found[0])
	if err != nil {
		return 0, err
	}
	bytes, err := strconv.ParseInt(strings.TrimSpace(string(raw)), 10, 64)
	return bytes >> 20, err
}

func resize(s *scenario.Scenario, pod string, mib int) {
	s.Helper()
	s.Kubectl("patch", "pod", pod, "--subresource", "resize", "--patch", fmt.Sprintf(
		`{"spec":{"containers":[{"name":"hog","resources":{"requests":{"memory":"%[1]dMi"},"limits":{"memory":"%[1]dMi"}}}]}}`, mib))
}

func TestResizeInPlaceReachesTheCgroup(t *testing.T) {
	s := scenario.NewOwn(t)
	s.Apply(hog("hog", 128, 60))
	pod := s.RunningPod("hog")
	if limit, err := podLimit(pod); err != nil || limit != 128 {
		t.Fatalf("the pod's cgroup is limited to %d MiB (%v), want 128", limit, err)
	}
	resize(s, "hog", 256)
	s.Eventually("the cgroup has the new limit", 30*time.Second, func(context.Context) (bool, string) {
		limit, err := podLimit(pod)
		return limit == 256, fmt.Sprintf("%d MiB (%v)", limit, err)
	})
	pod = s.Pod(t.Context(), "hog")
	if status := pod.Status.ContainerStatuses[0]; status.RestartCount != 0 || status.State.Running == nil {
		t.Errorf("the container did not run on: %d restarts, %+v", status.RestartCount, status.State)
	}
}

// Kubernetes up to 1.36.3 says of a container that is not running that it was resized, and does not tell the pod's cgroup
// (kubernetes/kubernetes#138760): the container is killed at its old limit again and again. Metapilot recreates such pods for this reason.
// Now and then the kubelet happens to look between the container's start and its death, and mends it; so three pods are tried, and the test
// fails, to tell us that Kubernetes has mended it, only if none of them stays stuck.
func TestResizeWhileNotRunningStillGetsStuck(t *testing.T) {
	s := scenario.NewOwn(t)
	for i := range 3 {
		name := fmt.Sprintf("hog-%d", i+1)
		if resizedWhileDownStaysStuck(s, name) {
			return
		}
		t.Logf("%s runs with its new limit", name)
	}
	t.Error("no container that was resized while it did not run stayed stuck. If this holds, Kubernetes has mended #138760, and " +
		"ARCHITECTURE's step (3), recreating such pods, can go for this version and later ones")
}

func resizedWhileDownStaysStuck(s *scenario.Scenario, name string) (stuck bool) {
	s.Helper()
	s.Apply(hog(name, 64, 128))
	var pod *corev1.Pod
	s.Eventually(name+" is down after an OOM", time.Minute, func(ctx context.Context) (bool, string) {
		pod = s.Pod(ctx, name)
		killed, why := lastEnd(pod, func(end *corev1.ContainerStateTerminated) (bool, string) {
			return end.Reason == "OOMKilled", end.Reason
		})
		return killed && pod.Status.ContainerStatuses[0].State.Running == nil, why
	})
	restarts := pod.Status.ContainerStatuses[0].RestartCount
	resize(s, name, 512)
	s.Eventually(name+" was killed twice more, or runs on, with a limit of four times what it fills", 2*time.Minute, func(ctx context.Context) (bool, string) {
		pod = s.Pod(ctx, name)
		status := pod.Status.ContainerStatuses[0]
		stuck = status.RestartCount >= restarts+2 && status.State.Running == nil
		runsOn := status.State.Running != nil && time.Since(status.State.Running.StartedAt.Time) > 8*time.Second
		return stuck || runsOn, fmt.Sprintf("%d restarts, %+v", status.RestartCount, status.State)
	})
	if stuck {
		mustClaimTheNewLimit(s, pod)
	}
	return stuck
}

// mustClaimTheNewLimit checks that a stuck pod is stuck for the reason in question: all of Kubernetes says 512 MiB, and the kernel 64.
func mustClaimTheNewLimit(s *scenario.Scenario, pod *corev1.Pod) {
	s.Helper()
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodResizePending {
			s.Errorf("the resize is pending (%s: %s), so this pod says nothing", c.Reason, c.Message)
		}
	}
	if specified := pod.Spec.Containers[0].Resources.Limits.Memory().Value() >> 20; specified != 512 {
		s.Errorf("the pod's spec says %d MiB, so the resize was refused", specified)
	}
	if limit, err := podLimit(pod); err != nil || limit != 64 {
		s.Errorf("the pod's cgroup is limited to %d MiB (%v), and yet the container is killed", limit, err)
	}
}
