// Package install puts Metapilot into a meta cluster: the kinds, the admission policy that sizes pods, the master-operator, the
// workload-recommender and the cluster-scaler.
//
// It owns the manifests of an installation for tries and tests. It never touches tenants.
package install

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/metapilot/metapilot/e2e/metacluster/cluster"
	"github.com/metapilot/metapilot/e2e/metacluster/component"
	"github.com/metapilot/metapilot/e2e/metacluster/progress"
)

// Namespace is where Metapilot's own programs run.
const Namespace = "metapilot-system"

// limit is how long the API server may take; builds take what they take on this machine.
const limit = 2 * time.Minute

var (
	//go:embed master-operator.yaml
	operator string
	//go:embed workload-recommender.yaml
	recommender string
	//go:embed cluster-scaler.yaml
	scaler string
	//go:embed sizing-policy.yaml
	policy string
)

// kinds are the custom resource definitions, seen from the checkout.
const kinds = "charts/metapilot-crds/templates"

// Run installs what the checkout holds; run again it brings what has changed.
func Run(ctx context.Context, c *cluster.Cluster, r *progress.Reporter) error {
	store, err := component.NewStore()
	if err != nil {
		return err
	}
	if err := load(ctx, c, store, r); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("metapilot was not installed after %s", limit))
	defer cancel()
	return r.Step("Metapilot installed", "", func() (said string, err error) {
		policies, err := policyServed(ctx, c)
		if err != nil {
			return "", err
		}
		manifests := strings.Join([]string{operator, recommender, scaler}, "---\n")
		if policies {
			manifests = policy + "---\n" + manifests
		} else {
			said = "no MutatingAdmissionPolicy v1 here (Kubernetes 1.36 has it): a new size restarts pods"
		}
		return said, apply(ctx, c, manifests)
	})
}

// programs are what is installed, each a Deployment of its name.
var programs = []string{component.MasterOperator, component.WorkloadRecommender, component.ClusterScaler}

// load builds the programs from the checkout and brings them into the nodes.
func load(ctx context.Context, c *cluster.Cluster, store component.Store, r *progress.Reporter) error {
	built, err := cluster.Build(ctx, store, r, programs...)
	if err != nil {
		return err
	}
	for _, name := range programs {
		if err := c.Load(ctx, r, built[name]); err != nil {
			return err
		}
		c.Images[name] = built[name].ImageRef()
	}
	return nil
}

// policyServed asks whether the cluster knows the kind that sizes pods at their birth.
func policyServed(ctx context.Context, c *cluster.Cluster) (bool, error) {
	out, err := c.Kubectl(ctx, "get", "--raw", "/apis/admissionregistration.k8s.io/v1").Output()
	if err != nil {
		return false, fmt.Errorf("asking for the kinds of admissionregistration.k8s.io/v1: %w", err)
	}
	return strings.Contains(string(out), `"mutatingadmissionpolicies"`), nil
}

func apply(ctx context.Context, c *cluster.Cluster, manifests string) error {
	crds, err := readKinds()
	if err != nil {
		return err
	}
	if err := c.Apply(ctx, Namespace, crds); err != nil {
		return err
	}
	if err := kubectl(ctx, c, "wait", "--for=condition=Established", "--timeout=30s",
		"crd/tenantclusters.metapilot.io", "crd/clusterscalers.metapilot.io", "crd/scalingrecords.metapilot.io", "crd/scalingpolicies.metapilot.io",
		"crd/workloadprofiles.metapilot.io", "crd/workloadprofilecheckpoints.metapilot.io"); err != nil {
		return err
	}
	rendered, err := c.Render(manifests)
	if err != nil {
		return err
	}
	if err := c.Apply(ctx, Namespace, rendered); err != nil {
		return err
	}
	for _, name := range programs {
		if err := kubectl(ctx, c, "--namespace", Namespace, "rollout", "status", "deployment/"+name, "--timeout=90s"); err != nil {
			return err
		}
	}
	return nil
}

func readKinds() (string, error) {
	checkout, err := component.Checkout()
	if err != nil {
		return "", err
	}
	files, err := filepath.Glob(filepath.Join(checkout, kinds, "*.yaml"))
	if err != nil || len(files) == 0 {
		return "", fmt.Errorf("no kinds in %s: run make generate (%w)", filepath.Join(checkout, kinds), err)
	}
	var all []string
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		all = append(all, string(raw))
	}
	return strings.Join(all, "\n---\n"), nil
}

func kubectl(ctx context.Context, c *cluster.Cluster, args ...string) error {
	if out, err := c.Kubectl(ctx, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}
