package tenant

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/metapilot/metapilot/e2e/scenario"
	"github.com/metapilot/metapilot/e2e/scenario/hosted"
)

// What a person asks for is there in words: a tenant that works, one that waits for its user, and one that is not there.
func TestCommandLine(t *testing.T) {
	t.Parallel() // beside the one that waits for certificates to end
	s := scenario.New(t)
	newTenant(s, "good", "")
	s.Apply(`
apiVersion: metapilot.io/v1alpha1
kind: TenantCluster
metadata: {name: wrong}
spec: {version: v1.36.3, apiServer: {extraArgs: [{name: event-tll, value: 2h}]}}
`)
	s.Eventually("status tells of both", hosted.Usable, func(ctx context.Context) (bool, string) {
		out, err := hosted.Metapilot(ctx, s, "status")
		good, wrong := line(out, s.Namespace+"/good"), line(out, s.Namespace+"/wrong")
		return err == nil && strings.Contains(good, "v1.36.3") && strings.Contains(good, "1/1") &&
			strings.Contains(wrong, "InvalidExtraArgs") && strings.Contains(wrong, "did you mean --event-ttl?"), fmt.Sprint(out, err)
	})
	for args, says := range map[string]string{
		"status good":        "kube-controller-manager-",
		"kubeconfig good":    "current-context: tenant",
		"status nobody":      "there is no tenant nobody in namespace " + s.Namespace,
		"kubeconfig nobody":  "there is no tenant nobody in namespace " + s.Namespace,
		"status -A":          s.Namespace + "/good",
		"status good extra":  "accepts at most 1 arg",
		"kubeconfig":         "accepts 1 arg",
		"status --kubeconfi": "unknown flag",
	} {
		if out, _ := hosted.Metapilot(t.Context(), s, strings.Fields(args)...); !strings.Contains(out, says) {
			t.Errorf("metapilot %s says %q, which does not hold %q", args, out, says)
		}
	}
}

// line is the line of a table that begins with the name.
func line(table, name string) string {
	for l := range strings.Lines(table) {
		if strings.HasPrefix(l, name+" ") {
			return l
		}
	}
	return ""
}
