package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/metapilot/metapilot/e2e/bench"
)

const mib = 1 << 20

// summary is what a kubelet says of its pods (stats/summary), as far as it is read.
type summary struct {
	Pods []struct {
		PodRef     struct{ Namespace string }
		Containers []struct {
			Name   string
			CPU    struct{ UsageCoreNanoSeconds float64 }
			Memory struct{ WorkingSetBytes, RSSBytes float64 }
		}
	}
}

// use is of all containers of one name together.
type use struct {
	working, rss float64   // bytes
	core         float64   // nanoseconds since the containers started
	each         []float64 // working set of each, MiB
}

// look asks all kubelets.
func (b bencher) look(ctx context.Context) (map[string]*use, error) {
	all := map[string]*use{}
	for _, node := range b.c.Nodes {
		raw, err := b.kubectl(ctx, "get", "--raw", "/api/v1/nodes/"+node.Name+"/proxy/stats/summary")
		if err != nil {
			return nil, err
		}
		var s summary
		if err := json.Unmarshal([]byte(raw), &s); err != nil {
			return nil, fmt.Errorf("reading what the kubelet of %s says: %w", node.Name, err)
		}
		s.addTo(all)
	}
	return all, nil
}

// addTo counts the containers of tenants and of Metapilot.
func (s summary) addTo(all map[string]*use) {
	for _, pod := range s.Pods {
		if !strings.HasPrefix(pod.PodRef.Namespace, "tc-") && pod.PodRef.Namespace != "metapilot-system" {
			continue
		}
		for _, c := range pod.Containers {
			if all[c.Name] == nil {
				all[c.Name] = &use{}
			}
			u := all[c.Name]
			u.working, u.rss, u.core = u.working+c.Memory.WorkingSetBytes, u.rss+c.Memory.RSSBytes, u.core+c.CPU.UsageCoreNanoSeconds
			u.each = append(u.each, c.Memory.WorkingSetBytes/mib)
		}
	}
}

// weigh looks twice, a while apart.
func (b bencher) weigh(ctx context.Context) ([]bench.Row, error) {
	if err := wait(ctx, idle); err != nil {
		return nil, err
	}
	first, err := b.look(ctx)
	if err != nil {
		return nil, err
	}
	if err := wait(ctx, idle); err != nil {
		return nil, err
	}
	last, err := b.look(ctx)
	if err != nil {
		return nil, err
	}
	var rows []bench.Row
	tenant, cores := 0.0, 0.0
	for _, name := range []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"} {
		if first[name] == nil || last[name] == nil || len(last[name].each) != atOnce {
			return nil, fmt.Errorf("the kubelets do not say what %d containers %s use", atOnce, name)
		}
		tenant += bench.Median(last[name].each)
		cores += perSecond(first[name], last[name]) / atOnce
		rows = append(rows, bench.Plain("idle_"+strings.ReplaceAll(name, "-", "_")+"_mib", "MiB", bench.Median(last[name].each), "working set, median of 10 tenants"))
	}
	return append([]bench.Row{
		bench.AtMost("idle_tenant_mib", "MiB", tenant, aimIdleMiB, "working set of one of each, two minutes after the birth of ten"),
		bench.Plain("idle_tenant_millicores", "m", cores, "mean over a minute and ten tenants"),
		bench.Plain("operator_rss_mib_10", "MiB", last["master-operator"].rss/mib, "resident, with ten tenants that are probed"),
		bench.Plain("operator_millicores_10", "m", perSecond(first["master-operator"], last["master-operator"]), "mean over a minute with ten tenants"),
	}, rows...), nil
}

// perSecond is the CPU time between two looks in thousandths of a core.
func perSecond(first, last *use) float64 { return (last.core - first.core) / float64(idle) * 1000 }

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
