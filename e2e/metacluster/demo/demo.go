// Package demo shows Metapilot to a person: it installs it, has it run a tenant, uses the tenant, and prints what there is to see and to try.
package demo

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/metapilot/metapilot/e2e/metacluster/cluster"
	"github.com/metapilot/metapilot/e2e/metacluster/component"
	"github.com/metapilot/metapilot/e2e/metacluster/install"
	"github.com/metapilot/metapilot/e2e/metacluster/progress"
)

const (
	fleet  = "fleet"
	tenant = "demo"
	limit  = 10 * time.Minute
)

// manifests are the tenant; workload is what is run in it.
var (
	//go:embed tenant.yaml
	manifests string
	//go:embed workload.yaml
	workload string
)

// Run shows the demo; running it again goes on with what is there.
func Run(ctx context.Context, c *cluster.Cluster, r *progress.Reporter) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("the demo of tenant %s was not over after %s; see bin/metapilot status -n %s %s", tenant, limit, fleet, tenant))
	defer cancel()
	if err := install.Run(ctx, c, r); err != nil {
		return err
	}
	checkout, err := component.Checkout()
	if err != nil {
		return err
	}
	d := &demonstration{c: c, r: r, metapilot: filepath.Join(checkout, "bin", "metapilot"), kubeconfig: filepath.Join(checkout, "bin", tenant+".kubeconfig")}
	steps := []struct {
		name string
		do   func(context.Context) (string, error)
	}{
		{"tenant " + tenant + " created", d.create},
		{"tenant " + tenant + " usable", d.await},
		{"a Deployment in the tenant makes pods", d.use},
		{"usage of the tenant", d.usage},
		{"a list storm, until the tenant survives it", d.storm},
		{"what could be smaller, as a dry run", d.shrink},
	}
	for _, step := range steps {
		if err := r.Step(step.name, "", func() (string, error) { return step.do(ctx) }); err != nil {
			return err
		}
	}
	return d.show(ctx)
}

type demonstration struct {
	c          *cluster.Cluster
	r          *progress.Reporter
	metapilot  string // the program
	kubeconfig string // of the tenant's administrator
	outages    []outage
}

func (d *demonstration) create(ctx context.Context) (string, error) {
	address, err := d.kubectl(ctx, "get", "nodes", "-o", `jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}`)
	if err != nil {
		return "", err
	}
	return "", d.c.Apply(ctx, fleet, strings.ReplaceAll(manifests, "NODE_ADDRESS", address))
}

// await says what the tenant waits for whenever that changes.
func (d *demonstration) await(ctx context.Context) (string, error) {
	start, said := time.Now(), ""
	err := cluster.Poll(ctx, func(ctx context.Context) (bool, string) {
		out, err := d.kubectl(ctx, "--namespace", fleet, "get", "tenantcluster", tenant, "-o",
			`jsonpath={range .status.conditions[?(@.type=="Ready")]}{.status} {.reason}{end}`)
		if status, reason, ok := strings.Cut(out, " "); ok && reason != said && status != "True" {
			said = reason
			d.r.Say("  %5.1fs  %s", time.Since(start).Seconds(), reason)
		}
		return strings.HasPrefix(out, "True"), fmt.Sprint(out, err)
	})
	return "", err
}

// use works in the tenant as its administrator. It has no nodes, so the pods wait; that they are there is its controller manager's work.
func (d *demonstration) use(ctx context.Context) (string, error) {
	raw, err := exec.CommandContext(ctx, d.metapilot, "--kubeconfig", d.c.Kubeconfig(), "-n", fleet, "kubeconfig", tenant).Output()
	if err != nil {
		return "", fmt.Errorf("metapilot kubeconfig %s: %w", tenant, err)
	}
	if err := os.WriteFile(d.kubeconfig, raw, 0o600); err != nil {
		return "", err
	}
	apply := d.inTenant(ctx, "apply", "--server-side", "-f", "-")
	apply.Stdin = strings.NewReader(workload)
	if out, err := apply.CombinedOutput(); err != nil {
		return "", fmt.Errorf("applying a Deployment in the tenant: %w: %s", err, out)
	}
	return "3 pods", cluster.Poll(ctx, func(ctx context.Context) (bool, string) {
		out, err := d.inTenant(ctx, "get", "pods", "--no-headers").CombinedOutput()
		return err == nil && bytes.Count(out, []byte("hello-")) == 3, string(out)
	})
}

// usage waits for the first reading of the tenant's pods.
func (d *demonstration) usage(ctx context.Context) (string, error) {
	return "", cluster.Poll(ctx, func(ctx context.Context) (bool, string) {
		out, err := exec.CommandContext(ctx, d.metapilot, "--kubeconfig", d.c.Kubeconfig(), "-n", fleet, "status", tenant).CombinedOutput()
		pods, _, _ := strings.Cut(string(out), "\nCONDITION")
		return err == nil && !strings.Contains(pods, "  -  "), string(out)
	})
}

func (d *demonstration) show(ctx context.Context) error {
	if err := d.timeline(ctx); err != nil {
		return err
	}
	for _, args := range [][]string{{"status", "-A"}, {"-n", fleet, "status", tenant}, {"-n", fleet, "explain", tenant}} {
		out, err := exec.CommandContext(ctx, d.metapilot, append([]string{"--kubeconfig", d.c.Kubeconfig()}, args...)...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("metapilot %s: %w: %s", strings.Join(args, " "), err, out)
		}
		d.r.Say("\n$ metapilot %s\n%s", strings.Join(args, " "), strings.TrimSpace(string(out)))
	}
	out, err := d.inTenant(ctx, "get", "deployments,pods").CombinedOutput()
	if err != nil {
		return fmt.Errorf("looking into the tenant: %w: %s", err, out)
	}
	d.r.Say("\n$ kubectl --kubeconfig %s get deployments,pods   # inside the tenant; it has no nodes yet\n%s", d.kubeconfig, strings.TrimSpace(string(out)))
	d.r.Say("%s", d.next())
	return nil
}

// next is what to try now; the parts and nodes of a cluster that is not ours are left alone.
func (d *demonstration) next() string {
	try := fmt.Sprintf(`
Try next:
  export KUBECONFIG=%s
  bin/metapilot status -A                               every tenant: version, readiness, size, usage
  bin/metapilot -n %s explain %s                     why each component has its size, and what is held
  bin/metapilot -n %s records %s                     every decision: how fast, and what came of it
  kubectl --kubeconfig %s get pods -A
  kubectl -n %s scale tenantcluster %s --replicas=2      a second API server
  kubectl -n %s delete tenantcluster %s                  leaves nothing of it`, d.c.Kubeconfig(), fleet, tenant, fleet, tenant, d.kubeconfig, fleet, tenant, fleet, tenant)
	if d.c.Own() {
		try += `
  bin/metacluster stop node-2                           a node's power fails; start node-2 brings it back
  make e2e                                              all scenarios
  make down                                             leaves nothing on the machine`
	}
	return try
}

func (d *demonstration) inTenant(ctx context.Context, args ...string) *exec.Cmd {
	return d.c.KubectlFor(ctx, d.kubeconfig, args...)
}

func (d *demonstration) kubectl(ctx context.Context, args ...string) (string, error) {
	out, err := d.c.Kubectl(ctx, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}
