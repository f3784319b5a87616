// Package addon renders what runs inside the meta cluster from the first minute: DNS, metrics, volumes, and the rights and nodes
// that they rest on. It is pure: text in, text out.
package addon

import (
	"embed"
	"encoding/base64"
	"fmt"
	"strings"
	"text/template"

	"github.com/metapilot/metapilot/e2e/metacluster/network"
	"github.com/metapilot/metapilot/e2e/metacluster/part"
	"github.com/metapilot/metapilot/internal/pki"
)

//go:embed *.yaml
var files embed.FS

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"base64": func(b []byte) string { return base64.StdEncoding.EncodeToString(b) },
}).ParseFS(files, "*.yaml"))

// Values is what the manifests see.
type Values struct {
	Nodes       []network.Node
	Images      map[string]string // component -> image
	ClusterCA   []byte            // PEM
	MetricsCert pki.Pair
	DNS         string
	VolumeRoot  string
}

// NewValues fills in what is the same for every meta cluster.
func NewValues(nodes []network.Node, images map[string]string, clusterCA []byte, metricsCert pki.Pair) Values {
	return Values{
		Nodes: nodes, Images: images, ClusterCA: clusterCA, MetricsCert: metricsCert,
		DNS: network.DNSServiceIP.String(), VolumeRoot: part.VolumeRoot,
	}
}

// Render returns one stream of YAML documents, in the order in which they are to be applied.
func Render(v Values) (string, error) {
	var out strings.Builder
	for _, name := range []string{"base.yaml", "coredns.yaml", "metrics-server.yaml", "volume-provisioner.yaml"} {
		out.WriteString("---\n")
		if err := templates.ExecuteTemplate(&out, name, v); err != nil {
			return "", fmt.Errorf("rendering %s: %w", name, err)
		}
	}
	return out.String(), nil
}
