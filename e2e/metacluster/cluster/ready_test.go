package cluster

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What was reported before a part or a node started, within the API's whole seconds, says nothing about now.
func TestStatusFromBeforeAStartDoesNotCount(t *testing.T) {
	start := time.Date(2026, 11, 23, 3, 0, 5, 700e6, time.UTC)
	for name, c := range map[string]struct {
		reported time.Time
		since    time.Time
		want     bool
	}{
		"after the start":            {start.Add(3 * time.Second).Truncate(time.Second), start, true},
		"in the second of the start": {start.Truncate(time.Second), start, true},
		"before the start":           {start.Add(-2 * time.Second).Truncate(time.Second), start, false},
		"not running":                {start, time.Time{}, false},
	} {
		if got := saidReady(node(corev1.ConditionTrue, c.reported), c.since); got != c.want {
			t.Errorf("node heard of %s: ready %t, want %t", name, got, c.want)
		}
		if saidReady(node(corev1.ConditionFalse, c.reported), c.since) {
			t.Errorf("node that was not Ready %s counts as ready", name)
		}
		if got := startedSince(pod(c.reported), c.since); got != c.want {
			t.Errorf("pod running since %s: %t, want %t", name, got, c.want)
		}
	}
	if saidReady(corev1.Node{}, start) {
		t.Error("a node that nobody reported on counts as ready")
	}
}

func node(status corev1.ConditionStatus, heartbeat time.Time) corev1.Node {
	ready := corev1.NodeCondition{Type: corev1.NodeReady, Status: status, LastHeartbeatTime: metav1.NewTime(heartbeat)}
	return corev1.Node{Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeMemoryPressure}, ready}}}
}

func pod(startedAt time.Time) corev1.Pod {
	running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(startedAt)}}
	return corev1.Pod{Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{}, {State: running}}}}
}
