package part

import (
	"fmt"
	"path/filepath"

	"github.com/metapilot/metapilot/e2e/metacluster/network"
	"github.com/metapilot/metapilot/e2e/metacluster/supervisor"
)

// nodeGrace is how long a node may be silent before it is NotReady. It is shorter than Kubernetes' default of 50 s and still two
// missed lease renewals, so that people who try node faults need not wait for a minute.
const nodeGrace = "20s"

func (s *Set) control(c Config) {
	s.Parts = append(s.Parts, supervisor.Part{
		Name: Control, Cgroup: filepath.Join(Control, "system", "holder"),
		Holder: &supervisor.Holder{Hostname: "metapilot-control", Nodes: c.Nodes, Cgroup: Control},
	})
	s.add(Control, "etcd", c.Etcd, etcdArgs(c), nil)
	s.add(Control, "kube-apiserver", c.Kubernetes["kube-apiserver"], apiserverArgs(c), nil)
	s.add(Control, "kube-controller-manager", c.Kubernetes["kube-controller-manager"], managerArgs(c), nil)
	s.add(Control, "kube-scheduler", c.Kubernetes["kube-scheduler"], schedulerArgs(c), nil)
}

func etcdArgs(c Config) []string {
	url := fmt.Sprintf("https://%s:%d", network.ControlAddress, etcdPort)
	peer := fmt.Sprintf("https://%s:%d", network.ControlAddress, etcdPeerPort)
	return []string{
		flag("name", Control),
		flag("data-dir", filepath.Join(c.State, "etcd")),
		flag("listen-client-urls", url),
		flag("advertise-client-urls", url),
		flag("listen-peer-urls", peer),
		flag("initial-advertise-peer-urls", peer),
		flag("initial-cluster", Control+"="+peer),
		flag("client-cert-auth", true),
		flag("trusted-ca-file", c.cert(EtcdCA)),
		flag("cert-file", c.cert(EtcdServer)),
		flag("key-file", c.key(EtcdServer)),
		flag("peer-client-cert-auth", true),
		flag("peer-trusted-ca-file", c.cert(EtcdCA)),
		flag("peer-cert-file", c.cert(EtcdServer)),
		flag("peer-key-file", c.key(EtcdServer)),
		flag("auto-compaction-mode", "revision"),
		flag("auto-compaction-retention", 10000),
	}
}

func apiserverArgs(c Config) []string {
	return []string{
		flag("etcd-servers", fmt.Sprintf("https://%s:%d", network.ControlAddress, etcdPort)),
		flag("etcd-cafile", c.cert(EtcdCA)),
		flag("etcd-certfile", c.cert(EtcdClient)),
		flag("etcd-keyfile", c.key(EtcdClient)),
		flag("bind-address", network.ControlAddress),
		flag("advertise-address", network.ControlAddress),
		flag("secure-port", apiPort),
		flag("tls-cert-file", c.cert(APIServerServing)),
		flag("tls-private-key-file", c.key(APIServerServing)),
		flag("client-ca-file", c.cert(ClusterCA)),
		flag("anonymous-auth", false),
		flag("authorization-mode", "Node,RBAC"),
		flag("enable-admission-plugins", "NodeRestriction"),
		flag("service-cluster-ip-range", network.ServiceSubnet),
		flag("service-account-issuer", "https://kubernetes.default.svc.cluster.local"),
		flag("service-account-key-file", c.cert(ServiceAccount)),
		flag("service-account-signing-key-file", c.key(ServiceAccount)),
		flag("kubelet-certificate-authority", c.cert(ClusterCA)),
		flag("kubelet-client-certificate", c.cert(KubeletClient)),
		flag("kubelet-client-key", c.key(KubeletClient)),
		flag("kubelet-preferred-address-types", "InternalIP"),
		flag("requestheader-client-ca-file", c.cert(FrontProxyCA)),
		flag("requestheader-allowed-names", FrontProxyClient),
		flag("requestheader-extra-headers-prefix", "X-Remote-Extra-"),
		flag("requestheader-group-headers", "X-Remote-Group"),
		flag("requestheader-username-headers", "X-Remote-User"),
		flag("proxy-client-cert-file", c.cert(FrontProxyClient)),
		flag("proxy-client-key-file", c.key(FrontProxyClient)),
		// The control plane has no kube-proxy: webhooks and aggregated APIs are reached at pod addresses.
		flag("enable-aggregator-routing", true),
		flag("allow-privileged", true),
	}
}

func managerArgs(c Config) []string {
	return append(c.componentArgs("kube-controller-manager", managerPort),
		flag("root-ca-file", c.cert(ClusterCA)),
		flag("cluster-signing-cert-file", c.cert(ClusterCA)),
		flag("cluster-signing-key-file", c.key(ClusterCA)),
		flag("service-account-private-key-file", c.key(ServiceAccount)),
		flag("use-service-account-credentials", true),
		flag("node-monitor-grace-period", nodeGrace),
		flag("flex-volume-plugin-dir", filepath.Join(c.State, "volume-plugins")), // or it makes one in /usr/libexec
	)
}

func schedulerArgs(c Config) []string {
	return c.componentArgs("kube-scheduler", schedulerPort)
}

// componentArgs are common to controller-manager and scheduler.
func (c Config) componentArgs(name string, port int) []string {
	kubeconfig := c.Kubeconfig(name)
	return []string{
		flag("kubeconfig", kubeconfig),
		flag("authentication-kubeconfig", kubeconfig),
		flag("authorization-kubeconfig", kubeconfig),
		flag("client-ca-file", c.cert(ClusterCA)),
		flag("requestheader-client-ca-file", c.cert(FrontProxyCA)),
		flag("requestheader-allowed-names", FrontProxyClient),
		flag("tls-cert-file", c.cert(ComponentServing)),
		flag("tls-private-key-file", c.key(ComponentServing)),
		flag("bind-address", network.ControlAddress),
		flag("secure-port", port),
	}
}
