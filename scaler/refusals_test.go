package scaler_test

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/metapilot/metapilot/api/v1alpha1"
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

// The examples of the page are taken as they are, and the one with everything holds the defaults of the policy.
func examples(t *testing.T, w *world) {
	page, err := os.ReadFile(contract)
	must(t, err)
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(blocks) != 2 {
		t.Fatalf("the page has %d examples", len(blocks))
	}
	for _, block := range blocks {
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
