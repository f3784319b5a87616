package plan

import (
	"fmt"
	"strings"

	"github.com/metapilot/metapilot/api/v1alpha1"
)

// Names of the components: values of the component label, names of their workloads and containers.
const (
	Etcd              = "etcd"
	APIServer         = "kube-apiserver"
	ControllerManager = "kube-controller-manager"
	Scheduler         = "kube-scheduler"
)

// Components are all components in starting order.
var Components = []string{Etcd, APIServer, ControllerManager, Scheduler}

// Ports of the components.
const (
	apiPort        = 6443
	clientPort     = 2379
	peerPort       = 2380
	metricsPort    = 2381
	controllerPort = 10257
	schedulerPort  = 10259
	uidInName      = 8 // characters of the UID: tenants of one name, one after another, never share a namespace
	managedBy      = "metapilot"
	partOf         = "metapilot-tenant"
)

// Namespace is where the tenant runs.
func Namespace(t *v1alpha1.TenantCluster) string {
	uid := strings.ReplaceAll(string(t.UID), "-", "")
	return "tc-" + t.Name + "-" + uid[:min(uidInName, len(uid))]
}

// KubeconfigSecret is the name of the Secret with the administrator's kubeconfig, as Cluster API names it.
func KubeconfigSecret(tenant string) string { return tenant + "-kubeconfig" }

// labels are those of everything of a tenant; component may be empty.
func labels(t *v1alpha1.TenantCluster, component string) map[string]string {
	l := map[string]string{
		"app.kubernetes.io/instance": t.Name, "app.kubernetes.io/managed-by": managedBy, "app.kubernetes.io/part-of": partOf,
		v1alpha1.TenantLabel: t.Name, v1alpha1.FleetLabel: t.Namespace,
	}
	if component != "" {
		l["app.kubernetes.io/name"], l["app.kubernetes.io/component"], l[v1alpha1.ComponentLabel] = component, component, component
	}
	return l
}

// Labels are those of what belongs to a tenant and to no component.
func Labels(t *v1alpha1.TenantCluster) map[string]string { return labels(t, "") }

// selector are the labels by which workloads and Services find pods; the namespace holds one tenant.
func selector(component string) map[string]string {
	return map[string]string{v1alpha1.ComponentLabel: component}
}

// serviceHost is the name of a Service inside the meta cluster.
func serviceHost(t *v1alpha1.TenantCluster, service string) string {
	return service + "." + Namespace(t) + ".svc"
}

// apiURL is where components of the tenant reach its API.
func apiURL(t *v1alpha1.TenantCluster) string {
	return fmt.Sprintf("https://%s:%d", serviceHost(t, APIServer), apiPort)
}

func memberPod(i int32) string { return fmt.Sprintf("%s-%d", Etcd, i) }

// memberHost is the name of an etcd member, which follows its pod from node to node.
func memberHost(t *v1alpha1.TenantCluster, i int32) string {
	return memberPod(i) + "." + serviceHost(t, Etcd)
}

// MemberURLs are the client URLs of all etcd members, by pod.
func MemberURLs(t *v1alpha1.TenantCluster) map[string]string {
	urls := map[string]string{}
	for i := range t.Spec.Etcd.Members {
		urls[memberPod(i)] = fmt.Sprintf("https://%s:%d", memberHost(t, i), clientPort)
	}
	return urls
}

// join builds a comma-separated list over the etcd members.
func join(t *v1alpha1.TenantCluster, one func(int32) string) string {
	var all []string
	for i := range t.Spec.Etcd.Members {
		all = append(all, one(i))
	}
	return strings.Join(all, ",")
}
