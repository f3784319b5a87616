// Package recommender proves that the workload-recommender knows what tenants use, from both of its sources, that it forgets nothing, and that
// others can work with what it recommends.
package recommender

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/e2e/scenario"
	"github.com/metapilot/metapilot/e2e/scenario/hosted"
)

func TestMain(m *testing.M) { scenario.Main(m) }

const known = 2 * time.Minute // in which real usage has to be in the profiles

// profiles of a namespace, by the name of the workload.
func profiles(ctx context.Context, s *scenario.Scenario, namespace string) (map[string]*v1alpha1.WorkloadProfile, error) {
	out, err := s.TryKubectl(ctx, "--namespace", namespace, "get", "workloadprofiles", "-o", "json")
	if err != nil {
		return nil, err
	}
	var list v1alpha1.WorkloadProfileList
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		return nil, err
	}
	all := map[string]*v1alpha1.WorkloadProfile{}
	for i := range list.Items {
		all[list.Items[i].Spec.TargetRef.Name] = &list.Items[i]
	}
	return all, nil
}

// await waits until the profile of a workload is as wanted.
func await(s *scenario.Scenario, namespace, workload, what string, wanted func(*v1alpha1.WorkloadProfile) bool) (p *v1alpha1.WorkloadProfile) {
	s.Helper()
	s.Eventually(fmt.Sprintf("the profile of %s %s", workload, what), known, func(ctx context.Context) (bool, string) {
		all, err := profiles(ctx, s, namespace)
		if p = all[workload]; err != nil || p == nil {
			return false, fmt.Sprintf("%v, profiles of %d workloads", err, len(all))
		}
		raw, err := json.Marshal(p.Status)
		return wanted(p), fmt.Sprint(string(raw), err)
	})
	return p
}

func ready(p *v1alpha1.WorkloadProfile) bool {
	return apimeta.IsStatusConditionTrue(p.Status.Conditions, v1alpha1.ReadyCondition)
}

func is(p *v1alpha1.WorkloadProfile, condition string, status metav1.ConditionStatus) bool {
	c := apimeta.FindStatusCondition(p.Status.Conditions, condition)
	return c != nil && c.Status == status
}

func TestProfilesOfATenant(t *testing.T) {
	t.Parallel()
	s := scenario.New(t)
	tc := hosted.New(s, "known", "")
	for _, component := range []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"} {
		p := await(s, tc.Home, component, "has real usage", ready)
		c := p.Status.Containers[0]
		if c.Name != component || c.CPU.Samples == 0 || c.Memory.Usage[0].Max.Value() < 5<<20 || c.Memory.Target.Value() < c.Memory.Usage[0].Max.Value() {
			t.Errorf("%s: %+v", component, c)
		}
		if p.Status.Sources[0].Name != "metrics-server" || p.Status.Sources[0].LastSample == nil {
			t.Errorf("%s: %+v", component, p.Status.Sources)
		}
	}
	out, err := hosted.Metapilot(t.Context(), s, "explain", "profile", "kube-apiserver", "-n", tc.Home)
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Log(out)
}

// hog uses memory until it is killed for want of it.
const hog = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: hog, labels: {metapilot.io/tenant: none}}
spec:
  replicas: 1
  selector: {matchLabels: {app: hog}}
  template:
    metadata: {labels: {app: hog}}
    spec:
      containers:
      - name: hog
        image: {{ image "workload" }}
        args: [%s]
        resources: {requests: {cpu: 10m, memory: 32Mi}, limits: {memory: 64Mi}}
`

// A kill that the recommender has just seen, or has not, is known after it was killed itself.
func TestRecommenderIsKilledAfterAnOOM(t *testing.T) {
	t.Parallel()
	s := scenario.New(t)
	s.Apply(fmt.Sprintf(hog, "wait"))
	await(s, s.Namespace, "hog", "is there", func(*v1alpha1.WorkloadProfile) bool { return true })
	s.Apply(fmt.Sprintf(hog, `hog, "100"`))
	s.Eventually("the hog is OOM-killed", time.Minute, func(ctx context.Context) (bool, string) {
		out, err := s.TryKubectl(ctx, "get", "pods", "-o", `jsonpath={.items[*].status.containerStatuses[*].lastState.terminated.reason}{.items[*].status.containerStatuses[*].state.terminated.reason}`)
		return err == nil && out != "", out
	})
	hosted.Kill(s, hosted.WorkloadRecommender)
	p := await(s, s.Namespace, "hog", "tells of the kill", func(p *v1alpha1.WorkloadProfile) bool {
		return len(p.Status.Containers) == 1 && p.Status.Containers[0].OOMFloor != nil
	})
	if floor := p.Status.Containers[0].OOMFloor; floor.Bytes.Value() < 96<<20 {
		t.Errorf("killed at 64Mi, and the floor is %s", &floor.Bytes)
	}
}
