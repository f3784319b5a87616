package addon_test

import (
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/metapilot/metapilot/e2e/metacluster/addon"
	"github.com/metapilot/metapilot/e2e/metacluster/network"
	"github.com/metapilot/metapilot/internal/pki"
)

func TestRender(t *testing.T) {
	datadriven.RunTest(t, "testdata/two_nodes.txt", func(t *testing.T, _ *datadriven.TestData) string {
		images := map[string]string{"coredns": "coredns:1", "metrics-server": "metrics-server:1", "volume-provisioner": "volume-provisioner:1"}
		out, err := addon.Render(addon.NewValues(network.Nodes(2), images, []byte("CA"), pki.Pair{Cert: []byte("CERT"), Key: []byte("KEY")}))
		if err != nil {
			t.Fatal(err)
		}
		return out
	})
}
