package part

import (
	"fmt"
	"path/filepath"
	"strings"
	"text/template"

	_ "embed"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/metapilot/metapilot/e2e/metacluster/cgroup"
	"github.com/metapilot/metapilot/e2e/metacluster/network"
	"github.com/metapilot/metapilot/e2e/metacluster/supervisor"
)

// Places inside a node. A node sees a /var/lib and a /var/log of its own, so they are the usual ones.
const (
	ContainerdSocket = "/run/containerd/containerd.sock"
	VolumeRoot       = "/var/lib/local-volumes"
	kubeletFolder    = "/var/lib/kubelet"
	nodeConfig       = "/var/lib/node" // what metacluster gives the node: configuration, certificates
	cniBinaries      = "/usr/lib/cni"  // of Debian's containernetworking-plugins
)

// controlMemory is what the control plane, builds and the machine itself keep; the nodes share the rest.
const controlMemory = 3 << 30

var (
	//go:embed containerd.toml.tmpl
	containerdText string
	//go:embed kubelet.yaml.tmpl
	kubeletText string
	//go:embed cni.conflist.tmpl
	cniText string

	containerdTemplate = template.Must(template.New("containerd").Parse(containerdText))
	kubeletTemplate    = template.Must(template.New("kubelet").Parse(kubeletText))
	cniTemplate        = template.Must(template.New("cni").Parse(cniText))
)

// nodeValues is what the templates of a node see.
type nodeValues struct {
	Node           network.Node
	PauseImage     string
	Socket         string
	CNIBinaries    string
	CNIConfig      string
	CgroupRoot     string
	Config         string // folder of certificates
	DNS            string
	ReservedMemory string
}

func (s *Set) node(c Config, n network.Node) {
	s.Parts = append(s.Parts, c.nodeHolder(n))
	values, lib := c.nodeValues(n), filepath.Join(c.NodeFolder(n.Name), "lib", "node")
	s.add(n.Name, n.Name+"/containerd", "/usr/bin/containerd", []string{"--config", filepath.Join(nodeConfig, "containerd.toml")}, map[string]string{
		filepath.Join(lib, "containerd.toml"):              render(containerdTemplate, values),
		filepath.Join(lib, "cni", "10-metapilot.conflist"): render(cniTemplate, values),
	})
	s.add(n.Name, n.Name+"/kubelet", c.Kubernetes["kubelet"], kubeletArgs(n), map[string]string{
		filepath.Join(lib, "kubelet.yaml"): render(kubeletTemplate, values),
	})
	s.add(n.Name, n.Name+"/kube-proxy", c.Kubernetes["kube-proxy"], proxyArgs(n), nil)
}

func (c Config) nodeHolder(n network.Node) supervisor.Part {
	folder := c.NodeFolder(n.Name)
	return supervisor.Part{
		Name: n.Name, Needs: Control, Cgroup: filepath.Join(n.Name, "system", "holder"),
		Holder: &supervisor.Holder{
			Hostname: n.Name, Node: &n, Nodes: c.Nodes, Cgroup: n.Name, Files: kernelSettings,
			Binds: []supervisor.Bind{{From: filepath.Join(folder, "log"), At: "/var/log"}, {From: filepath.Join(folder, "lib"), At: "/var/lib"}},
		},
	}
}

func (c Config) nodeValues(n network.Node) nodeValues {
	return nodeValues{
		Node: n, PauseImage: c.PauseImage, Socket: ContainerdSocket, CNIBinaries: cniBinaries,
		CNIConfig: filepath.Join(nodeConfig, "cni"), CgroupRoot: filepath.Join(cgroup.Root, n.Name), Config: nodeConfig,
		DNS: network.DNSServiceIP.String(), ReservedMemory: c.reservedMemory(),
	}
}

func kubeletArgs(n network.Node) []string {
	return []string{
		flag("config", filepath.Join(nodeConfig, "kubelet.yaml")),
		flag("kubeconfig", filepath.Join(nodeConfig, n.Name+"-kubelet.kubeconfig")),
		flag("root-dir", kubeletFolder),
		flag("hostname-override", n.Name),
		flag("node-ip", n.Address),
	}
}

func proxyArgs(n network.Node) []string {
	return []string{
		flag("kubeconfig", filepath.Join(nodeConfig, n.Name+"-kube-proxy.kubeconfig")),
		flag("hostname-override", n.Name),
		flag("proxy-mode", "nftables"),
		flag("cluster-cidr", network.PodSubnet),
		flag("conntrack-max-per-core", 0), // a setting of the whole machine: not ours to change
	}
}

// kernelSettings are those that the kubelet wants to change for the whole machine. A node sees them as already done, so the machine
// keeps its own. Source: pkg/kubelet/cm/container_manager_linux.go, setupKernelTunables.
var kernelSettings = []supervisor.File{
	{At: "/proc/sys/vm/overcommit_memory", Text: "1\n"},
	{At: "/proc/sys/vm/panic_on_oom", Text: "0\n"},
	{At: "/proc/sys/kernel/panic", Text: "10\n"},
	{At: "/proc/sys/kernel/panic_on_oops", Text: "1\n"},
	{At: "/proc/sys/kernel/keys/root_maxkeys", Text: "1000000\n"},
	{At: "/proc/sys/kernel/keys/root_maxbytes", Text: "25000000\n"},
}

// reservedMemory makes the nodes share the machine's memory, so that the scheduler cannot place more than there is.
func (c Config) reservedMemory() string {
	share := max(0, c.Memory-controlMemory) / int64(len(c.Nodes))
	return resource.NewQuantity((c.Memory-share)>>20<<20, resource.BinarySI).String()
}

// NodeFolder is where a node keeps its files, seen from the machine.
func (c Config) NodeFolder(node string) string { return filepath.Join(c.State, "nodes", node) }

// NodeFiles maps files of the PKI to where the node sees them, in its folder.
func (c Config) NodeFiles(node string) map[string]string {
	to := filepath.Join(c.NodeFolder(node), "lib", "node")
	return map[string]string{
		c.cert(ClusterCA):                  filepath.Join(to, "cluster-ca.crt"),
		c.cert(node + "-serving"):          filepath.Join(to, "serving.crt"),
		c.key(node + "-serving"):           filepath.Join(to, "serving.key"),
		c.Kubeconfig(node + "-kubelet"):    filepath.Join(to, node+"-kubelet.kubeconfig"),
		c.Kubeconfig(node + "-kube-proxy"): filepath.Join(to, node+"-kube-proxy.kubeconfig"),
	}
}

func render(t *template.Template, values nodeValues) string {
	var out strings.Builder
	if err := t.Execute(&out, values); err != nil {
		panic(fmt.Sprintf("rendering %s: %v", t.Name(), err)) // the templates are constants, covered by a test
	}
	return out.String()
}
