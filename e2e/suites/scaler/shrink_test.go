package scaler

import (
	"context"
	"fmt"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/e2e/scenario/hosted"
)

// shrinking has a day's caution in a minute, and takes an API server whose use is half of what it has for idle: it is a young one, and grows. What is said of components beside the API server keeps the story short.
const shrinking = `
apiVersion: metapilot.io/v1alpha1
kind: ClusterScaler
metadata: {name: %s}
spec:
  mode: {down: Auto}
  defaults:
    scaleDown: {belowPercent: 60, window: 40s, history: 30s, watch: 30s}
    cooldown: {down: 20s}
    outcome: {early: 10s, late: 10m}
    restarts: {quietFor: 30m}
`

// An idle tenant gets smaller, step by step, in place, and serves all the time; a load that returns takes it back.
func TestIdleTenantIsLoweredAndTakenBack(t *testing.T) {
	tc := newScaled(t, "idle", "")
	pods := tc.Identities()
	tc.Remember("probe")
	prober := hosted.Probe(tc.Tenant)
	tc.Apply(fmt.Sprintf(shrinking, "idle"))
	var down []v1alpha1.ScalingRecord
	tc.Eventually("the API server was made smaller twice", 6*time.Minute, func(ctx context.Context) (bool, string) {
		down = nil
		for _, r := range tc.records(ctx, "kube-apiserver") {
			if r.Spec.Decision == v1alpha1.DecisionDown && r.Status.EffectiveAt != nil {
				down = append(down, r)
			}
		}
		said, _ := tc.TryKubectl(ctx, "get", "clusterscaler", "idle", "-o", `jsonpath={range .status.components[*]}{.name}: {.whyNotSmaller}{"\n"}{end}`)
		return len(down) >= 2, said
	})
	prober.MustHaveSeenNoFailure(100)
	if after := tc.Identities(); after != pods {
		t.Errorf("pods were replaced:\n%s\nbefore\n%s", after, pods)
	}
	for _, r := range down {
		t.Logf("%s: %s", r.Spec.DecidedAt.Format(time.TimeOnly), r.Spec.Reason)
		if share := memory(r.Spec.To).Value() * 100 / memory(r.Spec.From).Value(); share < 75 {
			t.Errorf("a step to %d%%: %s", share, r.Spec.Reason)
		}
	}
	smallest := memory(down[len(down)-1].Spec.To)

	tc.fill()
	stop, _ := tc.storm()
	defer stop()
	tc.Eventually("the API server has more again", 3*time.Minute, func(ctx context.Context) (bool, string) {
		all := tc.records(ctx, "kube-apiserver")
		last := all[len(all)-1]
		return last.Spec.Decision == v1alpha1.DecisionUp && memory(last.Spec.To).Cmp(*smallest) > 0, last.Spec.Reason
	})
}

// memory is the limit of a size.
func memory(s v1alpha1.Size) *resource.Quantity {
	if s.Limits.Memory == nil {
		return &resource.Quantity{}
	}
	return s.Limits.Memory
}
