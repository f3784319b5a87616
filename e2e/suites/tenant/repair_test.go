package tenant

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/cert"

	"github.com/metapilot/metapilot/e2e/scenario"
	"github.com/metapilot/metapilot/e2e/scenario/hosted"
	"github.com/metapilot/metapilot/internal/pki"
)

// Two API servers: one of them ends, then the other, with grace and without, and no client that retries notices.
func TestAPIServerPodIsKilledUnderLoad(t *testing.T) {
	t.Parallel() // beside the one that waits for certificates to end
	tc := newTenant(scenario.New(t), "busy", "  replicas: 2")
	tc.TwoAPIServers()
	tc.Remember("probe")
	p := hosted.Probe(tc.Tenant)
	for i, pod := range tc.Pods(t.Context(), "kube-apiserver") {
		if i == 0 {
			tc.Kill(pod)
		} else if err := tc.Client.CoreV1().Pods(tc.Home).Delete(t.Context(), pod.Name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		tc.Eventually("the pod is gone and another one is ready", hosted.Usable, func(ctx context.Context) (bool, string) {
			_, err := tc.Client.CoreV1().Pods(tc.Home).Get(ctx, pod.Name, metav1.GetOptions{})
			ready := tc.Ready(ctx, "kube-apiserver")
			return err != nil && ready == 2, fmt.Sprintf("%d ready, %v", ready, err)
		})
	}
	p.MustHaveSeenNoFailure(100)
}

// A tenant of the older version is hosted.Usable and goes up by one: its API servers first, one after the other, then the rest; no client that retries
// notices, and nothing is forgotten.
func TestUpgradeUnderLoad(t *testing.T) {
	t.Parallel() // beside the one that waits for certificates to end
	tc := newTenantOf(scenario.NewOwn(t), "older", "v1.35.4", "  replicas: 2")
	tc.TwoAPIServers()
	tc.mustServe("v1.35.4")
	tc.Remember("probe")
	p := hosted.Probe(tc.Tenant)
	tc.Kubectl("patch", "tenantcluster", tc.Name, "--type=merge", "--patch", `{"spec":{"version":"v1.36.3"}}`)
	tc.Eventually("all of it runs v1.36.3", 2*hosted.Usable, func(ctx context.Context) (bool, string) {
		var old []string
		for _, component := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler"} {
			for _, pod := range tc.Pods(ctx, component) {
				if !strings.Contains(pod.Spec.Containers[0].Image, "v1.36.3") || !scenario.Ready(&pod) {
					old = append(old, pod.Name)
				}
			}
		}
		return len(old) == 0, fmt.Sprint("not yet: ", old)
	})
	tc.AwaitReady()
	p.MustHaveSeenNoFailure(300)
	tc.mustServe("v1.36.3")
	if version := tc.Get("{.status.version}"); version != "v1.36.3" {
		t.Errorf("the status says version %s", version)
	}
}

func (tc tenant) mustServe(version string) {
	tc.Helper()
	if got, err := tc.API.Discovery().ServerVersion(); err != nil || got.GitVersion != version {
		tc.Fatalf("the tenant serves %v (%v), want %s", got, err, version)
	}
}

// A deleted Secret comes back: a certificate as a new one, an authority as it was.
func TestDeletedSecretsComeBack(t *testing.T) {
	t.Parallel() // beside the one that waits for certificates to end
	tc := newTenant(scenario.New(t), "secret", "")
	tc.Remember("probe")
	pods, p := tc.Identities(), hosted.Probe(tc.Tenant)
	for _, name := range []string{"kube-apiserver", "ca", "service-account", "etcd-server", "etcd-client-ca", "etcd-peer-ca"} {
		secrets := tc.Client.CoreV1().Secrets(tc.Home)
		before, err := secrets.Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := secrets.Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		tc.Eventually("Secret "+name+" is back", hosted.Usable, func(ctx context.Context) (bool, string) {
			after, err := secrets.Get(ctx, name, metav1.GetOptions{})
			return err == nil && after.UID != before.UID && after.DeletionTimestamp == nil, fmt.Sprint(err)
		})
	}
	time.Sleep(5 * time.Second) // whatever would restart a pod has begun to
	tc.AwaitReady()
	p.MustHaveSeenNoFailure(20)
	if after := tc.Identities(); after != pods {
		t.Errorf("secrets that came back changed the pods from %s to %s", pods, after)
	}
}

// A decided size reaches the running container in place; and a pod that is made while no program of Metapilot runs has it from birth.
func TestSizeReachesPods(t *testing.T) {
	s := scenario.NewOwn(t)
	tc := newTenant(s, "sized", "")
	before := tc.Pods(t.Context(), "kube-apiserver")[0]
	tc.Kubectl("patch", "tenantcluster", "sized", "--type=merge", "--patch",
		`{"spec":{"sizing":{"apiServer":{"resources":{"requests":{"memory":"700Mi"},"limits":{"memory":"1500Mi"}}}}}}`)
	tc.Eventually("the running container has the new size", hosted.Usable, func(ctx context.Context) (bool, string) {
		pods := tc.Pods(ctx, "kube-apiserver")
		if len(pods) != 1 || pods[0].UID != before.UID {
			return false, "the pod was replaced"
		}
		status := pods[0].Status.ContainerStatuses[0]
		return status.Resources != nil && status.Resources.Limits.Memory().String() == "1500Mi" && status.RestartCount == 0, fmt.Sprintf("%+v", status.Resources)
	})
	hosted.Without(tc.Scenario, hosted.Programs, func() {
		tc.Kill(before)
		tc.Eventually("the new pod has the size that was decided", hosted.Usable, func(ctx context.Context) (bool, string) {
			pods := tc.Pods(ctx, "kube-apiserver")
			if len(pods) != 1 || pods[0].UID == before.UID {
				return false, "no new pod"
			}
			r := pods[0].Spec.Containers[0].Resources
			return r.Limits.Memory().String() == "1500Mi" && r.Requests.Memory().String() == "700Mi" && scenario.Ready(&pods[0]), fmt.Sprintf("%+v", r)
		})
	})
}

// For a minute nothing of Metapilot runs, and the tenant serves; afterwards nothing is rolled.
func TestTenantServesWithoutTheOperator(t *testing.T) {
	tc := newTenant(scenario.New(t), "alone", "")
	tc.Remember("probe")
	before := tc.Identities()
	p := hosted.Probe(tc.Tenant)
	hosted.Without(tc.Scenario, hosted.Programs, func() { time.Sleep(time.Minute) })
	tc.AwaitReady()
	p.MustHaveSeenNoFailure(500)
	if after := tc.Identities(); after != before {
		t.Errorf("the operator's restart changed the pods from %s to %s", before, after)
	}
}

// short is how long a certificate is valid that is forced upon a tenant: long enough that a third of it brings the next one into the pods (the
// kubelet looks once a minute), short enough to be seen to end.
const short = 5 * time.Minute

// Certificates that are about to end are replaced, and no client notices, also when the old ones have ended: every server has taken up the new.
func TestCertificatesAreRenewedUnderLoad(t *testing.T) {
	t.Parallel()
	tc := newTenant(scenario.New(t), "renewed", "  replicas: 2")
	tc.TwoAPIServers()
	tc.Remember("probe")
	pods, p := tc.Identities(), hosted.Probe(tc.Tenant)
	forced := tc.forceShortLeaves()
	ended := time.Now().Add(short)
	tc.Eventually("every certificate is another one", short, func(context.Context) (bool, string) {
		var old []string
		for name, cert := range tc.leaves() {
			if forced[name] == cert {
				old = append(old, name)
			}
		}
		return len(old) == 0, fmt.Sprint("still the same: ", old)
	})
	time.Sleep(time.Until(ended.Add(30 * time.Second)))
	tc.AwaitReady()
	tc.Remember("after-the-end-of-the-old")
	p.MustHaveSeenNoFailure(1000)
	if after := tc.Identities(); after != pods {
		t.Errorf("renewal changed the pods from %s to %s", pods, after)
	}
}

// forceShortLeaves replaces every certificate of the tenant by one of its own authority that ends soon, and returns them.
func (tc tenant) forceShortLeaves() map[string]string {
	tc.Helper()
	secrets := tc.Client.CoreV1().Secrets(tc.Home)
	forced := map[string]string{}
	for name := range tc.leaves() {
		s, err := secrets.Get(tc.Context(), name, metav1.GetOptions{})
		if err != nil {
			tc.Fatal(err)
		}
		pair, err := tc.authorityOf(s).Issue(requestOf(tc, s.Data[corev1.TLSCertKey]), time.Now())
		if err != nil {
			tc.Fatal(err)
		}
		s.Data[corev1.TLSCertKey], s.Data[corev1.TLSPrivateKeyKey] = pair.Cert, pair.Key
		if _, err := secrets.Update(tc.Context(), s, metav1.UpdateOptions{}); err != nil {
			tc.Fatal(err)
		}
		forced[name] = string(pair.Cert)
	}
	return forced
}

// authorityOf finds the authority that has signed the certificate of a Secret.
func (tc tenant) authorityOf(leaf *corev1.Secret) *pki.Authority {
	tc.Helper()
	for _, name := range []string{"ca", "front-proxy-ca", "etcd-client-ca", "etcd-peer-ca"} {
		s, err := tc.Client.CoreV1().Secrets(tc.Home).Get(tc.Context(), name, metav1.GetOptions{})
		if err != nil {
			tc.Fatal(err)
		}
		a, err := pki.ParseAuthority(pki.Pair{Cert: s.Data[corev1.TLSCertKey], Key: s.Data[corev1.TLSPrivateKeyKey]})
		if err != nil {
			tc.Fatal(err)
		}
		if a.Check(leaf.Data[corev1.TLSCertKey], time.Now()) == nil {
			return a
		}
	}
	tc.Fatalf("no authority of the tenant has signed %s", leaf.Name)
	return nil
}

// requestOf asks for the same certificate, valid for a short time.
func requestOf(tc tenant, raw []byte) pki.Request {
	tc.Helper()
	certs, err := cert.ParseCertsPEM(raw)
	if err != nil {
		tc.Fatal(err)
	}
	r := pki.Request{
		CommonName: certs[0].Subject.CommonName, Organizations: certs[0].Subject.Organization, Hosts: certs[0].DNSNames, Client: true, Validity: short,
	}
	for _, ip := range certs[0].IPAddresses {
		r.Hosts = append(r.Hosts, ip.String())
	}
	return r
}

// leaves are the certificates of the tenant by name.
func (tc tenant) leaves() map[string]string {
	tc.Helper()
	list, err := tc.Client.CoreV1().Secrets(tc.Home).List(tc.Context(), metav1.ListOptions{LabelSelector: "metapilot.io/credential=Leaf", Limit: 100})
	if err != nil {
		tc.Fatal(err)
	}
	all := map[string]string{}
	for _, s := range list.Items {
		all[s.Name] = string(s.Data[corev1.TLSCertKey])
	}
	return all
}
