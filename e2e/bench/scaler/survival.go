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
	kills     int
	down      time.Duration // no client got an answer
	survived  bool
	etcd, api []float64 // seconds from each kill to a larger limit
}

func (o ordeal) String() string {
	said := "survived"
	if !o.survived {
		said = "not survived"
	}
	return fmt.Sprintf("%s; %d kills, unavailable for %.0f s, larger limits of etcd after %.1f s, of the API server after %.1f s", said, o.kills, o.down.Seconds(), o.etcd, o.api)
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
	how := fmt.Sprintf("mean of %d list storms, each until nothing of etcd and the API server was killed for %s, %s at most", o.storms, calm, o.limit)
	rows := []bench.Row{bench.Plain("storms_survived_percent", "%", survived(ours), "of the same; VPA v1.7.3 with its defaults, but minReplicas 1, for an etcd of one member")}
	if len(theirs) == 0 {
		return append(rows, bench.Plain("storm_kills", "", mean(ours, deaths), how), bench.Plain("storm_unavailable_seconds", "s", mean(ours, outage), how))
	}
	rows[0] = rows[0].Beside("vpa", survived(theirs))
	return append(rows,
		bench.Less("storm_kills", "", mean(ours, deaths), "vpa", mean(theirs, deaths), how),
		bench.Less("storm_unavailable_seconds", "s", mean(ours, outage), "vpa", mean(theirs, outage), "the same; no answer to a small request"),
		compare("storm_etcd_kill_to_larger_limit_p50_seconds", ours, theirs, func(o ordeal) []float64 { return o.etcd }),
		compare("storm_apiserver_kill_to_larger_limit_p50_seconds", ours, theirs, func(o ordeal) []float64 { return o.api }))
}

func deaths(o ordeal) float64 { return float64(o.kills) }

func outage(o ordeal) float64 { return o.down.Seconds() }

// compare the medians of both sides.
func compare(metric string, ours, theirs []ordeal, of func(ordeal) []float64) bench.Row {
	a, b := gather(ours, of), gather(theirs, of)
	if len(a) == 0 || len(b) == 0 {
		return bench.Row{Metric: metric, Unit: "s", Aim: "< vpa", How: fmt.Sprintf("%d kills of ours, %d of VPA's: nothing to compare", len(a), len(b))}
	}
	how := fmt.Sprintf("%d kills of ours, %d of VPA's; one that was not mended by the end counts as long as it was waited for", len(a), len(b))
	return bench.Less(metric, "s", bench.Median(a), "vpa", bench.Median(b), how)
}

func gather(all []ordeal, of func(ordeal) []float64) (some []float64) {
	for _, o := range all {
		some = append(some, of(o)...)
	}
	return some
}

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
	etcd, endEtcd := t.watch(ctx, "etcd")
	api, endAPI := t.watch(ctx, "kube-apiserver")
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
		o.survived = told.Answered.Load() > 0 && time.Since(begun) > calm && etcd.calm() && api.calm()
	}
	over()
	p.end()
	o.down = p.down
	killedEtcd, killedAPI := endEtcd(), endAPI()
	for _, k := range append(killedEtcd, killedAPI...) {
		o.kills += k.deaths
	}
	o.etcd, o.api = waits(killedEtcd), waits(killedAPI)
	return o, nil
}
