package plan

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/metapilot/metapilot/api/v1alpha1"
)

// Folders inside the containers.
const (
	pkiFolder  = "/etc/metapilot/pki"  // one folder a Secret below it
	confFolder = "/etc/metapilot/conf" // kubeconfig of the controller manager and the scheduler
	etcdFolder = "/var/lib/etcd"
	tmpFolder  = "/tmp"
)

// quotaS is the database quota of preset S, in bytes (research: 2 GiB up to 100 nodes; etcd's own default).
const quotaS = 2 << 30

func certFile(secret string) string { return path.Join(pkiFolder, secret, "tls.crt") }
func keyFile(secret string) string  { return path.Join(pkiFolder, secret, "tls.key") }
func caFile(secret string) string   { return path.Join(pkiFolder, secret, "ca.crt") }

// flags is a set of flags by name.
type flags map[string]string

// args lists the flags in a stable order.
func (f flags) args() []string {
	args := make([]string, 0, len(f))
	for name, value := range f {
		args = append(args, "--"+name+"="+value)
	}
	slices.Sort(args)
	return args
}

func (f flags) add(more flags) flags {
	for name, value := range more {
		f[name] = value
	}
	return f
}

// ours are the flags that Metapilot sets; some depend on the address of the Service.
func ours(o Observed, component string) flags {
	switch component {
	case Etcd:
		return etcdFlags(o.Tenant)
	case APIServer:
		return apiServerIdentity(o).add(apiServerPresetS())
	case ControllerManager:
		return controllerFlags(o.Tenant).add(controllerPresetS())
	default:
		return schedulerFlags()
	}
}

func extra(t *v1alpha1.TenantCluster, component string) []v1alpha1.Arg {
	return map[string][]v1alpha1.Arg{
		Etcd: t.Spec.Etcd.ExtraArgs, APIServer: t.Spec.APIServer.ExtraArgs,
		ControllerManager: t.Spec.ControllerManager.ExtraArgs, Scheduler: t.Spec.Scheduler.ExtraArgs,
	}[component]
}

// componentArgs are our flags with the user's in their place. The user's have been checked (see CheckArgs).
func componentArgs(o Observed, component string) []string {
	all := ours(o, component)
	for _, a := range extra(o.Tenant, component) {
		all[a.Name] = a.Value
	}
	return all.args()
}

// POD_NAME is expanded by the kubelet from the container's environment.
const podName = "$(POD_NAME)"

func etcdFlags(t *v1alpha1.TenantCluster) flags {
	return etcdAddresses(t).add(etcdTrust()).add(etcdPresetS()).add(flags{"name": podName, "data-dir": etcdFolder + "/data"})
}

func etcdAddresses(t *v1alpha1.TenantCluster) flags {
	own := podName + "." + serviceHost(t, Etcd)
	return flags{
		"listen-client-urls":          fmt.Sprintf("https://0.0.0.0:%d", clientPort),
		"advertise-client-urls":       fmt.Sprintf("https://%s:%d", own, clientPort),
		"listen-peer-urls":            fmt.Sprintf("https://0.0.0.0:%d", peerPort),
		"initial-advertise-peer-urls": fmt.Sprintf("https://%s:%d", own, peerPort),
		"listen-metrics-urls":         fmt.Sprintf("http://0.0.0.0:%d", metricsPort),
		"initial-cluster":             join(t, func(i int32) string { return fmt.Sprintf("%s=https://%s:%d", memberPod(i), memberHost(t, i), peerPort) }),
		"initial-cluster-state":       "new",
		"initial-cluster-token":       Namespace(t),
	}
}

func etcdTrust() flags {
	return flags{
		"client-cert-auth": "true", "trusted-ca-file": caFile(etcdServer), "cert-file": certFile(etcdServer), "key-file": keyFile(etcdServer),
		"peer-client-cert-auth": "true", "peer-trusted-ca-file": caFile(etcdPeer), "peer-cert-file": certFile(etcdPeer), "peer-key-file": keyFile(etcdPeer),
		// The authority signs nothing but members; a reverse lookup only adds a way to fail.
		"peer-skip-client-san-verification": "true",
		"tls-min-version":                   "TLS1.2",
	}
}

// etcdPresetS are the flags of preset S; the times are etcd's own defaults for members near each other.
func etcdPresetS() flags {
	return flags{
		"quota-backend-bytes": fmt.Sprint(quotaS), "snapshot-count": "10000", "watch-progress-notify-interval": "5s",
		"heartbeat-interval": "100", "election-timeout": "1000", "feature-gates": "InitialCorruptCheck=true",
	}
}

// apiServerIdentity are the flags that tie API servers to their tenant.
func apiServerIdentity(o Observed) flags {
	t := o.Tenant
	return apiServerTrust().add(frontProxyFlags()).add(serviceAccountFlags(t)).add(flags{
		"advertise-address":           o.Address,
		"secure-port":                 fmt.Sprint(apiPort),
		"etcd-servers":                join(t, func(i int32) string { return fmt.Sprintf("https://%s:%d", memberHost(t, i), clientPort) }),
		"service-cluster-ip-range":    cidrs(t.Spec.Network.ServiceCIDRs),
		"authorization-mode":          "Node,RBAC",
		"enable-admission-plugins":    "NodeRestriction",
		"enable-bootstrap-token-auth": "true",
	})
}

// apiServerTrust: towards etcd, clients and kubelets.
func apiServerTrust() flags {
	return flags{
		"etcd-cafile": caFile(apiServerEtcd), "etcd-certfile": certFile(apiServerEtcd), "etcd-keyfile": keyFile(apiServerEtcd),
		"tls-cert-file": certFile(apiServerServing), "tls-private-key-file": keyFile(apiServerServing), "client-ca-file": caFile(apiServerServing),
		"kubelet-client-certificate": certFile(apiServerKubelet), "kubelet-client-key": keyFile(apiServerKubelet),
		"kubelet-preferred-address-types": "InternalIP,Hostname,ExternalIP",
	}
}

func frontProxyFlags() flags {
	return flags{
		"requestheader-client-ca-file": caFile(frontProxyClient), "requestheader-allowed-names": frontProxyClient,
		"requestheader-username-headers": "X-Remote-User", "requestheader-group-headers": "X-Remote-Group",
		"requestheader-extra-headers-prefix": "X-Remote-Extra-",
		"proxy-client-cert-file":             certFile(frontProxyClient), "proxy-client-key-file": keyFile(frontProxyClient),
	}
}

func serviceAccountFlags(t *v1alpha1.TenantCluster) flags {
	return flags{
		"service-account-issuer":           "https://kubernetes.default.svc." + t.Spec.Network.ClusterDomain,
		"service-account-key-file":         path.Join(pkiFolder, ServiceAccount, "sa.pub"),
		"service-account-signing-key-file": path.Join(pkiFolder, ServiceAccount, "sa.key"),
	}
}

// apiServerPresetS are the flags of preset S, up to 100 nodes (docs/adr/0009): 400/200 in flight as Kubernetes' own default, 15 s for the
// Service to stop sending clients to a pod that ends, the rest bounds what one client can hold.
func apiServerPresetS() flags {
	return flags{
		"max-requests-inflight":                   "400",
		"max-mutating-requests-inflight":          "200",
		"goaway-chance":                           "0",
		"event-ttl":                               "1h",
		"min-request-timeout":                     "1800",
		"request-timeout":                         "60s",
		"delete-collection-workers":               "1",
		"etcd-compaction-interval":                "5m",
		"etcd-count-metric-poll-period":           "1m",
		"storage-media-type":                      "application/vnd.kubernetes.protobuf",
		"http2-max-streams-per-connection":        "1000",
		"shutdown-delay-duration":                 fmt.Sprintf("%ds", shutdownDelay),
		"shutdown-send-retry-after":               "true",
		"shutdown-watch-termination-grace-period": fmt.Sprintf("%ds", watchDrain),
		"profiling":                               "false",
	}
}

// shutdownDelay and watchDrain, in seconds, are the steps of an API server's graceful end (hosted-control-planes report, section 4.3).
const (
	shutdownDelay = 15
	watchDrain    = 25
)

func controllerFlags(t *v1alpha1.TenantCluster) flags {
	return kubeconfigFlags().add(flags{
		"secure-port":                      fmt.Sprint(controllerPort),
		"client-ca-file":                   caFile(controllerIdentity),
		"cluster-name":                     t.Name,
		"cluster-signing-cert-file":        path.Join(pkiFolder, CA, "tls.crt"),
		"cluster-signing-key-file":         path.Join(pkiFolder, CA, "tls.key"),
		"root-ca-file":                     caFile(controllerIdentity),
		"service-account-private-key-file": path.Join(pkiFolder, ServiceAccount, "sa.key"),
		"use-service-account-credentials":  "true",
		"controllers":                      "*,bootstrapsigner,tokencleaner",
		"allocate-node-cidrs":              "true",
		"cluster-cidr":                     cidrs(t.Spec.Network.PodCIDRs),
		"service-cluster-ip-range":         cidrs(t.Spec.Network.ServiceCIDRs),
		"flex-volume-plugin-dir":           tmpFolder + "/flex", // the default one is not writable here
	})
}

func controllerPresetS() flags {
	return flags{
		"kube-api-qps": "50", "kube-api-burst": "100",
		"concurrent-deployment-syncs": "5", "concurrent-replicaset-syncs": "5", "concurrent-service-endpoint-syncs": "5",
		"concurrent-gc-syncs": "20", "concurrent-job-syncs": "5", "concurrent-namespace-syncs": "10",
		"profiling": "false",
	}
}

// schedulerFlags: the queries per second of preset S.
func schedulerFlags() flags {
	return kubeconfigFlags().add(flags{
		"secure-port": fmt.Sprint(schedulerPort), "kube-api-qps": "100", "kube-api-burst": "100", "profiling": "false",
	})
}

// kubeconfigFlags are those of a client of the tenant's API that also serves metrics.
func kubeconfigFlags() flags {
	file := path.Join(confFolder, "kubeconfig")
	return flags{
		"kubeconfig": file, "authentication-kubeconfig": file, "authorization-kubeconfig": file,
		"leader-elect": "true",
	}
}

func cidrs(all []v1alpha1.CIDR) string {
	var text []string
	for _, c := range all {
		text = append(text, string(c))
	}
	return strings.Join(text, ",")
}
