package recommender

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/metapilot/metapilot/e2e/bench/rival"
	"github.com/metapilot/metapilot/e2e/metacluster/progress"
	"github.com/metapilot/metapilot/e2e/scenario"
)

const autoscaler = `
apiVersion: autoscaling.k8s.io/v1
kind: VerticalPodAutoscaler
metadata: {name: hog}
spec:
  recommenders: [{name: metapilot}]
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: hog}
  updatePolicy: {updateMode: Recreate, minReplicas: 1}
  resourcePolicy: {containerPolicies: [{containerName: hog, maxAllowed: {cpu: "1"}}]}
`

// VPA's own updater and admission controller carry out what we recommend, and its recommender leaves that alone.
func TestVPAWorksWithUs(t *testing.T) {
	t.Parallel()
	s := scenario.NewOwn(t)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 3*time.Minute)
		defer cancel()
		if err := rival.Remove(ctx, s.Cluster); err != nil {
			t.Error(err)
		}
	})
	if err := rival.Install(t.Context(), s.Cluster, progress.New(os.Stderr)); err != nil {
		t.Fatal(err)
	}
	s.Apply(fmt.Sprintf(hog, `hog, "50"`)) // of a request of 32Mi
	s.Apply(autoscaler)
	s.Eventually("the pod has a larger request", 5*time.Minute, func(ctx context.Context) (bool, string) {
		out, err := s.TryKubectl(ctx, "get", "pods", "-l", "app=hog", "-o", `jsonpath={.items[0].spec.containers[0].resources.requests.memory} {.items[0].metadata.annotations.vpaUpdates}`)
		status, _ := s.TryKubectl(ctx, "get", "vpa", "hog", "-o", "jsonpath={.status}")
		return err == nil && out != "" && out[:4] != "32Mi", fmt.Sprint(out, err, status)
	})
	for _, kept := range []string{"vpa/hog", "verticalpodautoscalercheckpoint/hog-hog"} {
		t.Log(s.Kubectl("get", kept, "-o", "yaml"))
	}
}
