package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/metapilot/metapilot/e2e/bench"
)

// figures of one size.
type figures struct {
	tenants    int
	first      time.Duration // from the start of the program until every tenant was decided about, and its first status written
	sweeps     []float64     // seconds from an answer of the metrics API until every tenant was decided about
	rss, peak  float64       // MiB
	cores      float64
	waits      []float64          // seconds from kills to sizes
	rest       map[string]float64 // requests in a second, by what they ask for
	unlimited  map[string]int
	restLasted time.Duration
}

// run is one size on its way.
type run struct {
	*plane
	o       options
	tenants int
	metrics *metricsAPI
	program *program
	figures figures
}

// sweepsLookedAt are those whose median is told.
const sweepsLookedAt = 5

// measureOne measures one size on an API server of its own.
func measureOne(ctx context.Context, o options, checkout, path string, tenants int) (f figures, problem error) {
	p, err := startPlane(checkout)
	if err != nil {
		return f, err
	}
	r := &run{plane: p, o: o, tenants: tenants, figures: figures{tenants: tenants}}
	defer func() { problem = errors.Join(problem, r.end()) }()
	if err := errors.Join(p.install(ctx), p.load(ctx, tenants, o.records)); err != nil {
		return f, err
	}
	if r.metrics, err = p.serveMetrics(ctx, tenants); err != nil {
		return f, err
	}
	kubeconfig, err := p.kubeconfig()
	if err != nil {
		return f, err
	}
	if r.program, err = start(path, kubeconfig, filepath.Join(o.logs(p.folder), fmt.Sprintf("cluster-scaler-%d.log", tenants)), o.flags); err != nil {
		return f, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if o.profiles > 0 {
		go func() {
			if err := p.writeProfiles(ctx, tenants, o.profiles); err != nil {
				panic(err) // nothing that is measured after that means anything
			}
		}()
	}
	for _, part := range []func(context.Context) error{r.begin, r.sweep, r.atRest, r.killed, r.asked} {
		if err := part(ctx); err != nil {
			return f, err
		}
	}
	return r.figures, nil
}

// logs is the folder for what the scaler says.
func (o *options) logs(otherwise string) string {
	if o.keep != "" {
		return o.keep
	}
	return otherwise
}

func (r *run) end() (problem error) {
	if r.program != nil {
		problem = r.program.stop()
	}
	if r.metrics != nil {
		problem = errors.Join(problem, r.metrics.stop())
	}
	return errors.Join(problem, r.plane.stop())
}

// begin waits until every tenant was decided about for the first time.
func (r *run) begin(ctx context.Context) error {
	at, err := r.decided(ctx, 0)
	if err != nil {
		return err
	}
	r.figures.first = at.Sub(r.program.began)
	fmt.Printf("%d tenants: all decided about %.1f s after the start; settling for %s\n", r.tenants, r.figures.first.Seconds(), r.o.settle)
	return wait(ctx, r.o.settle)
}

// longest that all tenants may take to be decided about.
const longest = 10 * time.Minute

// decided waits until as many decisions as there are tenants have ended after so many.
func (r *run) decided(ctx context.Context, before float64) (time.Time, error) {
	for deadline := time.Now().Add(longest); time.Now().Before(deadline); {
		n, err := r.program.reconciles(ctx)
		if err == nil && n >= before+float64(r.tenants) {
			return time.Now(), nil
		}
		if err := wait(ctx, 100*time.Millisecond); err != nil {
			return time.Time{}, err
		}
		if _, err := r.program.use(); err != nil {
			return time.Time{}, err
		}
	}
	return time.Time{}, fmt.Errorf("not all of %d tenants were decided about within %s", r.tenants, longest)
}

// sweep measures from an answer of the metrics API, which has every tenant looked at, until all of them were decided about.
func (r *run) sweep(ctx context.Context) error {
	for range sweepsLookedAt {
		before, err := r.program.reconciles(ctx)
		if err != nil {
			return err
		}
		answered, err := r.metrics.next(ctx)
		if err != nil {
			return err
		}
		done, err := r.decided(ctx, before)
		if err != nil {
			return err
		}
		r.figures.sweeps = append(r.figures.sweeps, done.Sub(answered).Seconds())
	}
	fmt.Printf("%d tenants: sweeps of %.2f s\n", r.tenants, r.figures.sweeps)
	return nil
}

// scrapes of the program's own metrics are as far apart as Prometheus' often are.
const scrapes = 30 * time.Second

// atRest looks at the program while nothing happens but that usage is read and profiles are written.
func (r *run) atRest(ctx context.Context) error {
	all, err := r.requests()
	if err != nil {
		return err
	}
	known := len(all)
	before, err := r.program.use()
	if err != nil {
		return err
	}
	now := before
	for until := before.at.Add(r.o.rest); now.at.Before(until); {
		if err := wait(ctx, time.Second); err != nil {
			return err
		}
		last := now.at
		if now, err = r.program.use(); err != nil {
			return err
		}
		r.figures.rss = max(r.figures.rss, now.rss)
		if last.Sub(before.at)/scrapes != now.at.Sub(before.at)/scrapes {
			if _, err := r.program.reconciles(ctx); err != nil {
				return err
			}
		}
	}
	lasted := now.at.Sub(before.at)
	r.figures.peak, r.figures.cores, r.figures.restLasted = now.peak, float64(now.cpu-before.cpu)/float64(lasted), lasted
	if all, err = r.requests(); err != nil {
		return err
	}
	r.figures.rest = map[string]float64{}
	for what, n := range between(all[known:], before.at, now.at) {
		r.figures.rest[what] = float64(n) / lasted.Seconds()
	}
	fmt.Printf("%d tenants: at rest %.0f MiB (most ever %.0f), %.3f cores, requests in a second: %v\n", r.tenants, r.figures.rss, now.peak, r.figures.cores, r.figures.rest)
	if r.o.keep != "" {
		return r.program.keep(ctx, r.o.keep, fmt.Sprintf("rest-%d", r.tenants))
	}
	return nil
}

func (r *run) killed(ctx context.Context) (err error) {
	sweep := time.Duration(bench.Median(r.figures.sweeps) * float64(time.Second))
	r.figures.waits, err = r.kills(ctx, r.o.kills, max(sweep, 100*time.Millisecond))
	if err == nil {
		fmt.Printf("%d tenants: %d kills, sizes written after %.2f s (median), %.2f s (p99)\n", r.tenants, len(r.figures.waits), bench.Median(r.figures.waits), bench.Percentile(r.figures.waits, 99))
	}
	return err
}

// asked looks at everything that the scaler has asked the API server for.
func (r *run) asked(context.Context) error {
	all, err := r.requests()
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return errors.New("the API server has written no request of the cluster-scaler down")
	}
	r.figures.unlimited = unlimited(all)
	return nil
}
