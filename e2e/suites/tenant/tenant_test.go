// Package tenant proves that the master-operator runs tenants that people can use, and keeps them so: whatever is killed, deleted, edited or
// about to end.
package tenant

import (
	"context"
	"fmt"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/metapilot/metapilot/e2e/scenario"
	"github.com/metapilot/metapilot/e2e/scenario/hosted"
)

func TestMain(m *testing.M) { scenario.Main(m) }

// tenant has what only these scenarios ask of one.
type tenant struct{ *hosted.Tenant }

func newTenant(s *scenario.Scenario, name, spec string) tenant {
	s.Helper()
	return tenant{hosted.New(s, name, spec)}
}

func newTenantOf(s *scenario.Scenario, name, version, spec string) tenant {
	s.Helper()
	return tenant{hosted.NewOf(s, name, version, spec)}
}

// Of one and of three members: a Deployment gets its pods from the tenant's controller manager, and data outlives etcd's pods.
func TestTenantIsUsable(t *testing.T) {
	for members, name := range map[int]string{1: "one", 3: "three"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc := newTenant(scenario.New(t), name, fmt.Sprintf("  etcd: {members: %d}", members))
			tc.Remember("before")
			tc.makesPods()
			if pods := tc.Pods(t.Context(), "etcd"); len(pods) != members {
				t.Fatalf("%d etcd pods, want %d", len(pods), members)
			} else {
				tc.Kill(pods[0])
			}
			tc.MustRemember("before")
			tc.membersAreBack(members)
			tc.Remember("after")
		})
	}
}

// membersAreBack waits for all of them. With three, a quorum serves all the time, and the tenant stays Ready.
func (tc tenant) membersAreBack(members int) {
	tc.Helper()
	all := fmt.Sprintf("%d/%d", members, members)
	tc.Eventually("all members are healthy again", hosted.Usable, func(ctx context.Context) (bool, string) {
		out, err := tc.TryKubectl(ctx, "get", "tenantcluster", tc.Name, "-o",
			`jsonpath={.status.etcd.readyMembers} {.status.conditions[?(@.type=="EtcdClusterHealthy")].status} {.status.conditions[?(@.type=="Ready")].status}`)
		if err == nil && members == 3 && !strings.HasSuffix(out, "True") {
			tc.Fatalf("one member of three is missing and the tenant is not Ready: %s", out)
		}
		ready := 0
		for _, p := range tc.Pods(ctx, "etcd") {
			if p.DeletionTimestamp == nil && scenario.Ready(&p) {
				ready++
			}
		}
		return out == all+" True True" && ready == members, fmt.Sprint(out, " ", ready, " pods are ready ", err)
	})
}

func (tc tenant) makesPods() {
	tc.Helper()
	_, err := tc.API.AppsV1().Deployments("default").Create(tc.Context(), deployment(), metav1.CreateOptions{})
	if err != nil {
		tc.Fatal(err)
	}
	tc.Eventually("the tenant's controller manager makes pods", hosted.Usable, func(ctx context.Context) (bool, string) {
		pods, err := tc.API.CoreV1().Pods("default").List(ctx, metav1.ListOptions{LabelSelector: "app=hello", Limit: 10})
		return err == nil && len(pods.Items) == 2, fmt.Sprintf("%d pods, %v", len(pods.Items), err)
	})
}

// A client certificate of one tenant's etcd is worth nothing at another's.
func TestEtcdRefusesTheNeighbour(t *testing.T) {
	t.Parallel() // beside the one that waits for certificates to end
	s := scenario.NewOwn(t)
	a, b := newTenant(s, "a", ""), newTenant(s, "b", "")
	if phase, log := b.asksEtcdOf(b); phase != corev1.PodSucceeded {
		t.Fatalf("etcd refuses its own client, so nothing is proved: %s", log)
	}
	if phase, log := a.asksEtcdOf(b); phase != corev1.PodFailed {
		t.Errorf("etcd did not refuse a certificate of another tenant: %s %s", phase, log)
	}
	// The client may see no more than a cut connection; the server knows why it cut.
	if log := b.Kubectl("--namespace", b.Home, "logs", "etcd-0"); !strings.Contains(log, "certificate signed by unknown authority") {
		t.Errorf("etcd refused, but not for the certificate:\n%s", log)
	}
}

// asksEtcdOf runs etcdctl in the tenant's own namespace with its own client certificate against a tenant's etcd. It trusts any server: only the
// server's view of the client counts.
func (tc tenant) asksEtcdOf(other tenant) (corev1.PodPhase, string) {
	tc.Helper()
	pod := "asks-" + other.Name
	tc.ApplyIn(tc.Home, fmt.Sprintf(`
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
`, pod, other.Home))
	var phase corev1.PodPhase
	tc.Eventually("etcdctl has ended", hosted.Usable, func(ctx context.Context) (bool, string) {
		p, err := tc.Client.CoreV1().Pods(tc.Home).Get(ctx, pod, metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		phase = p.Status.Phase
		return phase == corev1.PodSucceeded || phase == corev1.PodFailed, fmt.Sprintf("%+v", p.Status)
	})
	return phase, tc.Kubectl("--namespace", tc.Home, "logs", pod)
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
