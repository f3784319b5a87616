// Package basic proves that the meta cluster is a real one: Services and DNS, logs and exec, OOM kills, in-place resize, volumes, node
// failure, and rights.
package basic

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/metapilot/metapilot/e2e/metacluster/sample"
	"github.com/metapilot/metapilot/e2e/scenario"
)

func TestMain(m *testing.M) { scenario.Main(m) }

// A Deployment of 3 over 2 nodes answers through its Service, asked by DNS name from another pod. Every replica answers: also the ones
// on the client's own node.
func TestServiceByName(t *testing.T) {
	s := scenario.New(t)
	s.Apply(sample.Manifests)
	s.RunningPod("client")
	s.Kubectl("rollout", "status", "deployment/hello", "--timeout=60s")
	pods, err := s.Client.CoreV1().Pods(s.Namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "app=hello", Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	nodes, silent := map[string]bool{}, map[string]bool{}
	for _, pod := range pods.Items {
		nodes[pod.Spec.NodeName] = true
		silent[pod.Name] = true
	}
	if len(silent) != 3 || len(nodes) < 2 {
		t.Fatalf("%d pods on %d nodes, want 3 on at least 2", len(silent), len(nodes))
	}
	s.Eventually("every replica answers", time.Minute, func(ctx context.Context) (bool, string) {
		answer, err := s.TryKubectl(ctx, "exec", "client", "--", "/workload", "get", "http://hello."+s.Namespace+".svc.cluster.local")
		if err != nil {
			return false, err.Error()
		}
		delete(silent, strings.TrimSpace(answer))
		return len(silent) == 0, fmt.Sprintf("no answer of %v", silent)
	})
}

func TestLogsExecTop(t *testing.T) {
	s := scenario.New(t)
	s.Apply(sample.Manifests)
	s.Kubectl("rollout", "status", "deployment/hello", "--timeout=60s")
	if out := s.Kubectl("logs", "deployment/hello"); !strings.Contains(out, "serving on :8080") {
		t.Errorf("kubectl logs printed %q", out)
	}
	if out := s.Kubectl("exec", "deployment/hello", "--", "/workload", "get", "http://localhost:8080"); !strings.HasPrefix(out, "hello-") {
		t.Errorf("kubectl exec printed %q", out)
	}
	s.Eventually("kubectl top shows the pods", 2*time.Minute, func(ctx context.Context) (bool, string) {
		out, err := s.TryKubectl(ctx, "top", "pods", "--no-headers")
		if err != nil {
			return false, err.Error()
		}
		return strings.Count(out, "hello-") == 3, out
	})
	nodes, err := s.Client.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{Limit: 500})
	if err != nil {
		t.Fatal(err)
	}
	if out := s.Kubectl("top", "nodes", "--no-headers"); strings.Count(out, "\n") != len(nodes.Items) {
		t.Errorf("kubectl top nodes printed %q for %d nodes", out, len(nodes.Items))
	}
}

func TestMemoryHogIsOOMKilled(t *testing.T) {
	s := scenario.New(t)
	s.Apply(hog("hog", 64, 200))
	s.Eventually("the hog is OOMKilled", time.Minute, func(ctx context.Context) (bool, string) {
		return lastEnd(s.Pod(ctx, "hog"), func(end *corev1.ContainerStateTerminated) (bool, string) {
			return end.Reason == "OOMKilled" && end.ExitCode == 137, fmt.Sprintf("%s, exit code %d", end.Reason, end.ExitCode)
		})
	})
}

// hog is a pod that fills memory below or above its limit, both in MiB.
func hog(name string, limit, fill int) string {
	return fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: %s}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: hog
    image: {{image "workload"}}
    imagePullPolicy: Never
    args: [hog, "%d"]
    resources: {requests: {cpu: 10m, memory: %dMi}, limits: {memory: %dMi}}
    resizePolicy: [{resourceName: memory, restartPolicy: NotRequired}]
`, name, fill, limit, limit)
}

// lastEnd judges how the pod's container ended the last time.
func lastEnd(pod *corev1.Pod, judge func(*corev1.ContainerStateTerminated) (bool, string)) (bool, string) {
	if pod == nil || len(pod.Status.ContainerStatuses) == 0 {
		return false, "no container yet"
	}
	status := pod.Status.ContainerStatuses[0]
	for _, state := range []corev1.ContainerState{status.State, status.LastTerminationState} {
		if state.Terminated != nil {
			return judge(state.Terminated)
		}
	}
	return false, "the container never ended"
}
