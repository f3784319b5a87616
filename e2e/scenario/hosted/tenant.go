// Package hosted is what scenarios with tenants are written with: a tenant in a scenario's namespace, a client of it that never stops asking, and
// the programs of Metapilot, which may be stopped.
package hosted

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/metapilot/metapilot/e2e/scenario"
)

// Usable bounds how long a tenant may take to be made or mended; it is no measurement.
const Usable = 3 * time.Minute

// Tenant is a TenantCluster in the namespace of a scenario.
type Tenant struct {
	*scenario.Scenario
	Name   string
	Home   string // namespace in which it runs
	Config *rest.Config
	API    *kubernetes.Clientset
}

// New makes a tenant and waits until it is Ready. spec is what its spec holds beside version and exposure.
func New(s *scenario.Scenario, name, spec string) *Tenant {
	s.Helper()
	return NewOf(s, name, "v1.36.3", spec)
}

// NewOf is New for a version of Kubernetes.
func NewOf(s *scenario.Scenario, name, version, spec string) *Tenant {
	s.Helper()
	tc := &Tenant{Scenario: s, Name: name}
	s.Apply(fmt.Sprintf(`
apiVersion: metapilot.io/v1alpha1
kind: TenantCluster
metadata: {name: %s}
spec:
  version: %s
  expose: {type: NodePort, hostname: %q}
%s`, name, version, nodeAddress(s), spec))
	tc.AwaitReady()
	tc.Home = tc.Get("{.status.namespace}")
	tc.connect()
	return tc
}

// nodeAddress is where node ports are reached from this machine.
func nodeAddress(s *scenario.Scenario) string {
	s.Helper()
	nodes, err := s.Client.CoreV1().Nodes().List(s.Context(), metav1.ListOptions{Limit: 1})
	if err != nil {
		s.Fatal(err)
	}
	for _, a := range nodes.Items[0].Status.Addresses {
		if a.Type == corev1.NodeInternalIP {
			return a.Address
		}
	}
	s.Fatal("the first node has no internal address")
	return ""
}

// Get reads the TenantCluster.
func (tc *Tenant) Get(jsonpath string) string {
	tc.Helper()
	return tc.Kubectl("get", "tenantcluster", tc.Name, "-o", "jsonpath="+jsonpath)
}

// AwaitReady waits until a user can use it.
func (tc *Tenant) AwaitReady() {
	tc.Helper()
	tc.Eventually("tenant "+tc.Name+" is Ready", Usable, func(ctx context.Context) (bool, string) {
		out, err := tc.TryKubectl(ctx, "get", "tenantcluster", tc.Name, "-o", `jsonpath={range .status.conditions[?(@.type=="Ready")]}{.status} {.reason}: {.message}{end}`)
		return strings.HasPrefix(out, "True"), fmt.Sprint(out, err)
	})
}

// connect makes a client of the kubeconfig that the operator has written.
func (tc *Tenant) connect() {
	tc.Helper()
	secret, err := tc.Client.CoreV1().Secrets(tc.Namespace).Get(tc.Context(), tc.Name+"-kubeconfig", metav1.GetOptions{})
	if err != nil {
		tc.Fatal(err)
	}
	if secret.Type != "cluster.x-k8s.io/secret" || secret.Labels["cluster.x-k8s.io/cluster-name"] != tc.Name {
		tc.Errorf("Secret %s has type %s and labels %v, which Cluster API would not take", secret.Name, secret.Type, secret.Labels)
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(secret.Data["value"])
	if err != nil {
		tc.Fatal(err)
	}
	config.QPS = -1
	tc.Config = config
	if tc.API, err = kubernetes.NewForConfig(config); err != nil {
		tc.Fatal(err)
	}
}

// Remember writes something that has to be there later.
func (tc *Tenant) Remember(key string) {
	tc.Helper()
	_, err := tc.API.CoreV1().ConfigMaps("default").Create(tc.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: key}}, metav1.CreateOptions{})
	if err != nil {
		tc.Fatalf("writing into the tenant: %v", err)
	}
}

// MustRemember fails the test unless what was remembered is still there, or comes back.
func (tc *Tenant) MustRemember(key string) {
	tc.Helper()
	tc.Eventually("the tenant still has "+key, Usable, func(ctx context.Context) (bool, string) {
		_, err := tc.API.CoreV1().ConfigMaps("default").Get(ctx, key, metav1.GetOptions{})
		return err == nil, fmt.Sprint(err)
	})
}

// Pods lists those of a component.
func (tc *Tenant) Pods(ctx context.Context, component string) []corev1.Pod {
	tc.Helper()
	list, err := tc.Client.CoreV1().Pods(tc.Home).List(ctx, metav1.ListOptions{LabelSelector: "metapilot.io/component=" + component, Limit: 50})
	if err != nil {
		tc.Fatal(err)
	}
	return list.Items
}

// Kill deletes pods without grace, as a node's end does.
func (tc *Tenant) Kill(pods ...corev1.Pod) {
	tc.Helper()
	for _, p := range pods {
		now := int64(0)
		if err := tc.Client.CoreV1().Pods(tc.Home).Delete(tc.Context(), p.Name, metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil {
			tc.Fatal(err)
		}
	}
}

// TwoAPIServers waits for both.
func (tc *Tenant) TwoAPIServers() {
	tc.Helper()
	tc.Eventually("both API servers are ready", Usable, func(ctx context.Context) (bool, string) {
		ready := tc.Ready(ctx, "kube-apiserver")
		return ready == 2, fmt.Sprint(ready, " ready")
	})
}

// Ready counts the ready pods of a component.
func (tc *Tenant) Ready(ctx context.Context, component string) (n int) {
	for _, p := range tc.Pods(ctx, component) {
		if p.DeletionTimestamp == nil && scenario.Ready(&p) {
			n++
		}
	}
	return n
}

// Identities are the tenant's pods.
func (tc *Tenant) Identities() string {
	tc.Helper()
	return tc.Kubectl("--namespace", tc.Home, "get", "pods", "--sort-by=.metadata.name", "-o", "jsonpath={range .items[*]}{.metadata.name} {.metadata.uid};{end}")
}
