package basic

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/metapilot/metapilot/e2e/metacluster/cluster"
	"github.com/metapilot/metapilot/e2e/scenario"
)

const lodger = `
apiVersion: v1
kind: Pod
metadata: {name: lodger}
spec:
  nodeName: node-2
  tolerations: [{operator: Exists}]
  terminationGracePeriodSeconds: 1
  containers:
  - {name: lodger, image: {{image "workload"}}, imagePullPolicy: Never, args: [wait]}
`

// A node whose power fails becomes NotReady; when it boots again it is Ready, and its pods run again.
func TestNodeDiesAndComesBack(t *testing.T) {
	s := scenario.NewOwn(t)
	s.Apply(lodger)
	s.RunningPod("lodger")
	if err := s.Cluster.Stop("node-2"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // the other scenarios need the node, whatever happens here
		if err := s.Cluster.Start("node-2"); err != nil {
			t.Error(err)
		}
	})
	s.Eventually("node-2 is NotReady", 2*time.Minute, func(ctx context.Context) (bool, string) {
		status, err := nodeReady(ctx, s)
		return status == corev1.ConditionUnknown, fmt.Sprintf("Ready is %s (%v)", status, err)
	})
	if err := s.Cluster.Start("node-2"); err != nil {
		t.Fatal(err)
	}
	s.Eventually("node-2 is Ready", 2*time.Minute, func(ctx context.Context) (bool, string) {
		status, err := nodeReady(ctx, s)
		return status == corev1.ConditionTrue, fmt.Sprintf("Ready is %s (%v)", status, err)
	})
	s.Eventually("the pod runs again", 2*time.Minute, func(ctx context.Context) (bool, string) {
		pod := s.Pod(ctx, "lodger")
		if pod == nil || len(pod.Status.ContainerStatuses) == 0 {
			return false, "no container"
		}
		status := pod.Status.ContainerStatuses[0]
		return scenario.Ready(pod) && status.RestartCount == 1, fmt.Sprintf("%d restarts, %+v", status.RestartCount, status.State)
	})
}

func nodeReady(ctx context.Context, s *scenario.Scenario) (corev1.ConditionStatus, error) {
	node, err := s.Client.CoreV1().Nodes().Get(ctx, "node-2", metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status, nil
		}
	}
	return "", nil
}

// A part that is killed is started again, and status says that it died and how.
func TestDeadPartIsRestarted(t *testing.T) {
	for _, name := range []string{"kube-scheduler", "node-1/containerd", "kube-apiserver", "etcd"} {
		t.Run(name, func(t *testing.T) {
			s := scenario.NewOwn(t)
			before := partState(t, s, name)
			if before.PID <= 0 {
				t.Fatalf("%s does not run: %+v", name, before)
			}
			if err := unix.Kill(before.PID, unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
			s.Eventually("the part runs again", time.Minute, func(context.Context) (bool, string) {
				now := partState(t, s, name)
				return now.PID != 0 && now.PID != before.PID && now.Restarts == before.Restarts+1 && now.LastExit == "signal: killed",
					fmt.Sprintf("%+v", now)
			})
			s.Eventually("the meta cluster is ready again", 2*time.Minute, func(ctx context.Context) (bool, string) {
				status, err := s.Cluster.Status(ctx)
				return err == nil && len(status.Unready) == 0, fmt.Sprintf("%v %q", err, status.Unready)
			})
		})
	}
}

func partState(t *testing.T, s *scenario.Scenario, name string) cluster.PartState {
	t.Helper()
	status, err := s.Cluster.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(status.Parts, func(p cluster.PartState) bool { return p.Name == name })
	if i < 0 {
		t.Fatalf("status has no part %s", name)
	}
	return status.Parts[i]
}
