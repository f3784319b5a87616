package hosted

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/metapilot/metapilot/e2e/metacluster/component"
	"github.com/metapilot/metapilot/e2e/scenario"
)

// Metapilot runs the command-line program that make e2e has built.
func Metapilot(ctx context.Context, s *scenario.Scenario, args ...string) (string, error) {
	s.Helper()
	checkout, err := component.Checkout()
	if err != nil {
		s.Fatal(err)
	}
	program := filepath.Join(checkout, "bin", "metapilot")
	out, err := exec.CommandContext(ctx, program, append([]string{"--kubeconfig", s.Cluster.Kubeconfig(), "-n", s.Namespace}, args...)...).CombinedOutput()
	return string(out), err
}

const system = "metapilot-system"

// The programs of Metapilot.
const (
	MasterOperator      = "master-operator"
	ClusterScaler       = "cluster-scaler"
	WorkloadRecommender = "workload-recommender"
)

// Programs are all of them.
var Programs = []string{MasterOperator, WorkloadRecommender, ClusterScaler}

// Without stops programs while do runs. They are killed, not asked to end.
func Without(s *scenario.Scenario, programs []string, do func()) {
	s.Helper()
	scale(s, programs, 0)
	defer scale(s, programs, 1)
	do()
}

// Kill kills the pods of a program; its Deployment makes new ones.
func Kill(s *scenario.Scenario, program string) {
	s.Helper()
	s.Kubectl("--namespace", system, "delete", "pods", "-l", "app.kubernetes.io/name="+program, "--grace-period=0", "--force", "--ignore-not-found")
}

func scale(s *scenario.Scenario, programs []string, n int) {
	s.Helper()
	for _, program := range programs {
		s.Kubectl("--namespace", system, "scale", "deployment/"+program, fmt.Sprintf("--replicas=%d", n))
		if n == 0 {
			Kill(s, program)
		}
	}
	for _, program := range programs {
		s.Eventually(fmt.Sprintf("%d of %s run", n, program), Usable, func(ctx context.Context) (bool, string) { return running(ctx, s, program, n) })
	}
}

func running(ctx context.Context, s *scenario.Scenario, program string, n int) (bool, string) {
	pods, err := s.Client.CoreV1().Pods(system).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=" + program, Limit: 10})
	if err != nil {
		return false, err.Error()
	}
	ready := 0
	for _, p := range pods.Items {
		if scenario.Ready(&p) {
			ready++
		}
	}
	return len(pods.Items) == n && ready == n, fmt.Sprintf("%d pods, %d ready", len(pods.Items), ready)
}
