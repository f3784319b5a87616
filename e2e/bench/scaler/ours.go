package main

import (
	"context"
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/metapilot/metapilot/e2e/bench"
	"github.com/metapilot/metapilot/e2e/load"
	"github.com/metapilot/metapilot/scaler/model"
	"github.com/metapilot/metapilot/scaler/plan"
)

const (
	aimDecideNanoseconds = 50_000
	aimP50Seconds        = 1.5
	aimP99Seconds        = 4
)

// What a storm makes of a tenant.
const (
	objects = 1000
	bytes   = 50_000
	clients = 8
)

// decide measures one decision about a component that was just killed, and one at rest.
func (b *bencher) decide(context.Context) ([]bench.Row, error) {
	o, p := killed(), plan.Defaults()
	hot := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			plan.Decide(&o, &p)
		}
	})
	o.Kills = nil
	rest := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			plan.Decide(&o, &p)
		}
	})
	return []bench.Row{
		bench.AtMost("decide_ns", "ns", float64(hot.NsPerOp()), aimDecideNanoseconds, "one component with 3 pods and 60 samples each, just killed"),
		bench.Plain("decide_rest_ns", "ns", float64(rest.NsPerOp()), "the same at rest"),
		bench.Plain("decide_allocs", "", float64(hot.AllocsPerOp()), fmt.Sprintf("%d at rest", rest.AllocsPerOp())),
	}, nil
}

// killed is a component of three pods, one of which was killed.
func killed() model.Observed {
	now := time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)
	size := model.Size{Requests: model.Amounts{CPU: 100, Memory: 256 << 20}, Limits: model.Amounts{Memory: 512 << 20}}
	o := model.Observed{Now: now, Component: "etcd", Quorum: true, Size: size, Nodes: []model.Node{
		{Name: "node-1", Allocatable: model.Amounts{CPU: 16_000, Memory: 64 << 30}, Free: model.Amounts{CPU: 8_000, Memory: 32 << 30}},
	}}
	for i := range 3 {
		pod := model.Pod{Name: fmt.Sprintf("etcd-%d", i), Node: "node-1", Size: size, Actual: size, Running: true, Ready: true}
		for j := range 60 {
			pod.Usage = append(pod.Usage, model.Sample{At: now.Add(time.Duration(j-60) * 15 * time.Second), CPU: 50, Memory: int64(200+j%7) << 20})
		}
		o.Pods = append(o.Pods, pod)
	}
	o.Kills = []model.Kill{{Pod: "etcd-1", Container: "one", At: now.Add(-time.Second), Limit: 512 << 20}}
	return o
}

// reaction counts kills in storms that a small factor makes many of; the way from a kill to the larger limit is the same for every factor.
func (b *bencher) reaction(ctx context.Context) ([]bench.Row, error) {
	var rows []bench.Row
	for _, target := range []load.Target{load.Etcd, load.APIServer} {
		seconds, err := b.react(ctx, target)
		if err != nil {
			return nil, err
		}
		name := map[load.Target]string{load.Etcd: "etcd", load.APIServer: "apiserver"}[target]
		how := fmt.Sprintf("%d kills under a list storm, by the kernel: a process dies -> one runs whose cgroups have a larger limit; factor 110, so that there are many", len(seconds))
		rows = append(rows,
			bench.AtMost(name+"_oom_to_running_p50_seconds", "s", bench.Percentile(seconds, 50), aimP50Seconds, how),
			bench.AtMost(name+"_oom_to_running_p99_seconds", "s", bench.Percentile(seconds, 99), aimP99Seconds, "the same kills; with 20 of them, the slowest"))
	}
	return rows, nil
}

// manyKills: growth by a tenth only, and none by utilisation.
const manyKills = `{defaults: {estimators: {oom: {factorsPercent: [110]}, utilization: {enabled: false}}}}`

// react puts tenants through storms, one after the other, until enough kills of the component were mended.
func (b *bencher) react(ctx context.Context, target load.Target) (seconds []float64, err error) {
	for tried := 1; len(seconds) < b.o.kills; tried++ {
		t, err := b.make(ctx, fmt.Sprintf("reaction-%d", tried), manyKills)
		if err != nil {
			return nil, err
		}
		some, err := t.react(ctx, target, b.o.kills-len(seconds))
		if err != nil {
			return nil, err
		}
		if len(some) == 0 {
			return nil, fmt.Errorf("a storm has not killed %s at all", target)
		}
		seconds = append(seconds, some...)
		fmt.Printf("%s: %d of %d kills mended: %.2f s\n", target, len(seconds), b.o.kills, some)
		if err := t.remove(ctx); err != nil {
			return nil, err
		}
	}
	return seconds, nil
}

// react storms a tenant until so many kills were mended, or it survives.
func (t *tenant) react(ctx context.Context, target load.Target, enough int) (seconds []float64, err error) {
	w, end := t.watch(ctx, string(target))
	if err := load.Fill(ctx, t.config, target, objects, bytes); err != nil {
		return nil, err
	}
	stormy, over := context.WithTimeout(ctx, t.b.o.limit)
	defer over()
	if _, err := load.Storm(stormy, t.config, target, 2*clients); err != nil {
		return nil, err
	}
	for last := time.Now(); stormy.Err() == nil && !w.mended(enough) && time.Since(last) < calm; {
		time.Sleep(time.Second)
		if all := w.seen(); len(all) > 0 {
			last = all[len(all)-1].at
		}
	}
	over()
	return waits(end()), nil
}

// shortWindows lets growth by utilisation be seen within minutes.
const shortWindows = `{defaults: {sources: {cpu: {for: 15s}}, cooldown: {up: 15s}}}`

// growth has a tenant use more CPU than it asks for, and a client that never stops asking.
func (b *bencher) growth(ctx context.Context) ([]bench.Row, error) {
	t, err := b.make(ctx, "growth", shortWindows)
	if err != nil {
		return nil, err
	}
	before, err := t.pods(ctx)
	if err != nil {
		return nil, err
	}
	p := probe(ctx, t.config)
	if err := load.Fill(ctx, t.config, load.APIServer, 100, 10_000); err != nil {
		return nil, err
	}
	busy, rest := context.WithTimeout(ctx, b.o.limit)
	defer rest()
	if _, err := load.Storm(busy, t.config, load.APIServer, 1); err != nil {
		return nil, err
	}
	grown := t.awaitGrowth(busy)
	rest()
	failed, asked := p.end()
	after, err := t.pods(ctx)
	if err != nil {
		return nil, err
	}
	if grown == "" {
		return nil, fmt.Errorf("the API server's CPU request did not grow within %s", b.o.limit)
	}
	how := fmt.Sprintf("CPU request grown to %s; %d requests of a constant prober", grown, asked)
	return []bench.Row{
		bench.AtMost("inplace_restarts", "", float64(restarts(before, after)), 0, how),
		bench.AtMost("inplace_failed_requests", "", float64(failed), 0, "of the prober, none tried again"),
	}, t.remove(ctx)
}

// pods are the restarts of each pod by its uid.
func (t *tenant) pods(ctx context.Context) (map[types.UID]int32, error) {
	list, err := t.b.client.CoreV1().Pods(t.home).List(ctx, metav1.ListOptions{Limit: 100})
	if err != nil {
		return nil, err
	}
	all := map[types.UID]int32{}
	for _, p := range list.Items {
		for _, s := range p.Status.ContainerStatuses {
			all[p.UID] += s.RestartCount
		}
	}
	return all, nil
}

// restarts counts containers that were started again and pods that are others.
func restarts(before, after map[types.UID]int32) (n int32) {
	for uid, count := range after {
		if was, there := before[uid]; there {
			n += count - was
		} else {
			n++
		}
	}
	return n
}

// awaitGrowth returns the CPU request that running API servers have got; empty if the context ends before.
func (t *tenant) awaitGrowth(ctx context.Context) string {
	for ctx.Err() == nil {
		time.Sleep(time.Second)
		list, err := t.b.client.CoreV1().Pods(t.home).List(ctx, metav1.ListOptions{LabelSelector: "metapilot.io/component=kube-apiserver", Limit: 10})
		if err != nil {
			continue
		}
		for _, p := range list.Items {
			for _, s := range p.Status.ContainerStatuses {
				if s.Resources != nil && s.Resources.Requests.Cpu().MilliValue() > 100 {
					return s.Resources.Requests.Cpu().String()
				}
			}
		}
	}
	return ""
}
