package rival

import (
	"context"
	"fmt"

	"github.com/metapilot/metapilot/e2e/metacluster/cluster"
)

// Attach has VPA look after a workload of the kind Deployment or StatefulSet. The VerticalPodAutoscaler has the workload's name.
func Attach(ctx context.Context, c *cluster.Cluster, namespace, kind, name string) error {
	return c.Apply(ctx, namespace, autoscaler(kind, name))
}

// autoscaler resizes pods where they are, as we do, and falls back to their eviction. CPU and memory, requests and limits are VPA's defaults,
// written down for those who read the object. minReplicas is not: by default VPA's updater leaves workloads of one replica alone, such as
// the members of a small control plane.
func autoscaler(kind, name string) string {
	return fmt.Sprintf(`
apiVersion: autoscaling.k8s.io/v1
kind: VerticalPodAutoscaler
metadata: {name: %[2]s}
spec:
  targetRef: {apiVersion: apps/v1, kind: %[1]s, name: %[2]s}
  updatePolicy: {updateMode: InPlaceOrRecreate, minReplicas: 1}
  resourcePolicy:
    containerPolicies:
    - {containerName: "*", controlledResources: [cpu, memory], controlledValues: RequestsAndLimits}
`, kind, name)
}
