// Package tenant proves that the master-operator runs tenants that people can use, and keeps them so: whatever is killed, deleted, edited or
// about to end.
package tenant

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/metapilot/metapilot/e2e/scenario"
)

func TestMain(m *testing.M) { scenario.Main(m) }

// usable bounds how long a tenant may take to be made or mended; it is no measurement.
const usable = 3 * time.Minute

// tenant is a TenantCluster in the namespace of a scenario.
type tenant struct {
	*scenario.Scenario
	name      string
	namespace string // where it runs
	api       *kubernetes.Clientset
}

// newTenant makes a tenant and waits until it is Ready. spec is what its spec holds beside version and exposure.
func newTenant(s *scenario.Scenario, name, spec string) *tenant {
	s.Helper()
	return newTenantOf(s, name, "v1.36.3", spec)
}

func newTenantOf(s *scenario.Scenario, name, version, spec string) *tenant {
	s.Helper()
	tc := &tenant{Scenario: s, name: name}
	s.Apply(fmt.Sprintf(`
apiVersion: metapilot.io/v1alpha1
kind: TenantCluster
metadata: {name: %s}
spec:
  version: %s
  expose: {type: NodePort, hostname: %q}
%s`, name, version, nodeAddress(s), spec))
	tc.awaitReady()
	tc.namespace = tc.get("{.status.namespace}")
	tc.api = tc.connect()
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

func (tc *tenant) get(jsonpath string) string {
	tc.Helper()
	return tc.Kubectl("get", "tenantcluster", tc.name, "-o", "jsonpath="+jsonpath)
}

func (tc *tenant) awaitReady() {
	tc.Helper()
	tc.Eventually("tenant "+tc.name+" is Ready", usable, func(ctx context.Context) (bool, string) {
		out, err := tc.TryKubectl(ctx, "get", "tenantcluster", tc.name, "-o", `jsonpath={range .status.conditions[?(@.type=="Ready")]}{.status} {.reason}: {.message}{end}`)
		return strings.HasPrefix(out, "True"), fmt.Sprint(out, err)
	})
}

// connect makes a client of the kubeconfig that the operator has written.
func (tc *tenant) connect() *kubernetes.Clientset {
	tc.Helper()
	secret, err := tc.Client.CoreV1().Secrets(tc.Namespace).Get(tc.Context(), tc.name+"-kubeconfig", metav1.GetOptions{})
	if err != nil {
		tc.Fatal(err)
	}
	if secret.Type != "cluster.x-k8s.io/secret" || secret.Labels["cluster.x-k8s.io/cluster-name"] != tc.name {
		tc.Errorf("Secret %s has type %s and labels %v, which Cluster API would not take", secret.Name, secret.Type, secret.Labels)
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(secret.Data["value"])
	if err != nil {
		tc.Fatal(err)
	}
	config.QPS = -1
	api, err := kubernetes.NewForConfig(config)
	if err != nil {
		tc.Fatal(err)
	}
	return api
}

// remember writes something that has to be there later.
func (tc *tenant) remember(key string) {
	tc.Helper()
	_, err := tc.api.CoreV1().ConfigMaps("default").Create(tc.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: key}}, metav1.CreateOptions{})
	if err != nil {
		tc.Fatalf("writing into the tenant: %v", err)
	}
}

func (tc *tenant) mustRemember(key string) {
	tc.Helper()
	tc.Eventually("the tenant still has "+key, usable, func(ctx context.Context) (bool, string) {
		_, err := tc.api.CoreV1().ConfigMaps("default").Get(ctx, key, metav1.GetOptions{})
		return err == nil, fmt.Sprint(err)
	})
}

// pods lists those of a component.
func (tc *tenant) pods(ctx context.Context, component string) []corev1.Pod {
	tc.Helper()
	list, err := tc.Client.CoreV1().Pods(tc.namespace).List(ctx, metav1.ListOptions{LabelSelector: "metapilot.io/component=" + component, Limit: 50})
	if err != nil {
		tc.Fatal(err)
	}
	return list.Items
}

// kill deletes pods without grace, as a node's end does.
func (tc *tenant) kill(pods ...corev1.Pod) {
	tc.Helper()
	for _, p := range pods {
		now := int64(0)
		if err := tc.Client.CoreV1().Pods(tc.namespace).Delete(tc.Context(), p.Name, metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil {
			tc.Fatal(err)
		}
	}
}

// Of one and of three members: a Deployment gets its pods from the tenant's controller manager, and data outlives etcd's pods.
func TestTenantIsUsable(t *testing.T) {
	for members, name := range map[int]string{1: "one", 3: "three"} {
		t.Run(name, func(t *testing.T) {
			tc := newTenant(scenario.New(t), name, fmt.Sprintf("  etcd: {members: %d}", members))
			tc.remember("before")
			tc.makesPods()
			if pods := tc.pods(t.Context(), "etcd"); len(pods) != members {
				t.Fatalf("%d etcd pods, want %d", len(pods), members)
			} else {
				tc.kill(pods[0])
			}
			tc.mustRemember("before")
			tc.membersAreBack(members)
			tc.remember("after")
		})
	}
}

// membersAreBack waits for all of them. With three, a quorum serves all the time, and the tenant stays Ready.
func (tc *tenant) membersAreBack(members int) {
	tc.Helper()
	all := fmt.Sprintf("%d/%d", members, members)
	tc.Eventually("all members are healthy again", usable, func(ctx context.Context) (bool, string) {
		out, err := tc.TryKubectl(ctx, "get", "tenantcluster", tc.name, "-o",
			`jsonpath={.status.etcd.readyMembers} {.status.conditions[?(@.type=="EtcdClusterHealthy")].status} {.status.conditions[?(@.type=="Ready")].status}`)
		if err == nil && members == 3 && !strings.HasSuffix(out, "True") {
			tc.Fatalf("one member of three is missing and the tenant is not Ready: %s", out)
		}
		ready := 0
		for _, p := range tc.pods(ctx, "etcd") {
			if p.DeletionTimestamp == nil && scenario.Ready(&p) {
				ready++
			}
		}
		return out == all+" True True" && ready == members, fmt.Sprint(out, " ", ready, " pods are ready ", err)
	})
}

func (tc *tenant) makesPods() {
	tc.Helper()
	_, err := tc.api.AppsV1().Deployments("default").Create(tc.Context(), deployment(), metav1.CreateOptions{})
	if err != nil {
		tc.Fatal(err)
	}
	tc.Eventually("the tenant's controller manager makes pods", usable, func(ctx context.Context) (bool, string) {
		pods, err := tc.api.CoreV1().Pods("default").List(ctx, metav1.ListOptions{LabelSelector: "app=hello", Limit: 10})
		return err == nil && len(pods.Items) == 2, fmt.Sprintf("%d pods, %v", len(pods.Items), err)
	})
}

// A client certificate of one tenant's etcd is worth nothing at another's.
func TestEtcdRefusesTheNeighbour(t *testing.T) {
	s := scenario.NewOwn(t)
	a, b := newTenant(s, "a", ""), newTenant(s, "b", "")
	if phase, log := b.asksEtcdOf(b); phase != corev1.PodSucceeded {
		t.Fatalf("etcd refuses its own client, so nothing is proved: %s", log)
	}
	if phase, log := a.asksEtcdOf(b); phase != corev1.PodFailed {
		t.Errorf("etcd did not refuse a certificate of another tenant: %s %s", phase, log)
	}
	// The client may see no more than a cut connection; the server knows why it cut.
	if log := b.Kubectl("--namespace", b.namespace, "logs", "etcd-0"); !strings.Contains(log, "certificate signed by unknown authority") {
		t.Errorf("etcd refused, but not for the certificate:\n%s", log)
	}
}

// asksEtcdOf runs etcdctl in the tenant's own namespace with its own client certificate against a tenant's etcd. It trusts any server: only the
// server's view of the client counts.
func (tc *tenant) asksEtcdOf(other *tenant) (corev1.PodPhase, string) {
	tc.Helper()
	pod := "asks-" + other.name
	tc.ApplyIn(tc.namespace, fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: %s}
spec:
  restartPolicy: Never
  automountServiceAccountToken: false
  securityContext: {runAsNonRoot: true, runAsUser: 65532, fsGroup: 65532, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: ctl
    image: {{ image "etcd@v3.6.14" }}
    command: [etcdctl, --endpoints=https://etcd-0.etcd.%s.svc:2379, --insecure-skip-tls-verify, --insecure-transport=false,
      --cert=/pki/tls.crt, --key=/pki/tls.key, --command-timeout=10s, endpoint, health]
    securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
    volumeMounts: [{name: pki, mountPath: /pki}]
  volumes: [{name: pki, secret: {secretName: kube-apiserver-etcd-client}}]
`, pod, other.namespace))
	var phase corev1.PodPhase
	tc.Eventually("etcdctl has ended", usable, func(ctx context.Context) (bool, string) {
		p, err := tc.Client.CoreV1().Pods(tc.namespace).Get(ctx, pod, metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		phase = p.Status.Phase
		return phase == corev1.PodSucceeded || phase == corev1.PodFailed, fmt.Sprintf("%+v", p.Status)
	})
	return phase, tc.Kubectl("--namespace", tc.namespace, "logs", pod)
}

// deployment is one of two pods, in the tenant.
func deployment() *appsv1.Deployment {
	two, labels := int32(2), map[string]string{"app": "hello"}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "hello"},
		Spec: appsv1.DeploymentSpec{
			Replicas: &two, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "hello", Image: "example.org/hello"}}},
			},
		},
	}
}
