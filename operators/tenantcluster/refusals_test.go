package tenantcluster_test

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
)

// contract is the page for users; its table of bad inputs is tested row by row.
const contract = "../../docs/spec/tenantcluster.md"

// badInput is a row of the table: what is written into a good TenantCluster, when, and what the user sees.
var badInput = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (create|change) \\| ([^|]+) \\|$")

// refusals: every row of the user's contract is refused by the API server in the words of the table.
func refusals(t *testing.T, c client.Client) {
	page, err := os.ReadFile(contract)
	if err != nil {
		t.Fatal(err)
	}
	var raw []byte
	rows := badInput.FindAllStringSubmatch(string(page), -1)
	if len(rows) < 20 {
		t.Fatalf("only %d rows were read from %s", len(rows), contract)
	}
	for i, row := range rows {
		t.Run(row[1], func(t *testing.T) {
			tc := minimal(fmt.Sprintf("bad-%d", i))
			var more map[string]any
			if err := yaml.Unmarshal([]byte(row[1]), &more); err != nil {
				t.Fatal(err)
			}
			if row[2] == "change" {
				if err := c.Create(t.Context(), tc); err != nil {
					t.Fatal(err)
				}
				raw, err = json.Marshal(more)
				if err == nil {
					err = c.Patch(t.Context(), tc, client.RawPatch(types.MergePatchType, raw))
				}
			} else {
				overlay(tc.Object, more)
				err = c.Create(t.Context(), tc)
			}
			if err == nil {
				t.Fatal("it was taken")
			}
			if seen := strings.TrimSpace(row[3]); !strings.Contains(err.Error(), seen) {
				t.Errorf("the user sees\n%s\nwhich does not say\n%s", err, seen)
			}
		})
	}
}

// minimal is the shortest TenantCluster.
func minimal(name string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "metapilot.io/v1alpha1", "kind": "TenantCluster",
		"metadata": map[string]any{"name": name, "namespace": "default"},
		"spec":     map[string]any{"version": "v1.36.3"},
	}}
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
