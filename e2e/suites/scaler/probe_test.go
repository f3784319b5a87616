package scaler

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/e2e/scenario/hosted"
)

// A tenant that nobody reaches, and of which nobody knows what it uses, is not idle: nothing of it is made smaller until both are known again.
func TestProbeFailureWithoutMetricsLowersNothing(t *testing.T) {
	tc := newScaled(t, "unreached", "")
	tc.awaitProbe(v1alpha1.ProbeAnswers)
	tc.Apply(fmt.Sprintf(strings.Replace(shrinking, "spec:\n", "spec:\n  pause: {reason: until it is idle}\n", 1), tc.Name))
	tc.Eventually("a step down of the API server is only held by the pause", 6*time.Minute, func(ctx context.Context) (bool, string) {
		says := tc.notSmaller(ctx)
		return strings.Contains(says, "waits (pause)"), says
	})
	hosted.Without(tc.Scenario, []string{hosted.MasterOperator}, func() { // who would mend the Service at once
		tc.Kubectl("--namespace", tc.Home, "patch", "service", "kube-apiserver", "--type=merge", "--patch", `{"spec":{"selector":{"metapilot.io/component":"nobody"}}}`)
		tc.awaitProbe(v1alpha1.ProbeFailing)
		tc.Kubectl("patch", "clusterscaler", tc.Name, "--type=json", "--patch", `[{"op":"remove","path":"/spec/pause"}]`)
		if says := tc.awaitHold("kube-apiserver", "probe"); !strings.Contains(says, "the tenant's probe fails: readyz: ") {
			t.Errorf("the hold says %q", says)
		}
		tc.stopMetrics()
		for range 12 { // longer than the window, and longer than a reading counts for
			time.Sleep(15 * time.Second)
			if down := tc.lowered(t.Context()); len(down) > 0 {
				t.Fatalf("it was made smaller while nobody knew anything: %s", words(down))
			}
		}
		if says := tc.notSmaller(t.Context()); !strings.Contains(says, "the tenant's probe fails") {
			t.Errorf("without metrics, what keeps it from being smaller is %q", says)
		}
		tc.mustExplain("kube-apiserver", "not smaller", "the tenant's probe fails")
	})
	tc.AwaitReady()
	tc.awaitProbe(v1alpha1.ProbeAnswers)
	tc.startMetrics(t.Context())
	tc.Eventually("it goes on, and the API server is made smaller", 6*time.Minute, func(ctx context.Context) (bool, string) {
		return len(tc.lowered(ctx)) > 0, tc.notSmaller(ctx)
	})
	tc.AwaitReady()
}

// awaitProbe waits until asking the tenant from outside shows what is wanted.
func (tc scaled) awaitProbe(state v1alpha1.ProbeState) {
	tc.Helper()
	tc.Eventually("the probe: "+string(state), hosted.Usable, func(ctx context.Context) (bool, string) {
		out, err := tc.TryKubectl(ctx, "get", "clusterscaler", tc.Name, "-o", "jsonpath={.status.probe.state} {.status.probe.says}")
		return err == nil && strings.HasPrefix(out, string(state)+" "), fmt.Sprint(out, err)
	})
}

// notSmaller is what keeps the API server from being smaller.
func (tc scaled) notSmaller(ctx context.Context) string {
	out, err := tc.TryKubectl(ctx, "get", "clusterscaler", tc.Name, "-o", `jsonpath={.status.components[?(@.name=="kube-apiserver")].whyNotSmaller}`)
	if err != nil {
		return err.Error()
	}
	return out
}

// lowered are the records of steps down of any component.
func (tc scaled) lowered(ctx context.Context) (down []v1alpha1.ScalingRecord) {
	for _, component := range []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"} {
		down = append(down, tc.records(ctx, component)...)
	}
	return slices.DeleteFunc(down, func(r v1alpha1.ScalingRecord) bool { return r.Spec.Decision != v1alpha1.DecisionDown })
}
