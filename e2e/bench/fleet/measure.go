package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/metapilot/metapilot/e2e/bench"
	"github.com/metapilot/metapilot/e2e/metacluster/component"
)

// Aims, at aimed tenants.
const (
	aimed        = 10_000
	aimMiB       = 512
	aimCores     = 0.3
	aimSweep     = 30
	aimOOM       = 1
	aimUnlimited = 0
)

func measure(ctx context.Context, o options) error {
	checkout, err := checkoutOf()
	if err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "bench-fleet-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	path, err := build(ctx, checkout, folder)
	if err != nil {
		return err
	}
	var all []figures
	var rows []bench.Row
	for _, tenants := range o.sizes {
		f, err := measureOne(ctx, o, checkout, path, tenants)
		if err != nil {
			return fmt.Errorf("%d tenants: %w", tenants, err)
		}
		all, rows = append(all, f), append(rows, f.rows()...)
	}
	rows = append(rows, limits(all)...)
	if err := os.WriteFile(filepath.Join(o.out, "fleet.svg"), []byte(picture(all)), 0o644); err != nil {
		return err
	}
	return bench.Write(os.Stdout, o.out, "fleet", rows)
}

func checkoutOf() (string, error) {
	checkout, err := component.Checkout()
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(filepath.Join(checkout, "bin", "assets", "kube-apiserver")); err != nil {
		return "", fmt.Errorf("no etcd and kube-apiserver: run make assets, which builds them: %w", err)
	}
	return checkout, nil
}

// label of a size in the names of metrics.
func label(tenants int) string {
	if tenants%1000 == 0 {
		return fmt.Sprintf("%dk", tenants/1000)
	}
	return fmt.Sprint(tenants)
}

// rows of one size. Aims are about the size that was promised.
func (f *figures) rows() []bench.Row {
	size, sum := label(f.tenants), 0.0
	var asked []string
	for _, what := range slices.Sorted(maps.Keys(f.rest)) {
		sum += f.rest[what]
		asked = append(asked, fmt.Sprintf("%s %.2f", what, f.rest[what]))
	}
	lists := 0
	for _, n := range f.unlimited {
		lists += n
	}
	aim := func(metric, unit string, ours, most float64, how string) bench.Row {
		if f.tenants != aimed {
			return bench.Plain(metric+"_"+size, unit, ours, how)
		}
		return bench.AtMost(metric+"_"+size, unit, ours, most, how)
	}
	return []bench.Row{
		aim("scaler_rss_mib", "MiB", f.rss, aimMiB, fmt.Sprintf("the most within %s at rest, resident; most ever %.0f", f.restLasted.Round(1e9), f.peak)),
		aim("scaler_cores", "cores", f.cores, aimCores, "mean over the same time, usage read every 15 s and every profile written every 5 min"),
		aim("sweep_seconds", "s", bench.Median(f.sweeps), aimSweep, fmt.Sprintf("from a reading of all usage until every tenant was decided about; median of %.2f", f.sweeps)),
		aim("first_sweep_seconds", "s", f.first.Seconds(), aimSweep, "from the start of the program until every tenant was decided about and its first status written"),
		bench.Plain("oom_to_sizing_p50_seconds_"+size, "s", bench.Median(f.waits), fmt.Sprintf("%d kills at random times while all tenants are looked at; from before the pod's status is written until the size is seen", len(f.waits))),
		aim("oom_to_sizing_p99_seconds", "s", bench.Percentile(f.waits, 99), aimOOM, fmt.Sprintf("the same kills; the slowest %.2f", bench.Percentile(f.waits, 100))),
		bench.Plain("rest_requests_per_second_"+size, "1/s", sum, strings.Join(asked, ", ")),
		aim("lists_without_limit", "", float64(lists), aimUnlimited, fmt.Sprintf("in the API server's audit log of the whole run: %v", f.unlimited)),
	}
}

// limits say at how many tenants each aim would be missed, by a straight line through the last two sizes: no more than a guess beyond the last one.
func limits(all []figures) (rows []bench.Row) {
	if len(all) < 2 {
		return nil
	}
	a, b := &all[len(all)-2], &all[len(all)-1]
	for _, one := range measures {
		slope := (one.of(b) - one.of(a)) / float64(b.tenants-a.tenants)
		row := bench.Row{Metric: "tenants_until_" + one.name, Aim: "-", How: "it does not grow with the number of tenants"}
		if slope > 0 {
			row = bench.Plain("tenants_until_"+one.name, "", float64(b.tenants)+(one.aim-one.of(b))/slope, fmt.Sprintf("extrapolated from %d and %d tenants: where it would be %g", a.tenants, b.tenants, one.aim))
		}
		rows = append(rows, row)
	}
	return rows
}

// measure is one figure that has an aim.
type figure struct {
	name, unit string
	aim        float64
	of         func(*figures) float64
}

var measures = []figure{
	{"rss", "MiB, resident", aimMiB, func(f *figures) float64 { return f.rss }},
	{"cores", "cores at rest", aimCores, func(f *figures) float64 { return f.cores }},
	{"sweep", "s until all are decided about", aimSweep, func(f *figures) float64 { return bench.Median(f.sweeps) }},
	{"oom", "s from kill to size (p99)", aimOOM, func(f *figures) float64 { return bench.Percentile(f.waits, 99) }},
}
