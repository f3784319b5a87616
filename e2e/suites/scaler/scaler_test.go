// Package scaler proves that the cluster-scaler and the master-operator together save tenants from real OOM kills, whatever else goes wrong
// at the same time, and that nothing is done twice.
package scaler

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/e2e/load"
	"github.com/metapilot/metapilot/e2e/scenario"
	"github.com/metapilot/metapilot/e2e/scenario/hosted"
)

func TestMain(m *testing.M) { scenario.Main(m) }

// What a storm makes of a tenant: 50 MB that every client asks for again and again.
const (
	objects = 1000
	bytes   = 50_000
	clients = 8
)

// scaled is a tenant with a ClusterScaler.
type scaled struct{ *hosted.Tenant }

// newScaled makes both; spec is what the tenant's spec holds beside version and exposure. The ClusterScaler is empty.
func newScaled(t *testing.T, name, spec string) scaled {
	t.Helper()
	s := scenario.NewOwn(t)
	tc := scaled{hosted.New(s, name, spec)}
	tc.Apply(fmt.Sprintf(`
apiVersion: metapilot.io/v1alpha1
kind: ClusterScaler
metadata: {name: %s}
spec: {}
`, name))
	tc.Eventually("the ClusterScaler watches it", hosted.Usable, func(ctx context.Context) (bool, string) {
		out, err := tc.TryKubectl(ctx, "get", "clusterscaler", name, "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].message}`)
		return err == nil && out == "4 components", fmt.Sprint(out, err)
	})
	return tc
}

// fill makes what a storm asks for.
func (tc scaled) fill() {
	tc.Helper()
	if err := load.Fill(tc.Context(), tc.Config, load.Etcd, objects, bytes); err != nil {
		tc.Fatalf("filling the tenant: %v", err)
	}
}

// storm goes on until what it returns is called, and then tells.
func (tc scaled) storm() (stop func(), told *load.Told) {
	tc.Helper()
	ctx, cancel := context.WithCancel(tc.Context())
	told, err := load.Storm(ctx, tc.Config, load.Etcd, clients)
	if err != nil {
		tc.Fatal(err)
	}
	return func() {
		cancel()
		tc.Logf("the storm was answered %d times and failed %d times", told.Answered.Load(), told.Failed.Load())
	}, told
}

// records of a component, oldest first.
func (tc scaled) records(ctx context.Context, component string) []v1alpha1.ScalingRecord {
	tc.Helper()
	out, err := tc.TryKubectl(ctx, "get", "scalingrecords", "-l", "metapilot.io/component="+component, "-o", "json")
	if err != nil {
		tc.Fatal(err)
	}
	var list v1alpha1.ScalingRecordList
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		tc.Fatal(err)
	}
	slices.SortFunc(list.Items, func(a, b v1alpha1.ScalingRecord) int { return a.Spec.DecidedAt.Compare(b.Spec.DecidedAt.Time) })
	return list.Items
}

// carriedOut are the records of decisions that changed the size.
func (tc scaled) carriedOut(ctx context.Context, component string) []v1alpha1.ScalingRecord {
	tc.Helper()
	return slices.DeleteFunc(tc.records(ctx, component), func(r v1alpha1.ScalingRecord) bool { return r.Spec.Decision != v1alpha1.DecisionUp || r.Spec.DryRun })
}

// awaitGrowth waits until a decision has taken effect.
func (tc scaled) awaitGrowth() {
	tc.Helper()
	tc.Eventually("etcd has grown", hosted.Usable, func(ctx context.Context) (bool, string) {
		all := tc.carriedOut(ctx, "etcd")
		return slices.ContainsFunc(all, func(r v1alpha1.ScalingRecord) bool { return r.Status.EffectiveAt != nil }), words(all)
	})
}

// mustBeAsDecided: every pod has the size of the last decision, and no decision was made twice.
func (tc scaled) mustBeAsDecided() {
	tc.Helper()
	tc.Eventually("the pods of etcd have the size of the last decision", hosted.Usable, func(ctx context.Context) (bool, string) {
		all := tc.carriedOut(ctx, "etcd")
		if len(all) == 0 {
			return false, "nothing was decided"
		}
		want := all[len(all)-1].Spec.To.Limits.Memory
		pods := tc.Pods(ctx, "etcd")
		wrong := slices.IndexFunc(pods, func(p corev1.Pod) bool { return limit(&p).Cmp(*want) != 0 || !scenario.Ready(&p) })
		return len(pods) > 0 && wrong < 0, fmt.Sprintf("want %s; %s", want, podWords(pods))
	})
	tc.decidedOnce("etcd")
}

// decidedOnce: each decision goes on from the one before it.
func (tc scaled) decidedOnce(component string) {
	tc.Helper()
	all := tc.carriedOut(tc.Context(), component)
	for i := 1; i < len(all); i++ {
		if from, to := all[i].Spec.From.Limits.Memory, all[i-1].Spec.To.Limits.Memory; from.Cmp(*to) != 0 {
			tc.Errorf("a decision goes on from %s, and the one before it ended at %s:\n%s", from, to, words(all))
		}
	}
}

func limit(p *corev1.Pod) *resource.Quantity { return p.Spec.Containers[0].Resources.Limits.Memory() }

func podWords(pods []corev1.Pod) string {
	var b strings.Builder
	for _, p := range pods {
		fmt.Fprintf(&b, "%s limit %s ready %t; ", p.Name, limit(&p), scenario.Ready(&p))
	}
	return b.String()
}

func words(records []v1alpha1.ScalingRecord) string {
	var b strings.Builder
	for _, r := range records {
		fmt.Fprintf(&b, "%s %s %s %s: %s\n", r.Spec.DecidedAt.Format(time.TimeOnly), r.Spec.Decision, r.Status.Phase, r.Spec.Reason, r.Status.Message)
	}
	return b.String()
}

// awaitKill waits until a member of etcd was killed.
func (tc scaled) awaitKill(member string) {
	tc.Helper()
	tc.Eventually(member+" was OOM-killed", hosted.Usable, func(ctx context.Context) (bool, string) {
		for _, p := range tc.Pods(ctx, "etcd") {
			if p.Name != member {
				continue
			}
			for _, s := range p.Status.ContainerStatuses {
				for _, end := range []*corev1.ContainerStateTerminated{s.State.Terminated, s.LastTerminationState.Terminated} {
					if end != nil && end.Reason == "OOMKilled" {
						return true, ""
					}
				}
			}
		}
		return false, "no kill yet"
	})
}

// awaitHold waits for a change that a guard holds, and returns why.
func (tc scaled) awaitHold(component, guard string) (says string) {
	tc.Helper()
	tc.Eventually("a change of "+component+" is held by "+guard, hosted.Usable, func(ctx context.Context) (bool, string) {
		out, err := tc.TryKubectl(ctx, "get", "clusterscaler", tc.Name, "-o",
			fmt.Sprintf(`jsonpath={range .status.components[?(@.name==%q)]}{.held.guard} {.held.reason}{end}`, component))
		held, why, _ := strings.Cut(out, " ")
		says = why
		return err == nil && held == guard, fmt.Sprint(out, err)
	})
	return says
}
