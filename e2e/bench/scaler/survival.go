package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/metapilot/metapilot/e2e/bench"
	"github.com/metapilot/metapilot/e2e/bench/rival"
	"github.com/metapilot/metapilot/e2e/load"
	"github.com/metapilot/metapilot/e2e/metacluster/progress"
)

// calm: a storm is survived when it goes on and nothing was killed for so long.
const calm = time.Minute

// ordeal is what one storm did to a tenant.
type ordeal struct {
	kills    int
	down     time.Duration // no client got an answer
	survived bool
	waits    []float64 // seconds from each kill to a larger limit
}

func (o ordeal) String() string {
	said := "survived"
	if !o.survived {
		said = "not survived"
	}
	return fmt.Sprintf("%s; %d kills, unavailable for %.0f s, larger limits after %.1f s", said, o.kills, o.down.Seconds(), o.waits)
}

// survival has both sides, with their default settings, go through the same storms.
func (b *bencher) survival(ctx context.Context) ([]bench.Row, error) {
	ours, err := b.ordeals(ctx, "ours", "{}")
	if err != nil {
		return nil, err
	}
	var theirs []ordeal
	if b.o.vpa {
		if theirs, err = b.rivals(ctx); err != nil {
			return nil, err
		}
	}
	return rowsOf(ours, theirs, b.o), nil
}

func rowsOf(ours, theirs []ordeal, o options) []bench.Row {
	how := fmt.Sprintf("%d list storms until nothing was killed for %s, %s at most; etcd and API server together; survived %s", o.storms, calm, o.limit, fraction(ours))
	rows := []bench.Row{
		bench.Plain("storm_kills", "", mean(ours, func(o ordeal) float64 { return float64(o.kills) }), "mean of "+how),
		bench.Plain("storm_unavailable_seconds", "s", mean(ours, func(o ordeal) float64 { return o.down.Seconds() }), "mean of the same"),
		bench.Plain("storms_survived_percent", "%", survived(ours), "of the same"),
	}
	if len(ours) > 0 && len(all(ours)) > 0 {
		rows = append(rows, bench.Plain("storm_kill_to_larger_limit_p50_seconds", "s", bench.Median(all(ours)), "all kills that were followed by a larger limit"))
	}
	if len(theirs) == 0 {
		return rows
	}
	rows[0] = rows[0].Beside("vpa", mean(theirs, func(o ordeal) float64 { return float64(o.kills) }))
	rows[1] = rows[1].Beside("vpa", mean(theirs, func(o ordeal) float64 { return o.down.Seconds() }))
	rows[2] = rows[2].Beside("vpa", survived(theirs))
	if waits := all(theirs); len(waits) > 0 && len(rows) > 3 {
		rows[3] = rows[3].Beside("vpa", bench.Median(waits))
	}
	return rows
}

func fraction(all []ordeal) string { return fmt.Sprintf("%.0f%% of ours", survived(all)) }

func survived(all []ordeal) float64 {
	return 100 * mean(all, func(o ordeal) float64 {
		if o.survived {
			return 1
		}
		return 0
	})
}

func mean(all []ordeal, of func(ordeal) float64) (sum float64) {
	for _, o := range all {
		sum += of(o)
	}
	return sum / float64(max(len(all), 1))
}

func all(ordeals []ordeal) (waits []float64) {
	for _, o := range ordeals {
		waits = append(waits, o.waits...)
	}
	return waits
}

// rivals has VPA look after tenants while no program of Metapilot does.
func (b *bencher) rivals(ctx context.Context) (done []ordeal, err error) {
	if err := rival.Install(ctx, b.c, progress.New(os.Stdout)); err != nil {
		return nil, err
	}
	defer func() {
		if wrong := rival.Remove(context.WithoutCancel(ctx), b.c); err == nil {
			err = wrong
		}
	}()
	return b.ordeals(ctx, "vpa", "")
}

func (b *bencher) ordeals(ctx context.Context, side, policy string) (done []ordeal, err error) {
	for i := range b.o.storms {
		o, err := b.endure(ctx, fmt.Sprintf("%s-%d", side, i+1), policy)
		if err != nil {
			return nil, err
		}
		fmt.Printf("%s, storm %d of %d: %s\n", side, i+1, b.o.storms, o)
		done = append(done, o)
	}
	return done, nil
}

// endure puts one tenant through one storm.
func (b *bencher) endure(ctx context.Context, name, policy string) (o ordeal, err error) {
	t, err := b.make(ctx, name, policy)
	if err != nil {
		return o, err
	}
	if err := load.Fill(ctx, t.config, load.Etcd, objects, bytes); err != nil {
		return o, err
	}
	back := func() error { return nil }
	if policy == "" {
		if back, err = t.handOver(ctx); err != nil {
			return o, err
		}
	}
	o, err = t.storm(ctx)
	// The operator comes back first: without it, no TenantCluster goes.
	return o, errors.Join(err, back(), t.remove(ctx))
}

// handOver has VPA replace pods, which is its default mode. In place, it meets kubernetes/kubernetes#138760: it resizes containers that are down,
// their cgroups keep the old limit, and they are killed for ever (kubernetes/autoscaler#9829).
//
// The tenant's workloads are taken from Metapilot, which would set their sizes back.
func (t *tenant) handOver(ctx context.Context) (back func() error, err error) {
	for kind, name := range map[string]string{"StatefulSet": "etcd", "Deployment": "kube-apiserver"} {
		if err := rival.Attach(ctx, t.b.c, rival.Recreate, t.home, kind, name); err != nil {
			return nil, err
		}
	}
	scale := func(n string) error {
		_, err := t.b.kubectl(context.WithoutCancel(ctx), "--namespace", "metapilot-system", "scale", "deployment/master-operator", "--replicas="+n)
		return err
	}
	return func() error { return scale("1") }, scale("0")
}

// storm lists everything until the tenant has survived that or the time is over. What etcd has to answer kills it, and then the API server.
func (t *tenant) storm(ctx context.Context) (o ordeal, err error) {
	_, endEtcd := t.watch(ctx, "etcd")
	w, endAPI := t.watch(ctx, "kube-apiserver")
	p := probe(ctx, t.config)
	stormy, over := context.WithTimeout(ctx, t.b.o.limit)
	defer over()
	told, err := load.Storm(stormy, t.config, load.Etcd, clients)
	if err != nil {
		return o, err
	}
	begun := time.Now()
	for stormy.Err() == nil && !o.survived {
		time.Sleep(time.Second)
		last := begun
		for _, k := range w.seen() {
			last = k.at
		}
		o.survived = told.Answered.Load() > 0 && time.Since(last) > calm && !w.mourning()
	}
	over()
	p.end()
	o.down = p.down
	for _, k := range append(endEtcd(), endAPI()...) {
		o.kills += k.deaths
		if k.recovered > 0 {
			o.waits = append(o.waits, k.recovered.Seconds())
		}
	}
	return o, nil
}
