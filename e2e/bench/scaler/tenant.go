package main

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/metapilot/metapilot/e2e/metacluster/cluster"
	"github.com/metapilot/metapilot/e2e/metacluster/component"
)

const namespace = "bench"

// bencher measures in a namespace of its own.
type bencher struct {
	c      *cluster.Cluster
	client *kubernetes.Clientset
	o      options
}

// tenant is one that is measured.
type tenant struct {
	b      *bencher
	name   string
	home   string // namespace in which it runs
	config *rest.Config
}

// make makes a tenant with a ClusterScaler, or without one if the policy is empty.
func (b *bencher) make(ctx context.Context, name, policy string) (*tenant, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	manifest := fmt.Sprintf(`
apiVersion: metapilot.io/v1alpha1
kind: TenantCluster
metadata: {name: %s}
spec: {version: %s, expose: {type: NodePort, hostname: %q}}
`, name, component.DefaultVersion, b.address(ctx))
	if policy != "" {
		manifest += fmt.Sprintf("---\napiVersion: metapilot.io/v1alpha1\nkind: ClusterScaler\nmetadata: {name: %s}\nspec: %s\n", name, policy)
	}
	if err := b.c.Apply(ctx, namespace, manifest); err != nil {
		return nil, err
	}
	if err := cluster.Poll(ctx, func(ctx context.Context) (bool, string) {
		out, err := b.kubectl(ctx, "get", "tenantcluster", name, "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`)
		return err == nil && out == "True", out
	}); err != nil {
		return nil, fmt.Errorf("tenant %s: %w", name, err)
	}
	t := &tenant{b: b, name: name}
	return t, t.connect(ctx)
}

func (b *bencher) address(ctx context.Context) string {
	out, err := b.kubectl(ctx, "get", "nodes", "-o", `jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}`)
	if err != nil {
		return ""
	}
	return out
}

func (t *tenant) connect(ctx context.Context) (err error) {
	if t.home, err = t.b.kubectl(ctx, "get", "tenantcluster", t.name, "-o", "jsonpath={.status.namespace}"); err != nil {
		return err
	}
	secret, err := t.b.client.CoreV1().Secrets(namespace).Get(ctx, t.name+"-kubeconfig", metav1.GetOptions{})
	if err != nil {
		return err
	}
	t.config, err = clientcmd.RESTConfigFromKubeConfig(secret.Data["value"])
	return err
}

func (t *tenant) remove(ctx context.Context) error {
	_, err := t.b.kubectl(ctx, "delete", "clusterscaler,tenantcluster", t.name, "--ignore-not-found", "--timeout=3m")
	return err
}

func (b *bencher) kubectl(ctx context.Context, args ...string) (string, error) {
	out, err := b.c.Kubectl(ctx, append([]string{"--namespace", namespace}, args...)...).Output()
	if exit, ok := err.(*exec.ExitError); ok { //nolint:errorlint // Output returns it as it is
		err = fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, exit.Stderr)
	}
	return string(out), err
}

// watch starts to watch a component's deaths; what it returns ends that and gives what was seen.
func (t *tenant) watch(ctx context.Context, component string) (w *watcher, end func() []kill) {
	ctx, cancel := context.WithCancel(ctx)
	pods := &living{}
	var all sync.WaitGroup
	all.Go(func() { pods.follow(ctx, t, component) })
	w = &watcher{uids: pods.get}
	all.Go(func() { w.run(ctx) })
	return w, func() []kill {
		cancel()
		all.Wait()
		return w.seen()
	}
}

// living are the uids of a component's pods that nobody has deleted.
type living struct {
	mu   sync.Mutex
	uids []string
}

func (l *living) get() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.uids)
}

func (l *living) follow(ctx context.Context, t *tenant, component string) {
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for ctx.Err() == nil {
		list, err := t.b.client.CoreV1().Pods(t.home).List(ctx, metav1.ListOptions{LabelSelector: "metapilot.io/component=" + component, Limit: 10})
		if err == nil {
			var uids []string
			for _, p := range list.Items {
				if p.DeletionTimestamp == nil {
					uids = append(uids, string(p.UID))
				}
			}
			l.mu.Lock()
			l.uids = uids
			l.mu.Unlock()
		}
		<-ticker.C
	}
}
