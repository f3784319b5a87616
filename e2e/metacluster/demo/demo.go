// Package demo shows the meta cluster to a person: it runs the sample workload, asks it, and prints what there is to see and to try.
package demo

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/metapilot/metapilot/e2e/metacluster/cluster"
	"github.com/metapilot/metapilot/e2e/metacluster/progress"
	"github.com/metapilot/metapilot/e2e/metacluster/sample"
)

const (
	namespace = "demo"
	limit     = 2 * time.Minute
)

// Run shows the demo; running it again goes on with what is there.
func Run(ctx context.Context, c *cluster.Cluster, r *progress.Reporter) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("the sample workload was not there after %s", limit))
	defer cancel()
	d := demonstration{c, r}
	steps := []struct {
		name string
		do   func(context.Context) (string, error)
	}{
		{"sample workload applied", d.apply},
		{"three replicas on the nodes", d.await},
		{"asked by DNS name from another pod", d.ask},
		{"usage of the pods", d.usage},
	}
	for _, step := range steps {
		if err := r.Step(step.name, "", func() (string, error) { return step.do(ctx) }); err != nil {
			return err
		}
	}
	return d.show(ctx)
}

type demonstration struct {
	c *cluster.Cluster
	r *progress.Reporter
}

func (d demonstration) apply(ctx context.Context) (string, error) {
	manifests, err := d.c.Render(sample.Manifests)
	if err != nil {
		return "", err
	}
	space := "apiVersion: v1\nkind: Namespace\nmetadata: {name: " + namespace + "}\n---\n"
	return "", d.c.Apply(ctx, namespace, space+manifests)
}

func (d demonstration) await(ctx context.Context) (string, error) {
	if _, err := d.kubectl(ctx, "rollout", "status", "deployment/hello", "--timeout=2m"); err != nil {
		return "", err
	}
	_, err := d.kubectl(ctx, "wait", "pod/client", "--for=condition=Ready", "--timeout=2m")
	return "", err
}

// ask retries: the name is known a moment after the Service is.
func (d demonstration) ask(ctx context.Context) (string, error) {
	var answer string
	err := cluster.Poll(ctx, func(ctx context.Context) (bool, string) {
		out, err := d.kubectl(ctx, "exec", "client", "--", "/workload", "get", "http://hello."+namespace)
		answer = strings.TrimSpace(out)
		return err == nil, fmt.Sprint(err)
	})
	return answer + " answered", err
}

// usage waits for the first reading of the new pods.
func (d demonstration) usage(ctx context.Context) (string, error) {
	return "", cluster.Poll(ctx, func(ctx context.Context) (bool, string) {
		out, err := d.kubectl(ctx, "top", "pods", "--no-headers")
		return err == nil && strings.Count(out, "hello-") == 3, fmt.Sprintf("%v %s", err, out)
	})
}

func (d demonstration) show(ctx context.Context) error {
	for _, args := range [][]string{{"get", "nodes"}, {"get", "pods", "-o", "wide"}, {"top", "pods"}} {
		out, err := d.kubectl(ctx, args...)
		if err != nil {
			return err
		}
		d.r.Say("\n$ kubectl -n %s %s\n%s", namespace, strings.Join(args, " "), strings.TrimSpace(out))
	}
	d.r.Say("%s", d.next())
	return nil
}

// next is what to try now; the parts and nodes of a cluster that is not ours are left alone.
func (d demonstration) next() string {
	try := fmt.Sprintf(`
Try next:
  bin/metacluster kubectl -n %s get pods  or: export KUBECONFIG=%s
  make e2e                                  all scenarios`, namespace, d.c.Kubeconfig())
	if !d.c.Own() {
		return try + "\n  bin/metacluster kubectl delete namespace " + namespace + "  leave nothing of it in the cluster"
	}
	return try + `
  bin/metacluster status                    every part: process, age, restarts, memory
  bin/metacluster stop node-2               its power fails; start node-2 brings it back
  bin/metacluster logs -f node-1/kubelet    the log of any part
  make down                                 leave nothing of it on the machine`
}

func (d demonstration) kubectl(ctx context.Context, args ...string) (string, error) {
	out, err := d.c.Kubectl(ctx, append([]string{"--namespace", namespace}, args...)...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}
