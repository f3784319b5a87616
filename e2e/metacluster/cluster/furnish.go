package cluster

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/metapilot/metapilot/e2e/metacluster/addon"
	"github.com/metapilot/metapilot/e2e/metacluster/component"
	"github.com/metapilot/metapilot/e2e/metacluster/part"
	"github.com/metapilot/metapilot/e2e/metacluster/progress"
)

// ctr is containerd's own client. Images go straight into the namespace of the kubelet.
var ctr = []string{"/usr/bin/ctr", "--address", part.ContainerdSocket, "--namespace", "k8s.io"}

// loadImages brings every image into every node, the pause image first: without it no pod starts.
func (u *upping) loadImages(ctx context.Context) error {
	var load []component.Built
	for _, name := range names() {
		if name != component.Kubernetes && name != component.Etcd { // parts, not images
			load = append(load, u.built[name])
		}
	}
	load = append(load, u.tenantImages()...)
	return u.r.Step("images into the nodes", "", func() (string, error) {
		loaded := 0
		for _, node := range u.config.Nodes {
			n, err := u.cluster.load(ctx, node.Name, load)
			if err != nil {
				return "", fmt.Errorf("loading images into %s: %w", node.Name, err)
			}
			loaded += n
		}
		return fmt.Sprintf("%d loaded", loaded), nil
	})
}

// Load brings an image into every node. Where the nodes are not ours it says what the user has to do.
func (c *Cluster) Load(ctx context.Context, r *progress.Reporter, image component.Built) error {
	if !c.Own() {
		path, err := image.Image()
		r.Say("  the nodes of %s need the image %s:\n  load it from %s", c.kubeconfig, image.ImageRef(), path)
		return err
	}
	return r.Step("image of "+image.Name+" into the nodes", "", func() (string, error) {
		loaded := 0
		for _, node := range c.Nodes {
			n, err := c.load(ctx, node.Name, []component.Built{image})
			if err != nil {
				return "", fmt.Errorf("loading images into %s: %w", node.Name, err)
			}
			loaded += n
		}
		return fmt.Sprintf("%d loaded", loaded), nil
	})
}

// load imports the images that the node does not have, and returns how many those were.
func (c *Cluster) load(ctx context.Context, node string, images []component.Built) (int, error) {
	var have string
	err := Poll(ctx, func(ctx context.Context) (bool, string) {
		out, err := c.nodeOutput(ctx, node, append(ctr, "images", "list", "--quiet")...)
		have = out
		return err == nil, fmt.Sprintf("an answer of containerd: %v", err)
	})
	if err != nil {
		return 0, err
	}
	loaded := 0
	for _, image := range images {
		if slices.Contains(strings.Fields(have), image.ImageRef()) {
			continue
		}
		if err := c.importImage(ctx, node, image); err != nil {
			return loaded, err
		}
		loaded++
	}
	return loaded, nil
}

func (c *Cluster) importImage(ctx context.Context, node string, image component.Built) error {
	path, err := image.Image()
	if err != nil {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	cmd, err := c.inNode(ctx, node, append(ctr, "images", "import", "-")...)
	if err != nil {
		return err
	}
	cmd.Stdin = file
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("importing %s: %w: %s", image.ImageRef(), err, out)
	}
	return nil
}

func (c *Cluster) nodeOutput(ctx context.Context, node string, argv ...string) (string, error) {
	cmd, err := c.inNode(ctx, node, argv...)
	if err != nil {
		return "", err
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, stderr.String())
	}
	return string(out), nil
}

func (u *upping) applyAddons(ctx context.Context) error {
	if err := u.r.Step("API server", "", func() (string, error) { return "", u.cluster.awaitAPI(ctx) }); err != nil {
		return err
	}
	return u.r.Step("DNS, metrics and volumes applied", "", func() (string, error) {
		ca, err := readPair(u.config, part.ClusterCA)
		if err != nil {
			return "", err
		}
		metrics, err := readPair(u.config, part.MetricsServer)
		if err != nil {
			return "", err
		}
		manifests, err := addon.Render(addon.NewValues(u.config.Nodes, u.cluster.Images, ca.Cert, metrics))
		if err != nil {
			return "", err
		}
		return "", u.cluster.Apply(ctx, "kube-system", manifests)
	})
}

func (c *Cluster) awaitAPI(ctx context.Context) error {
	client, err := c.Client()
	if err != nil {
		return err
	}
	return Poll(ctx, func(ctx context.Context) (bool, string) {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_, err := client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
		return err == nil, fmt.Sprintf("readiness: %v", err)
	})
}
