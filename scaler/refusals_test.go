package scaler_test

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/yaml"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler"
	"github.com/metapilot/metapilot/scaler/plan"
	_ "github.com/metapilot/metapilot/scaler/source/probes"   // for its metrics
	_ "github.com/metapilot/metapilot/scaler/source/programs" // for those of questions
)

// contract is the page for users; its table of bad inputs is tested row by row.
const contract = "../docs/spec/clusterscaler.md"

// badInput is a row of the table: what is written, when it is told, and what the user sees.
var badInput = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (create|change|stalled) \\| ([^|]+) \\|$")

// refusals: every row of the user's contract is told to the user in the words of the table.
func refusals(t *testing.T, w *world) {
	page, err := os.ReadFile(contract)
	must(t, err)
	_, table, _ := strings.Cut(string(page), "\n## What is refused\n")
	rows := badInput.FindAllStringSubmatch(table, -1)
	if lines := strings.Count(table, "\n| `"); len(rows) < 30 || len(rows) != lines {
		t.Fatalf("%d rows were read from %s, which has %d", len(rows), contract, lines)
	}
	w.tenantOf(t, "demo")
	w.deploymentOf(t, "web", size("50m", "96Mi", "512Mi"))
	w.tenantOf(t, "taken")
	w.scalerOf(t, "taken", "{}")
	<-time.After(1100 * time.Millisecond) // creation is told in seconds
	for i, row := range rows {
		t.Run(row[1], func(t *testing.T) { w.refuses(t, fmt.Sprintf("bad-%d", i), row[1], row[2], strings.TrimSpace(row[3])) })
	}
}

func (w *world) refuses(t *testing.T, name, written, when, seen string) {
	o := object("ClusterScaler", name)
	var more map[string]any
	must(t, yaml.Unmarshal([]byte(written), &more))
	var err error
	if when == "change" {
		o.Object["spec"] = map[string]any{"tenantCluster": map[string]any{"name": "demo"}, "mode": map[string]any{"up": "Off"}}
		must(t, w.Create(t.Context(), o))
		defer w.remove(t, o)
		raw, wrong := json.Marshal(more)
		must(t, wrong)
		err = w.Patch(t.Context(), o, client.RawPatch(types.MergePatchType, raw))
	} else {
		overlay(o.Object, more)
		err = w.Create(t.Context(), o)
	}
	switch {
	case when == "stalled":
		must(t, err)
		defer w.remove(t, o)
		w.awaitStalled(t, name, seen)
	case err == nil:
		w.remove(t, o)
		t.Fatal("it was taken")
	case !strings.Contains(err.Error(), seen):
		t.Errorf("the user sees\n%s\nwhich does not say\n%s", err, seen)
	}
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

// inStep: what the page says of examples, defaults, guards and metrics is what there is.
func inStep(t *testing.T, w *world) {
	raw, err := os.ReadFile(contract)
	must(t, err)
	page := string(raw)
	var full v1alpha1.ClusterScaler
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(page, -1) {
		must(t, yaml.UnmarshalStrict([]byte(block[1]), &full))
		o := &unstructured.Unstructured{}
		must(t, yaml.Unmarshal([]byte(block[1]), &o.Object))
		o.SetNamespace("default")
		o.SetName("example-of-" + o.GetName())
		if err := client.WithFieldValidation(w.Client, "Strict").Create(t.Context(), o); err != nil {
			t.Errorf("an example of the page is refused: %v\n%s", err, block[1])
			continue
		}
		w.remove(t, o)
	}
	full.Spec.Defaults.Bounds = v1alpha1.Bounds{} // which have no defaults
	said := plan.PolicyOf(&v1alpha1.ClusterScalerSpec{Defaults: full.Spec.Defaults}, "etcd")
	if want := plan.Defaults(); !reflect.DeepEqual(said, want) {
		t.Errorf("the example with everything does not show the defaults but\n%+v, want\n%+v", said, want)
	}
	guardsInStep(t, w, page)
	metricsInStep(t, page)
}

// guardsInStep compares the page's guards with those that a record tells of.
func guardsInStep(t *testing.T, w *world, page string) {
	t.Helper()
	_, table, _ := strings.Cut(page, "\n## Guards\n")
	table, _, _ = strings.Cut(table, "\n## ")
	var said, asked []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\|").FindAllStringSubmatch(table, -1) {
		said = append(said, row[1])
	}
	for _, g := range w.awaitRecord(t, "killed", "Up", 1).Spec.Guards {
		asked = append(asked, g.Guard)
	}
	if !slices.Equal(said, asked) {
		t.Errorf("the page tells of the guards\n%q, and a record of\n%q", said, asked)
	}
}

// metricsInStep compares the page's metrics with those that are registered.
func metricsInStep(t *testing.T, page string) {
	t.Helper()
	_, table, _ := strings.Cut(page, "\n## Status, events, metrics\n")
	table, _, _ = strings.Cut(table, "\n## ")
	var said, there []string
	for _, row := range regexp.MustCompile("(?m)^\\| `metapilot_[^|]*").FindAllString(table, -1) {
		said = append(said, regexp.MustCompile("metapilot_[a-z_]+").FindAllString(row, -1)...)
	}
	described := make(chan *prometheus.Desc, 1000)
	metrics.Registry.(prometheus.Collector).Describe(described)
	prometheus.Collector(scaler.HeldChanges(nil, nil)).Describe(described)
	close(described)
	for d := range described {
		there = append(there, regexp.MustCompile("\"(metapilot_[a-z_]+)\"").FindAllString(d.String(), -1)...)
	}
	for i := range there {
		there[i] = strings.Trim(there[i], "\"")
	}
	slices.Sort(said)
	slices.Sort(there)
	if there = slices.Compact(there); !slices.Equal(said, there) {
		t.Errorf("the page tells of the metrics\n%q, and there are\n%q", said, there)
	}
}

// What the API server takes and no program can read stops the work for the whole fleet: each of them keeps a list of all objects of the kind.
func unreadable(t *testing.T, w *world) {
	for written, o := range map[string]*unstructured.Unstructured{
		`spec: {pause: {reason: moving, until: "2026-12-01t08:00:00z"}}`:                             object("ClusterScaler", "unreadable"),
		`spec: {defaults: {bounds: {max: {memory: 1e1.5}}}}`:                                         object("ClusterScaler", "unreadable"),
		`spec: {version: v1.36.3, sizing: {apiServer: {restartedAt: "2026-12-01t08:00:00z"}}}`:       object("TenantCluster", "unreadable"),
		`spec: {defaults: {bounds: {min: {cpu: .5e.5}}}}`:                                            object("ClusterScaler", "unreadable"),
		`spec: {components: [{name: etcd, bounds: {max: {memory: "1E2.0"}}}], mode: {up: "DryRun"}}`: object("ClusterScaler", "unreadable"),
	} {
		t.Run(written, func(t *testing.T) {
			var more map[string]any
			must(t, yaml.Unmarshal([]byte(written), &more))
			overlay(o.Object, more)
			if err := w.Create(t.Context(), o); err != nil {
				return
			}
			defer w.remove(t, o)
			var typed client.Object = &v1alpha1.ClusterScaler{}
			if o.GetKind() == "TenantCluster" {
				typed = &v1alpha1.TenantCluster{}
			}
			if err := w.Get(t.Context(), client.ObjectKeyFromObject(o), typed); err != nil {
				t.Errorf("it was taken, and whoever reads it is told: %v", err)
			}
		})
	}
}
