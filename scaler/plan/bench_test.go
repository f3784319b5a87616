package plan

import (
	"testing"
	"time"

	"github.com/metapilot/metapilot/scaler/model"
)

// busy is what a fleet's scaler looks at most: three pods with a quarter of an hour of readings each, on three of ten nodes.
func busy() (*model.Observed, *model.Policy) {
	w := newWorld()
	w.build("etcd", 3, true, model.Size{Requests: model.Amounts{CPU: 50, Memory: 96 << 20}, Limits: model.Amounts{Memory: 512 << 20}})
	for i := range 10 {
		free := model.Amounts{CPU: 2000, Memory: 8 << 30}
		w.o.Nodes = append(w.o.Nodes, model.Node{Name: string(rune('a' + i)), Allocatable: model.Amounts{CPU: 4000, Memory: 16 << 30}, Free: free})
	}
	for i := range w.o.Pods {
		w.o.Pods[i].Node = w.o.Nodes[i].Name
		for k := range keptSamples {
			at := start.Add(time.Duration(k-keptSamples+1) * samplePeriod)
			w.o.Pods[i].Usage = append(w.o.Pods[i].Usage, model.Sample{At: at, CPU: 20, Memory: 300<<20 + int64(k%7)<<20})
		}
	}
	p := Defaults()
	return &w.o, &p
}

func BenchmarkDecide(b *testing.B) {
	b.Run("at rest", func(b *testing.B) { benchmark(b, 0, model.Stay) })
	b.Run("after an OOM kill", func(b *testing.B) { benchmark(b, 16, model.Up) })
}

func benchmark(b *testing.B, kills int, want model.Decision) {
	o, p := busy()
	for i := range kills {
		ago := time.Duration(kills-i-1) * time.Minute
		o.Kills = append(o.Kills, model.Kill{Pod: "etcd-0", Container: ago.String(), At: start.Add(-ago), Limit: int64(512-32*(kills-i-1)/2) << 20})
	}
	if plan := Decide(o, p); plan.Decision != want {
		b.Fatalf("%s: %s", plan.Decision, plan.Reason)
	}
	b.ReportAllocs()
	for b.Loop() {
		Decide(o, p)
	}
}
