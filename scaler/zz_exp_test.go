package scaler_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/internal/testenv"
)

func TestExp(t *testing.T) {
	env := testenv.Start(t, testenv.Options{CRDs: []string{"../charts/metapilot-crds/templates"}})
	w := newWorld(t, env.Config)
	w.stop()
	for i, row := range strings.Split(strings.TrimSpace(`
create {metadata: {name: a.b}}
create {metadata: {name: a23456789012345678901234567890123456789012345678901}}
create {spec: {tenantCluster: {name: one}, workloads: [{kind: Deployment, name: web}]}}
create {spec: {tenantCluster: {name: ""}}}
create {spec: {tenantCluster: {}}}
create {spec: {tenantCluster: one}}
create {spec: {workloads: []}}
create {spec: {workloads: [{kind: DaemonSet, name: web}]}}
create {spec: {workloads: [{kind: deployment, name: web}]}}
create {spec: {workloads: [{name: web}]}}
create {spec: {workloads: [{kind: Deployment, name: web}, {kind: StatefulSet, name: web}]}}
create {spec: {workloads: [{kind: Deployment, name: a}, {kind: Deployment, name: b}, {kind: Deployment, name: c}, {kind: Deployment, name: d}, {kind: Deployment, name: e}, {kind: Deployment, name: f}, {kind: Deployment, name: g}]}}
change {spec: {tenantCluster: {name: another}}}
change {spec: {workloads: [{kind: Deployment, name: web}]}}
create {spec: {mode: {up: Off}}}
create {spec: {mode: {up: auto}}}
create {spec: {mode: Auto}}
create {spec: {mode: {up: ""}}}
create {spec: {components: [{name: etcd, mode: {down: On}}]}}
create {spec: {components: [{name: etcd, mode: {down: Never}}]}}
create {spec: {pause: {}}}
create {spec: {pause: {reason: ""}}}
create {spec: {pause: true}}
create {spec: {pause: {reason: x, until: tomorrow}}}
create {spec: {pause: {reason: x, until: "2026-12-01"}}}
create {spec: {pause: {reason: x, until: 2026-12-01T08:00:00Z}}}
create {spec: {pause: {reason: x, until: "2026-12-01 08:00:00Z"}}}
create {spec: {pause: {reason: x, until: "2026-12-01t08:00:00z"}}}
create {spec: {components: [{name: etcd}, {name: etcd}]}}
create {spec: {components: [{mode: {up: Auto}}]}}
create {spec: {components: [{name: ""}]}}
create {spec: {defaults: {sources: {cpu: {abovePercent: 0}}}}}
create {spec: {defaults: {sources: {cpu: {abovePercent: 1001}}}}}
create {spec: {defaults: {sources: {cpu: {abovePercent: 80%}}}}}
create {spec: {defaults: {sources: {cpu: {abovePercent: 80.5}}}}}
create {spec: {defaults: {sources: {memory: {for: 90}}}}}
create {spec: {defaults: {sources: {memory: {for: 1d}}}}}
create {spec: {defaults: {sources: {memory: {for: -1m}}}}}
create {spec: {defaults: {sources: {memory: {for: 1m 30s}}}}}
create {spec: {defaults: {sources: {memory: {for: ""}}}}}
create {spec: {defaults: {sources: {memory: {projection: 9000h}}}}}
create {spec: {defaults: {sources: {oom: {enabled: nope}}}}}
create {spec: {defaults: {estimators: {oom: {factorsPercent: []}}}}}
create {spec: {defaults: {estimators: {oom: {factorsPercent: [100]}}}}}
create {spec: {defaults: {estimators: {oom: {factorsPercent: [1.5]}}}}}
create {spec: {defaults: {estimators: {oom: {factorsPercent: [110, 120, 130, 140, 150, 160, 170, 180, 190]}}}}}
create {spec: {defaults: {estimators: {oom: {factorsPercent: [5000]}}}}}
create {spec: {defaults: {estimators: {oom: {factorsPercent: [300, 150]}}}}}
create {spec: {defaults: {estimators: {oom: {repeatWithin: soon}}}}}
create {spec: {defaults: {estimators: {utilization: {maxStepPercent: 100}}}}}
create {spec: {defaults: {estimators: {utilization: {cpuTargetPercent: 0}}}}}
create {spec: {defaults: {estimators: {utilization: {cpuTargetPercent: 90}}}}}
create {spec: {defaults: {bounds: {min: {memory: 2Gi}, max: {memory: 1Gi}}}}}
create {spec: {defaults: {bounds: {min: {cpu: 2}, max: {cpu: 1500m}}}}}
create {spec: {defaults: {bounds: {max: {memory: 4GB}}}}}
create {spec: {defaults: {bounds: {max: {memory: 1e1.5}}}}}
create {spec: {defaults: {bounds: {max: {memory: 1e99999999999}}}}}
create {spec: {defaults: {bounds: {max: {memory: 0}}}}}
create {spec: {defaults: {bounds: {max: {memory: -1Gi}}}}}
create {spec: {defaults: {bounds: {max: {cpu: 9E}}}}}
create {spec: {defaults: {bounds: {max: {disk: 1Gi}}}}}
create {spec: {defaults: {bounds: {min: {memory: 2Gi}}}, components: [{name: etcd, bounds: {max: {memory: 1Gi}}}]}}
create {spec: {defaults: {cooldown: {up: forever}}}}
create {spec: {defaults: {tolerancePercent: 0}}}
create {spec: {defaults: {outcome: {early: 24h, late: 1h}}}}
create {spec: {defaults: {outcome: {early: 99999h}}}}
create {spec: {defaults: {restarts: {quietFor: 8761h}}}}
create {spec: {records: {keep: 0}}}
create {spec: {records: {keep: 1001}}}
create {spec: {records: {maxAge: 30d}}}
create {spec: {records: {maxAge: 0s}}}
create {spec: {records: null}}
create {spec: null}
create {spec: {mode: null}}
create {spec: {bounds: {}}}
`), "\n") {
		when, text, _ := strings.Cut(row, " ")
		var more map[string]any
		must(t, yaml.Unmarshal([]byte(text), &more))
		o := object("ClusterScaler", fmt.Sprintf("bad-%d", i))
		var err error
		if when == "change" {
			o.Object["spec"] = map[string]any{"tenantCluster": map[string]any{"name": "one"}}
			must(t, w.Create(t.Context(), o))
			raw, _ := json.Marshal(more)
			err = w.Patch(t.Context(), o, client.RawPatch(types.MergePatchType, raw))
		} else {
			overlay(o.Object, more)
			err = w.Create(t.Context(), o)
		}
		says := "TAKEN"
		if err != nil {
			says = err.Error()
		} else {
			cs := &v1alpha1.ClusterScaler{}
			if err := w.Get(t.Context(), client.ObjectKeyFromObject(o), cs); err != nil {
				says += " AND POISONED: " + err.Error()
			} else {
				raw, _ := json.Marshal(cs.Spec)
				says += " " + string(raw)
			}
			w.remove(t, o)
		}
		fmt.Printf("ROW %s\n    %s\n", text, says)
	}
	bad := object("TenantCluster", "poison")
	var more map[string]any
	must(t, yaml.Unmarshal([]byte(`{spec: {version: v1.36.3, sizing: {apiServer: {restartedAt: "2026-12-01t08:00:00z"}}}}`), &more))
	overlay(bad.Object, more)
	fmt.Println("TC", w.Create(t.Context(), bad), w.Get(t.Context(), client.ObjectKeyFromObject(bad), &v1alpha1.TenantCluster{}))
}

func overlay(into, more map[string]any) {
	for key, value := range more {
		below, isMap := value.(map[string]any)
		have, hasMap := into[key].(map[string]any)
		if isMap && hasMap {
			overlay(have, below)
		} else {
			into[key] = value
		}
	}
}
