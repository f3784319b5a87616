package cluster

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/metapilot/metapilot/e2e/metacluster/addon"
	"github.com/metapilot/metapilot/e2e/metacluster/component"
	"github.com/metapilot/metapilot/e2e/metacluster/part"
)

// leaseFresh is more than twice the time between two renewals (client-go's leader election: every 2 s).
const leaseFresh = 5 * time.Second

// ctr is containerd's own client. Images go straight into the namespace of the kubelet.
var ctr = []string{"/usr/bin/ctr", "--address", part.ContainerdSocket, "--namespace", "k8s.io"}

// loadImages brings every image into every node, the pause image first: without it no pod starts.
func (u *upping) loadImages(ctx context.Context) error {
	var load []component.Built
	for _, name := range names() {
		if name != component.Kubernetes && (name != component.Etcd || len(u.tenants) > 0) {
			load = append(load, u.built[name])
		}
	}
	load = append(load, u.tenants...)
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

// awaitReady returns when a user can work: nodes, DNS, volumes and metrics.
func (u *upping) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, fmt.Errorf("not ready after %s; see metacluster status and the logs in %s", startLimit, u.cluster.Logs()))
	defer cancel()
	client, err := u.cluster.Client()
	if err != nil {
		return err
	}
	for _, wait := range u.cluster.checks() {
		err := u.r.Step(wait.name, "", func() (string, error) {
			return "", Poll(ctx, func(ctx context.Context) (bool, string) { return wait.ready(ctx, client) })
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// check is one thing that has to be so before a user can work.
type check struct {
	name  string
	ready func(context.Context, *kubernetes.Clientset) (ok bool, why string)
}

func (c *Cluster) checks() []check {
	return []check{
		{"controllers and scheduler at work", c.leadersFresh},
		{"nodes Ready", c.nodesReady},
		{"DNS and volumes Ready", c.podsReady},
		{"metrics of all nodes", c.metricsReady},
	}
}

// leadersFresh wants leases that were renewed just now. After a crash the next leader waits until the lease of the dead one is over; until
// then no pod is made or placed, whatever the API answers.
func (c *Cluster) leadersFresh(ctx context.Context, client *kubernetes.Clientset) (bool, string) {
	for _, name := range []string{"kube-controller-manager", "kube-scheduler"} {
		lease, err := client.CoordinationV1().Leases("kube-system").Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		if lease.Spec.RenewTime == nil {
			return false, name + " has no leader"
		}
		if age := time.Since(lease.Spec.RenewTime.Time); age > leaseFresh {
			return false, fmt.Sprintf("the leader of %s last said that it lives %s ago", name, age.Round(time.Second))
		}
	}
	return true, ""
}

func (c *Cluster) nodesReady(ctx context.Context, client *kubernetes.Clientset) (bool, string) {
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{Limit: 500})
	if err != nil {
		return false, err.Error()
	}
	ready := 0
	for _, n := range nodes.Items {
		for _, condition := range n.Status.Conditions {
			if condition.Type == corev1.NodeReady && condition.Status == corev1.ConditionTrue {
				ready++
			}
		}
	}
	return ready == len(c.Nodes), fmt.Sprintf("%d of %d nodes are Ready", ready, len(c.Nodes))
}

// podsReady looks at the pods of kube-system.
func (c *Cluster) podsReady(ctx context.Context, client *kubernetes.Clientset) (bool, string) {
	dns, err := client.AppsV1().Deployments("kube-system").Get(ctx, "coredns", metav1.GetOptions{})
	if err != nil {
		return false, err.Error()
	}
	volumes, err := client.AppsV1().DaemonSets("kube-system").Get(ctx, "volume-provisioner", metav1.GetOptions{})
	if err != nil {
		return false, err.Error()
	}
	// A status that is older than the spec says nothing about it.
	fresh := dns.Status.ObservedGeneration == dns.Generation && volumes.Status.ObservedGeneration == volumes.Generation
	ready := fresh && dns.Status.AvailableReplicas == *dns.Spec.Replicas && int(volumes.Status.NumberReady) == len(c.Nodes)
	return ready, fmt.Sprintf("coredns %d/%d, volume-provisioner %d/%d",
		dns.Status.AvailableReplicas, *dns.Spec.Replicas, volumes.Status.NumberReady, len(c.Nodes))
}

// metricsReady asks the aggregated API through the API server, the way kubectl top does.
func (c *Cluster) metricsReady(ctx context.Context, client *kubernetes.Clientset) (bool, string) {
	raw, err := client.RESTClient().Get().AbsPath("/apis/metrics.k8s.io/v1beta1/nodes").DoRaw(ctx)
	if err != nil {
		return false, err.Error()
	}
	got := strings.Count(string(raw), `"usage"`)
	return got == len(c.Nodes), fmt.Sprintf("metrics of %d of %d nodes", got, len(c.Nodes))
}
