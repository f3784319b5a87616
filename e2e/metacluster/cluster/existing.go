package cluster

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/metapilot/metapilot/e2e/metacluster/component"
	"github.com/metapilot/metapilot/e2e/metacluster/progress"
)

// existingVariable names the kubeconfig of a cluster to use instead of one of our own.
const existingVariable = "METAPILOT_KUBECONFIG"

// openExisting returns the cluster that the environment names, or nil if it names none.
func openExisting() (*Cluster, error) {
	kubeconfig := os.Getenv(existingVariable)
	if kubeconfig == "" {
		return nil, nil
	}
	if _, err := os.Stat(kubeconfig); err != nil {
		return nil, fmt.Errorf("%s: %w; give the whole path of a kubeconfig file", existingVariable, err)
	}
	kubectl, err := exec.LookPath("kubectl")
	if err != nil {
		return nil, fmt.Errorf("%s is set, and there is no kubectl to reach that cluster with: %w; install kubectl", existingVariable, err)
	}
	image, err := sampleImage()
	return &Cluster{
		kubeconfig: kubeconfig, Tools: filepath.Dir(kubectl), Images: map[string]string{component.Workload: image},
	}, err
}

// sampleImage is the name that the sample's image has or will have.
func sampleImage() (string, error) {
	workload, err := component.Find(component.Workload, "")
	if err != nil {
		return "", err
	}
	store, err := component.NewStore()
	if err != nil {
		return "", err
	}
	built, _, err := store.Locate(workload)
	return built.ImageRef(), err
}

// existing is Up for a cluster that is up: it builds the sample's image, which only the user can bring to the nodes.
func existing(ctx context.Context, r *progress.Reporter) (*Cluster, error) {
	c, err := openExisting()
	if c == nil || err != nil {
		return nil, err
	}
	store, err := component.NewStore()
	if err != nil {
		return nil, err
	}
	built, err := Build(ctx, store, r, component.Workload)
	if err != nil {
		return nil, err
	}
	image, err := built[component.Workload].Image()
	if err != nil {
		return nil, err
	}
	r.Say("  using the cluster of %s; its nodes need the image %s:\n  load it from %s", c.kubeconfig, c.Images[component.Workload], image)
	return c, r.Step("API server", "", func() (string, error) {
		ctx, cancel := context.WithTimeout(ctx, startLimit)
		defer cancel()
		return "", c.awaitAPI(ctx)
	})
}

// Own says whether the cluster is a meta cluster of this machine, whose parts and nodes can be touched.
func (c *Cluster) Own() bool { return c.kubeconfig == "" }
