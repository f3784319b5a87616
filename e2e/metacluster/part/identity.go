package part

import (
	"path/filepath"
	"time"

	"github.com/metapilot/metapilot/e2e/metacluster/network"
	"github.com/metapilot/metapilot/internal/pki"
)

// Authorities. Each trust domain has its own: who may ask etcd is no user of the API, and the front proxy may speak for anybody.
const (
	ClusterCA    = "cluster-ca"
	EtcdCA       = "etcd-ca"
	FrontProxyCA = "front-proxy-ca"
)

// Certificates of servers and clients, and the service-account key.
const (
	EtcdServer       = "etcd"
	EtcdClient       = "etcd-client"
	APIServerServing = "kube-apiserver"
	ComponentServing = "component"
	KubeletClient    = "kubelet-client"
	FrontProxyClient = "front-proxy-client"
	ServiceAccount   = "service-account"
	Admin            = "admin"
	MetricsServer    = "metrics-server"
)

// Validities. A meta cluster on one machine does not live long, so nothing is renewed: down and up make everything anew.
const (
	AuthorityValidity = 10 * 365 * 24 * time.Hour
	leafValidity      = 365 * 24 * time.Hour
)

// Identity is one certificate to issue.
type Identity struct {
	Name       string // of the files
	Authority  string
	Request    pki.Request
	Kubeconfig bool // the holder talks to the API through a kubeconfig
}

// Authorities are the names of all authorities.
func Authorities() []string { return []string{ClusterCA, EtcdCA, FrontProxyCA} }

// Identities lists every certificate of the meta cluster.
func Identities(nodes []network.Node) []Identity {
	control := network.ControlAddress.String()
	all := []Identity{
		server(EtcdServer, EtcdCA, control),
		client(EtcdClient, EtcdCA, "kube-apiserver"),
		server(APIServerServing, ClusterCA, control, network.APIServiceIP.String(),
			"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"),
		server(ComponentServing, ClusterCA, control),
		server(MetricsServer, ClusterCA, "metrics-server.kube-system.svc", "metrics-server.kube-system.svc.cluster.local"),
		client(KubeletClient, ClusterCA, "metapilot:kube-apiserver-kubelet-client"),
		client(FrontProxyClient, FrontProxyCA, FrontProxyClient),
		user("kube-controller-manager", "system:kube-controller-manager"),
		user("kube-scheduler", "system:kube-scheduler"),
		user(Admin, "metapilot:admin", "system:masters"),
	}
	for _, n := range nodes {
		kubelet := user(n.Name+"-kubelet", "system:node:"+n.Name, "system:nodes")
		serving := server(n.Name+"-serving", ClusterCA, n.Address.String(), n.Name)
		all = append(all, kubelet, serving, user(n.Name+"-kube-proxy", "system:kube-proxy"))
	}
	return all
}

// server is a certificate with which a server also proves itself to its own kind, as etcd's members do.
func server(name, authority string, hosts ...string) Identity {
	return Identity{Name: name, Authority: authority, Request: pki.Request{
		CommonName: name, Hosts: hosts, Client: authority == EtcdCA, Validity: leafValidity,
	}}
}

func client(name, authority, user string, groups ...string) Identity {
	return Identity{Name: name, Authority: authority, Request: pki.Request{
		CommonName: user, Organizations: groups, Client: true, Validity: leafValidity,
	}}
}

func user(name, user string, groups ...string) Identity {
	id := client(name, ClusterCA, user, groups...)
	id.Kubeconfig = true
	return id
}

// Kubeconfig is the kubeconfig file of an identity.
func (c Config) Kubeconfig(name string) string {
	return filepath.Join(c.State, "kubeconfig", name+".kubeconfig")
}

// PKI is the folder of all certificates and keys.
func (c Config) PKI() string { return filepath.Join(c.State, "pki") }

func (c Config) cert(name string) string { return filepath.Join(c.PKI(), name+".crt") }
func (c Config) key(name string) string  { return filepath.Join(c.PKI(), name+".key") }
