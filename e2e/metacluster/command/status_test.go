package command

import (
	"strings"
	"testing"
	"time"

	"github.com/metapilot/metapilot/e2e/metacluster/cluster"
	"github.com/metapilot/metapilot/e2e/metacluster/supervisor"
)

func TestStatusTable(t *testing.T) {
	now := time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)
	part := func(p supervisor.PartStatus, mib int64) cluster.PartState {
		return cluster.PartState{PartStatus: p, RSS: mib << 20}
	}
	var out strings.Builder
	printStatus(&out, cluster.Status{
		Run: cluster.Run{Checkout: "/src", Nodes: 1}, State: "/state",
		Parts: []cluster.PartState{
			part(supervisor.PartStatus{Name: "etcd", PID: 12, StartedAt: now.Add(-time.Minute)}, 50),
			part(supervisor.PartStatus{Name: "node-1/kubelet", Restarts: 3, LastExit: "exit status 1", DiedAt: now.Add(-2 * time.Second)}, 0),
			part(supervisor.PartStatus{Name: "node-1/kube-proxy", Held: true}, 0),
			part(supervisor.PartStatus{Name: "node-1/pods", PID: -1}, 70),
		},
	}, now)
	want := `meta cluster of /src, 1 nodes, state in /state

PART               STATE    PID  AGE   RESTARTS  RSS      LAST EXIT
etcd               running  12   1m0s  0         50 MiB   
node-1/kubelet     dead     -    -     3         0 MiB    exit status 1, 2s ago
node-1/kube-proxy  stopped  -    -     0         0 MiB    
node-1/pods                                      70 MiB   
total                                            120 MiB  
`
	if out.String() != want {
		t.Errorf("the table is\n%s", out.String())
	}
}
