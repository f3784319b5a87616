package scaler

import (
	"context"
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/metapilot/metapilot/e2e/scenario"
	"github.com/metapilot/metapilot/e2e/scenario/hosted"
)

// hungry fills 150 MiB, with a limit of 64, and is looked after as a control plane that Metapilot does not run.
const hungry = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: hungry}
spec:
  selector: {matchLabels: {app: hungry}}
  template:
    metadata: {labels: {app: hungry}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: hog
        image: {{image "workload"}}
        imagePullPolicy: Never
        args: [hog, "150"]
        resources: {requests: {cpu: 10m, memory: 32Mi}, limits: {memory: 64Mi}}
---
apiVersion: metapilot.io/v1alpha1
kind: ClusterScaler
metadata: {name: plain}
spec: {workloads: [{kind: Deployment, name: hungry}]}
`

// A plain Deployment is grown until it lives: its template, and by it the pods to come.
func TestPlainDeploymentIsSaved(t *testing.T) {
	t.Parallel() // with those that stop no program
	s := scenario.New(t)
	s.Apply(hungry)
	s.Eventually("a pod lives", hosted.Usable, func(ctx context.Context) (bool, string) {
		pods, err := s.Client.CoreV1().Pods(s.Namespace).List(ctx, metav1.ListOptions{LabelSelector: "app=hungry", Limit: 10})
		if err != nil {
			return false, err.Error()
		}
		for i := range pods.Items {
			if p := &pods.Items[i]; scenario.Ready(p) && p.Spec.Containers[0].Resources.Limits.Memory().Value() > 150<<20 {
				return len(pods.Items) == 1, "others are left"
			}
		}
		return false, podWords(pods.Items)
	})
	out, err := hosted.Metapilot(t.Context(), s, "records")
	if err != nil {
		t.Fatal(out, err)
	}
	t.Log(fmt.Sprint("\n", out))
}
