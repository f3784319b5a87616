package tenant

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/cert"

	"github.com/metapilot/metapilot/e2e/scenario"
	"github.com/metapilot/metapilot/internal/pki"
)

// prober uses the tenant all the time, the way a client with a retry does.
type prober struct {
	tc             *tenant
	stop           context.CancelFunc
	done           sync.WaitGroup
	tries, retried int
	failed         []string // requests that failed, also when tried again
}

// pauses are those of a client that tries again: three times within two seconds.
var pauses = []time.Duration{100 * time.Millisecond, 500 * time.Millisecond, 1400 * time.Millisecond}

func probe(tc *tenant) *prober {
	ctx, stop := context.WithCancel(tc.Context())
	p := &prober{tc: tc, stop: stop}
	p.done.Go(func() {
		for ctx.Err() == nil {
			p.tries++
			err := p.ask(ctx)
			for i := 0; err != nil && i < len(pauses); i++ {
				p.retried++
				time.Sleep(pauses[i])
				err = p.ask(ctx)
			}
			if err != nil && ctx.Err() == nil {
				p.failed = append(p.failed, fmt.Sprintf("%s: %v", time.Now().Format(time.TimeOnly), err))
			}
			time.Sleep(20 * time.Millisecond)
		}
	})
	return p
}

// ask writes and reads.
func (p *prober) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	patch := fmt.Appendf(nil, `{"data":{"tries":"%d"}}`, p.tries)
	maps := p.tc.api.CoreV1().ConfigMaps("default")
	if _, err := maps.Patch(ctx, "probe", types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		return err
	}
	_, err := maps.Get(ctx, "probe", metav1.GetOptions{})
	return err
}

// mustHaveSeenNoFailure ends the prober.
func (p *prober) mustHaveSeenNoFailure(least int) {
	p.tc.Helper()
	p.stop()
	p.done.Wait()
	p.tc.Logf("%d requests, %d tried again, %d failed", p.tries, p.retried, len(p.failed))
	if p.tries < least {
		p.tc.Errorf("the prober asked only %d times, so it proves little", p.tries)
	}
	if len(p.failed) > 0 {
		p.tc.Errorf("%d of %d requests failed, also when retried:\n%s", len(p.failed), p.tries, strings.Join(p.failed, "\n"))
	}
}

// Two API servers: one of them ends, then the other, with grace and without, and no client that retries notices.
func TestAPIServerPodIsKilledUnderLoad(t *testing.T) {
	tc := newTenant(scenario.New(t), "busy", "  replicas: 2")
	tc.twoAPIServers()
	tc.remember("probe")
	p := probe(tc)
	for i, pod := range tc.pods(t.Context(), "kube-apiserver") {
		if i == 0 {
			tc.kill(pod)
		} else if err := tc.Client.CoreV1().Pods(tc.namespace).Delete(t.Context(), pod.Name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		tc.Eventually("the pod is gone and another one is ready", usable, func(ctx context.Context) (bool, string) {
			_, err := tc.Client.CoreV1().Pods(tc.namespace).Get(ctx, pod.Name, metav1.GetOptions{})
			ready := tc.ready(ctx, "kube-apiserver")
			return err != nil && ready == 2, fmt.Sprintf("%d ready, %v", ready, err)
		})
	}
	p.mustHaveSeenNoFailure(100)
}

func (tc *tenant) twoAPIServers() {
	tc.Helper()
	tc.Eventually("both API servers are ready", usable, func(ctx context.Context) (bool, string) {
		ready := tc.ready(ctx, "kube-apiserver")
		return ready == 2, fmt.Sprint(ready, " ready")
	})
}

func (tc *tenant) ready(ctx context.Context, component string) (n int) {
	for _, p := range tc.pods(ctx, component) {
		if p.DeletionTimestamp == nil && scenario.Ready(&p) {
			n++
		}
	}
	return n
}

// A tenant of the older version is usable and goes up by one: its API servers first, one after the other, then the rest; no client that retries
// notices, and nothing is forgotten.
func TestUpgradeUnderLoad(t *testing.T) {
	tc := newTenantOf(scenario.NewOwn(t), "older", "v1.35.4", "  replicas: 2")
	tc.twoAPIServers()
	tc.mustServe("v1.35.4")
	tc.remember("probe")
	p := probe(tc)
	tc.Kubectl("patch", "tenantcluster", tc.name, "--type=merge", "--patch", `{"spec":{"version":"v1.36.3"}}`)
	tc.Eventually("all of it runs v1.36.3", 2*usable, func(ctx context.Context) (bool, string) {
		var old []string
		for _, component := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler"} {
			for _, pod := range tc.pods(ctx, component) {
				if !strings.Contains(pod.Spec.Containers[0].Image, "v1.36.3") || !scenario.Ready(&pod) {
					old = append(old, pod.Name)
				}
			}
		}
		return len(old) == 0, fmt.Sprint("not yet: ", old)
	})
	tc.awaitReady()
	p.mustHaveSeenNoFailure(300)
	tc.mustServe("v1.36.3")
	if version := tc.get("{.status.version}"); version != "v1.36.3" {
		t.Errorf("the status says version %s", version)
	}
}

func (tc *tenant) mustServe(version string) {
	tc.Helper()
	if got, err := tc.api.Discovery().ServerVersion(); err != nil || got.GitVersion != version {
		tc.Fatalf("the tenant serves %v (%v), want %s", got, err, version)
	}
}

// A deleted Secret comes back: a certificate as a new one, an authority as it was.
func TestDeletedSecretsComeBack(t *testing.T) {
	tc := newTenant(scenario.New(t), "secret", "")
	tc.remember("probe")
	pods, p := tc.identities(), probe(tc)
	for _, name := range []string{"kube-apiserver", "ca", "service-account", "etcd-server", "etcd-client-ca", "etcd-peer-ca"} {
		secrets := tc.Client.CoreV1().Secrets(tc.namespace)
		before, err := secrets.Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := secrets.Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		tc.Eventually("Secret "+name+" is back", usable, func(ctx context.Context) (bool, string) {
			after, err := secrets.Get(ctx, name, metav1.GetOptions{})
			return err == nil && after.UID != before.UID && after.DeletionTimestamp == nil, fmt.Sprint(err)
		})
	}
	time.Sleep(5 * time.Second) // whatever would restart a pod has begun to
	tc.awaitReady()
	p.mustHaveSeenNoFailure(20)
	if after := tc.identities(); after != pods {
		t.Errorf("secrets that came back changed the pods from %s to %s", pods, after)
	}
}

const (
	system   = "metapilot-system"
	operator = "master-operator"
)

// withoutOperator stops every process of Metapilot while do runs.
func (tc *tenant) withoutOperator(do func()) {
	tc.Helper()
	tc.scaleOperator(0)
	defer tc.scaleOperator(1)
	do()
}

func (tc *tenant) scaleOperator(n int32) {
	tc.Helper()
	tc.Kubectl("--namespace", system, "scale", "deployment/"+operator, fmt.Sprintf("--replicas=%d", n))
	if n == 0 { // killed, not asked to end
		tc.Kubectl("--namespace", system, "delete", "pods", "-l", "app.kubernetes.io/name="+operator, "--grace-period=0", "--force", "--ignore-not-found")
	}
	tc.Eventually(fmt.Sprintf("%d operators run", n), usable, func(ctx context.Context) (bool, string) {
		pods, err := tc.Client.CoreV1().Pods(system).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=" + operator, Limit: 10})
		if err != nil {
			return false, err.Error()
		}
		ready := 0
		for _, p := range pods.Items {
			if scenario.Ready(&p) {
				ready++
			}
		}
		return len(pods.Items) == int(n) && ready == int(n), fmt.Sprintf("%d pods, %d ready", len(pods.Items), ready)
	})
}

// A decided size reaches the running container in place; and a pod that is made while no program of Metapilot runs has it from birth.
func TestSizeReachesPods(t *testing.T) {
	s := scenario.NewOwn(t)
	tc := newTenant(s, "sized", "")
	before := tc.pods(t.Context(), "kube-apiserver")[0]
	tc.Kubectl("patch", "tenantcluster", "sized", "--type=merge", "--patch",
		`{"spec":{"sizing":{"apiServer":{"resources":{"requests":{"memory":"700Mi"},"limits":{"memory":"1500Mi"}}}}}}`)
	tc.Eventually("the running container has the new size", usable, func(ctx context.Context) (bool, string) {
		pods := tc.pods(ctx, "kube-apiserver")
		if len(pods) != 1 || pods[0].UID != before.UID {
			return false, "the pod was replaced"
		}
		status := pods[0].Status.ContainerStatuses[0]
		return status.Resources != nil && status.Resources.Limits.Memory().String() == "1500Mi" && status.RestartCount == 0, fmt.Sprintf("%+v", status.Resources)
	})
	tc.withoutOperator(func() {
		tc.kill(before)
		tc.Eventually("the new pod has the size that was decided", usable, func(ctx context.Context) (bool, string) {
			pods := tc.pods(ctx, "kube-apiserver")
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
	tc.remember("probe")
	before := tc.identities()
	p := probe(tc)
	tc.withoutOperator(func() { time.Sleep(time.Minute) })
	tc.awaitReady()
	p.mustHaveSeenNoFailure(500)
	if after := tc.identities(); after != before {
		t.Errorf("the operator's restart changed the pods from %s to %s", before, after)
	}
}

// identities are the tenant's pods.
func (tc *tenant) identities() string {
	tc.Helper()
	return tc.Kubectl("--namespace", tc.namespace, "get", "pods", "--sort-by=.metadata.name", "-o", "jsonpath={range .items[*]}{.metadata.name} {.metadata.uid};{end}")
}

// short is how long a certificate is valid that is forced upon a tenant: long enough that a third of it brings the next one into the pods (the
// kubelet looks once a minute), short enough to be seen to end.
const short = 6 * time.Minute

// Certificates that are about to end are replaced, and no client notices, also when the old ones have ended: every server has taken up the new.
func TestCertificatesAreRenewedUnderLoad(t *testing.T) {
	tc := newTenant(scenario.New(t), "renewed", "  replicas: 2")
	tc.twoAPIServers()
	tc.remember("probe")
	pods, p := tc.identities(), probe(tc)
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
	tc.awaitReady()
	tc.remember("after-the-end-of-the-old")
	p.mustHaveSeenNoFailure(1000)
	if after := tc.identities(); after != pods {
		t.Errorf("renewal changed the pods from %s to %s", pods, after)
	}
}

// forceShortLeaves replaces every certificate of the tenant by one of its own authority that ends soon, and returns them.
func (tc *tenant) forceShortLeaves() map[string]string {
	tc.Helper()
	secrets := tc.Client.CoreV1().Secrets(tc.namespace)
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
func (tc *tenant) authorityOf(leaf *corev1.Secret) *pki.Authority {
	tc.Helper()
	for _, name := range []string{"ca", "front-proxy-ca", "etcd-client-ca", "etcd-peer-ca"} {
		s, err := tc.Client.CoreV1().Secrets(tc.namespace).Get(tc.Context(), name, metav1.GetOptions{})
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
func requestOf(tc *tenant, raw []byte) pki.Request {
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
func (tc *tenant) leaves() map[string]string {
	tc.Helper()
	list, err := tc.Client.CoreV1().Secrets(tc.namespace).List(tc.Context(), metav1.ListOptions{LabelSelector: "metapilot.io/credential=Leaf", Limit: 100})
	if err != nil {
		tc.Fatal(err)
	}
	all := map[string]string{}
	for _, s := range list.Items {
		all[s.Name] = string(s.Data[corev1.TLSCertKey])
	}
	return all
}
