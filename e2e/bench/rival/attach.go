package rival

import (
	"context"
	"fmt"

	"github.com/metapilot/metapilot/e2e/metacluster/cluster"
)

// Mode is how VPA brings a new size to pods that run.
type Mode string

// The modes that VPA works in without feature gates.
const (
	// InPlaceOrRecreate resizes pods where they are, as we do. The kubelet of Kubernetes 1.36.3 does not raise the memory limit of the whole
	// pod while the killed container waits for its next start (kubernetes/kubernetes#138760): after a quick OOM kill the pod seems to be
	// resized, is killed again at the old limit, and VPA asks for more every minute (kubernetes/autoscaler#9829).
	InPlaceOrRecreate Mode = "InPlaceOrRecreate"
	// Recreate evicts pods; the admission controller sizes those that come in their place. VPA takes it where no mode is given.
	Recreate Mode = "Recreate"
)

// Attach has VPA look after a workload of the kind Deployment or StatefulSet, also after one that it looks after already. The
// VerticalPodAutoscaler has the workload's name.
func Attach(ctx context.Context, c *cluster.Cluster, mode Mode, namespace, kind, name string) error {
	return c.Apply(ctx, namespace, autoscaler(mode, kind, name))
}

// autoscaler writes down what VPA would take anyway: CPU and memory, requests and limits, of all containers. minReplicas is the exception: by
// default VPA's updater leaves workloads of one replica alone, such as the members of a small control plane.
func autoscaler(mode Mode, kind, name string) string {
	return fmt.Sprintf(`
apiVersion: autoscaling.k8s.io/v1
kind: VerticalPodAutoscaler
metadata: {name: %[3]s}
spec:
  targetRef: {apiVersion: apps/v1, kind: %[2]s, name: %[3]s}
  updatePolicy: {updateMode: %[1]s, minReplicas: 1}
  resourcePolicy:
    containerPolicies:
    - {containerName: "*", controlledResources: [cpu, memory], controlledValues: RequestsAndLimits}
`, mode, kind, name)
}
