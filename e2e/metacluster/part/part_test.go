package part_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/metapilot/metapilot/e2e/metacluster/network"
	"github.com/metapilot/metapilot/e2e/metacluster/part"
)

func config(nodes int) part.Config {
	return part.Config{
		State: "/state", Nodes: network.Nodes(nodes), Etcd: "/bin/etcd", PauseImage: "metapilot.local/pause:v1", Memory: 24 << 30,
		Kubernetes: map[string]string{
			"kube-apiserver": "/bin/kube-apiserver", "kube-controller-manager": "/bin/kube-controller-manager",
			"kube-scheduler": "/bin/kube-scheduler", "kubelet": "/bin/kubelet", "kube-proxy": "/bin/kube-proxy",
		},
	}
}

// The golden file is the whole of what runs: read its diff like one of the code. go test -rewrite writes it.
func TestRender(t *testing.T) {
	set := part.Render(config(2))
	show := map[string]func(set part.Set, argument string) string{
		"parts": showParts, "holder": showHolder, "files": showFiles, "identities": showIdentities,
	}
	datadriven.RunTest(t, "testdata/two_nodes.txt", func(_ *testing.T, d *datadriven.TestData) string {
		argument := ""
		if len(d.CmdArgs) > 0 {
			argument = d.CmdArgs[0].Key
		}
		return show[d.Cmd](set, argument)
	})
}

func showParts(set part.Set, _ string) string {
	var out strings.Builder
	for _, p := range set.Parts {
		fmt.Fprintf(&out, "%s (needs %q, cgroup %s)\n", p.Name, p.Needs, p.Cgroup)
		for _, line := range append([]string{p.Path}, p.Args...) {
			fmt.Fprintf(&out, "    %s\n", line)
		}
	}
	return out.String()
}

func showHolder(set part.Set, name string) string {
	for _, p := range set.Parts {
		if p.Name == name {
			raw, err := json.MarshalIndent(p.Holder, "", "  ")
			return fmt.Sprintln(string(raw), err)
		}
	}
	return "none\n"
}

func showFiles(set part.Set, substring string) string {
	var out strings.Builder
	for _, path := range slices.Sorted(maps.Keys(set.Files)) {
		if strings.Contains(path, substring) {
			fmt.Fprintf(&out, "== %s\n%s", path, set.Files[path])
		}
	}
	return out.String()
}

func showIdentities(part.Set, string) string {
	var out strings.Builder
	for _, id := range part.Identities(network.Nodes(2)) {
		r := id.Request
		fmt.Fprintf(&out, "%s of %s: user %q groups %v hosts %v client=%v kubeconfig=%v\n",
			id.Name, id.Authority, r.CommonName, r.Organizations, r.Hosts, r.Client, id.Kubeconfig)
	}
	return out.String()
}

// A part is started after the one it needs, and no two share a cgroup.
func TestOrderAndCgroups(t *testing.T) {
	for _, nodes := range []int{1, 2, 7} {
		seen, cgroups := map[string]bool{"": true}, map[string]string{}
		for _, p := range part.Render(config(nodes)).Parts {
			if !seen[p.Needs] {
				t.Errorf("%s comes before %s, which it needs", p.Name, p.Needs)
			}
			if other, taken := cgroups[p.Cgroup]; taken {
				t.Errorf("%s and %s share the cgroup %s", p.Name, other, p.Cgroup)
			}
			seen[p.Name], cgroups[p.Cgroup] = true, p.Name
		}
	}
}

// A change of a file restarts the parts that read it, and no other.
func TestDigestFollowsFiles(t *testing.T) {
	before, changed := part.Render(config(2)), config(2)
	changed.PauseImage = "metapilot.local/pause:v2"
	var restarted []string
	for i, p := range part.Render(changed).Parts {
		if p.Digest != before.Parts[i].Digest {
			restarted = append(restarted, p.Name)
		}
	}
	if want := []string{"node-1/containerd", "node-2/containerd"}; !slices.Equal(restarted, want) {
		t.Errorf("a new pause image restarts %v, want %v", restarted, want)
	}
}
