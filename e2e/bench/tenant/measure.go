package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/metapilot/metapilot/e2e/bench"
	"github.com/metapilot/metapilot/e2e/metacluster/cluster"
	"github.com/metapilot/metapilot/e2e/metacluster/component"
)

const (
	aimCreateSeconds = 15
	aimIdleMiB       = 450
	aimOperatorMiB   = 150
	atOnce           = 10
	idle             = time.Minute // until the work of starting is over, and the time that is looked at then
	limit            = 10 * time.Minute
)

// bencher makes tenants in a namespace of its own.
type bencher struct {
	c        *cluster.Cluster
	checkout string
}

func measure(ctx context.Context, runs int) error {
	checkout, err := component.Checkout()
	if err != nil {
		return err
	}
	c, err := cluster.OpenOwn()
	if err != nil {
		return err
	}
	b := bencher{c, checkout}
	if err := b.apply(ctx, space); err != nil {
		return err
	}
	var rows []bench.Row
	for _, part := range []func(context.Context) ([]bench.Row, error){
		func(ctx context.Context) ([]bench.Row, error) { return b.alone(ctx, runs) }, b.together, b.many,
	} {
		some, err := part(ctx)
		if err != nil {
			return err
		}
		rows = append(rows, some...)
	}
	return bench.Write(os.Stdout, filepath.Join(checkout, "bench"), "tenant", rows)
}

const (
	namespace = "bench"
	space     = "apiVersion: v1\nkind: Namespace\nmetadata: {name: " + namespace + "}\n"
)

func tenantYAML(name string) string {
	return fmt.Sprintf(`
apiVersion: metapilot.io/v1alpha1
kind: TenantCluster
metadata: {name: %s}
spec: {version: %s}
`, name, component.DefaultVersion)
}

// alone makes one tenant after another, each when the one before is gone.
func (b bencher) alone(ctx context.Context, runs int) ([]bench.Row, error) {
	var seconds []float64
	for i := range runs {
		took, err := b.create(ctx, "alone")
		if err != nil {
			return nil, err
		}
		seconds = append(seconds, took.Seconds())
		fmt.Printf("run %d of %d: usable after %.1f s\n", i+1, runs, took.Seconds())
		if _, err := b.kubectl(ctx, "delete", "tenantcluster", "--all", "--timeout=3m"); err != nil {
			return nil, err
		}
	}
	slices.Sort(seconds)
	return []bench.Row{
		bench.AtMost("create_p50_seconds", "s", bench.Median(seconds), aimCreateSeconds, fmt.Sprintf("median of %d, from kubectl apply to Ready: usable through its own endpoint", runs)),
		bench.Plain("create_max_seconds", "s", seconds[len(seconds)-1], "the slowest of them"),
	}, nil
}

// create makes tenants at once and returns when all are Ready.
func (b bencher) create(ctx context.Context, names ...string) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var all []string
	for _, name := range names {
		all = append(all, tenantYAML(name))
	}
	begun := time.Now()
	if err := b.apply(ctx, strings.Join(all, "---")); err != nil {
		return 0, err
	}
	err := cluster.Poll(ctx, func(ctx context.Context) (bool, string) {
		out, err := b.kubectl(ctx, "get", "tenantclusters", "-o", `jsonpath={range .items[*]}{.status.conditions[?(@.type=="Ready")].status} {end}`)
		return err == nil && strings.Count(out, "True") == len(names), out
	})
	return time.Since(begun), err
}

// together makes ten at once, and weighs them and the operator when they idle.
func (b bencher) together(ctx context.Context) ([]bench.Row, error) {
	var names []string
	for i := range atOnce {
		names = append(names, fmt.Sprintf("tenant-%d", i))
	}
	took, err := b.create(ctx, names...)
	if err != nil {
		return nil, err
	}
	fmt.Printf("%d at once: all usable after %.1f s; waiting for %s until the work of starting is over\n", atOnce, took.Seconds(), idle)
	weights, err := b.weigh(ctx)
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	if _, err := b.kubectl(ctx, "delete", "tenantcluster", "--all", "--timeout=5m"); err != nil {
		return nil, err
	}
	return append([]bench.Row{
		bench.Plain("create_ten_seconds", "s", took.Seconds(), "ten at once on two cores, until the last is Ready"),
		bench.Plain("delete_ten_seconds", "s", time.Since(begun).Seconds(), "until nothing of them is left"),
	}, weights...), nil
}

// many runs the operator against an API server without nodes. Go's own benchmark measures it, because the environment is one for tests.
func (b bencher) many(ctx context.Context) ([]bench.Row, error) {
	fmt.Println("500 TenantClusters on an API server without nodes: about 4 min")
	cmd := exec.CommandContext(ctx, "go", "test", "./operators/tenantcluster", "-run", "^$", "-bench", "ManyTenants", "-benchtime", "1x", "-timeout", "20m")
	cmd.Dir = b.checkout
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("measuring many tenants: %w: %s", err, out)
	}
	found := map[string]float64{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		for i := 1; strings.HasPrefix(line, "Benchmark") && i < len(fields); i++ {
			if value, err := strconv.ParseFloat(fields[i-1], 64); err == nil {
				found[fields[i]] = value
			}
		}
	}
	if found["rss-MiB"] == 0 {
		return nil, fmt.Errorf("measuring many tenants printed no result: %s", out)
	}
	return []bench.Row{
		bench.AtMost("operator_rss_mib_500", "MiB", found["rss-MiB"], aimOperatorMiB, "resident, with 500 TenantClusters on an API server without nodes, after a minute at rest"),
		bench.AtMost("operator_rest_reconciles_per_minute", "1/min", found["reconciles/min"], 0, "of all 500 together, in a minute at rest; nothing can be probed there"),
		bench.Plain("make_500_seconds", "s", found["made-seconds"], "until the objects of 500 tenants are written"),
	}, nil
}

func (b bencher) apply(ctx context.Context, manifests string) error {
	return b.c.Apply(ctx, namespace, manifests)
}

func (b bencher) kubectl(ctx context.Context, args ...string) (string, error) {
	out, err := b.c.Kubectl(ctx, append([]string{"--namespace", namespace}, args...)...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}
