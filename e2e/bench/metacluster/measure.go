package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/metapilot/metapilot/e2e/bench"
	"github.com/metapilot/metapilot/e2e/metacluster/cluster"
)

const (
	aimUpSeconds      = 60
	aimTestenvSeconds = 6
	settle            = 30 * time.Second // until the work of starting is over
)

// measure brings the meta cluster up several times from nothing, with everything built, and weighs the last one.
func measure(ctx context.Context, metacluster, folder string, runs int) error {
	// One run first, so that nothing is left to build or to install.
	if err := errorsOf(ctx, metacluster, "down", "up"); err != nil {
		return err
	}
	var seconds []float64
	for i := range runs {
		took, err := upFromNothing(ctx, metacluster)
		if err != nil {
			return err
		}
		seconds = append(seconds, took)
		fmt.Printf("run %d of %d: up after %.1f s\n", i+1, runs, took)
	}
	rows, err := weigh(ctx)
	if err != nil {
		return err
	}
	testenv, err := testenvStart(ctx, filepath.Dir(folder), runs)
	if err != nil {
		return err
	}
	if err := errorsOf(ctx, metacluster, "down"); err != nil {
		return err
	}
	up := bench.AtMost("up_warm_seconds", "s", bench.Median(seconds), aimUpSeconds,
		fmt.Sprintf("median of %d runs, from nothing to nodes, DNS and metrics Ready, all built", runs))
	return bench.Write(os.Stdout, folder, "metacluster", append([]bench.Row{up, testenv}, rows...))
}

// testenvStart is what an integration test waits for. Go's own benchmark measures it, because the helper is one for tests.
func testenvStart(ctx context.Context, checkout string, runs int) (bench.Row, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "./internal/testenv", "-run", "^$", "-bench", "Start", "-benchtime", "1x", "-count", strconv.Itoa(runs))
	cmd.Dir = checkout
	out, err := cmd.CombinedOutput()
	if err != nil {
		return bench.Row{}, fmt.Errorf("measuring testenv: %w: %s", err, out)
	}
	var seconds []float64
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) >= 4 && f[3] == "ns/op" {
			nanoseconds, err := strconv.ParseFloat(f[2], 64)
			if err != nil {
				return bench.Row{}, fmt.Errorf("reading %q: %w", line, err)
			}
			seconds = append(seconds, nanoseconds/1e9)
		}
	}
	if len(seconds) == 0 {
		return bench.Row{}, fmt.Errorf("measuring testenv printed no result: %s", out)
	}
	return bench.AtMost("testenv_start_seconds", "s", bench.Median(seconds), aimTestenvSeconds,
		fmt.Sprintf("median of %d, etcd and kube-apiserver of internal/testenv", runs)), nil
}

func upFromNothing(ctx context.Context, metacluster string) (seconds float64, err error) {
	if err := errorsOf(ctx, metacluster, "down"); err != nil {
		return 0, err
	}
	begun := time.Now()
	err = errorsOf(ctx, metacluster, "up")
	return time.Since(begun).Seconds(), err
}

// weigh sums up resident memory, all and by part.
func weigh(ctx context.Context) ([]bench.Row, error) {
	fmt.Printf("waiting for %s, until the work of starting is over\n", settle)
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(settle):
	}
	c, err := cluster.OpenOwn()
	if err != nil {
		return nil, err
	}
	status, err := c.Status(ctx)
	if err != nil {
		return nil, err
	}
	const mib = 1 << 20
	total := 0.0
	var parts []bench.Row
	for _, p := range status.Parts {
		total += float64(p.RSS) / mib
		parts = append(parts, bench.Plain(metric(p.Name), "MiB", float64(p.RSS)/mib, "resident, shared pages counted in each"))
	}
	return append([]bench.Row{bench.Plain("rss_total_mib", "MiB", total, "sum of the parts")}, parts...), nil
}

func metric(part string) string {
	return "rss_" + strings.NewReplacer("/", "_", "-", "_").Replace(part) + "_mib"
}

// errorsOf runs metacluster commands one after the other and shows what failed.
func errorsOf(ctx context.Context, metacluster string, commands ...string) error {
	for _, command := range commands {
		if out, err := exec.CommandContext(ctx, metacluster, command).CombinedOutput(); err != nil {
			return fmt.Errorf("metacluster %s: %w: %s", command, err, out)
		}
	}
	return nil
}
