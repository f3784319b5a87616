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

	"github.com/metapilot/metapilot/e2e/scenario"
)

// prober uses the tenant all the time, the way a client with a retry does.
type prober struct {
	tc     *tenant
	stop   context.CancelFunc
	done   sync.WaitGroup
	tries  int
	failed []string // requests that failed twice
}

func probe(tc *tenant) *prober {
	ctx, stop := context.WithCancel(tc.Context())
	p := &prober{tc: tc, stop: stop}
	p.done.Go(func() {
		for ctx.Err() == nil {
			p.tries++
			if err := p.ask(ctx); err != nil && ctx.Err() == nil {
				time.Sleep(200 * time.Millisecond)
				if again := p.ask(ctx); again != nil && ctx.Err() == nil {
					p.failed = append(p.failed, fmt.Sprintf("%s: %v; again: %v", time.Now().Format(time.TimeOnly), err, again))
				}
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
	p.tc.Logf("%d requests, %d failed twice", p.tries, len(p.failed))
	if p.tries < least {
		p.tc.Errorf("the prober asked only %d times, so it proves little", p.tries)
	}
	if len(p.failed) > 0 {
		p.tc.Errorf("%d of %d requests failed, also when retried:\n%s", len(p.failed), p.tries, strings.Join(p.failed, "\n"))
	}
}

// Two API servers: one of them ends, then the other, and no client that retries notices.
func TestAPIServerPodIsDeletedUnderLoad(t *testing.T) {
	tc := newTenant(scenario.New(t), "busy", "  replicas: 2")
	tc.twoAPIServers()
	tc.remember("probe")
	p := probe(tc)
	for _, pod := range tc.pods(t.Context(), "kube-apiserver") {
		if err := tc.Client.CoreV1().Pods(tc.namespace).Delete(t.Context(), pod.Name, metav1.DeleteOptions{}); err != nil {
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
	p := probe(tc)
	for _, name := range []string{"kube-apiserver", "ca", "service-account", "etcd-server"} {
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
	tc.awaitReady()
	p.mustHaveSeenNoFailure(20)
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

// Certificates that are about to end are replaced, and no client notices.
func TestCertificatesAreRenewedUnderLoad(t *testing.T) {
	tc := newTenant(scenario.New(t), "renewed", "  replicas: 2\n  certificates: {leafValidity: 2h}")
	tc.twoAPIServers()
	tc.remember("probe")
	before := tc.leaves()
	p := probe(tc)
	// With almost the whole of a certificate's life as the time before its end, every one of them is due a few minutes after its birth.
	tc.Kubectl("patch", "tenantcluster", tc.name, "--type=merge", "--patch", `{"spec":{"certificates":{"renewBefore":"1h59m30s"}}}`)
	tc.Eventually("every certificate is another one", 5*time.Minute, func(context.Context) (bool, string) {
		var old []string
		for name, cert := range tc.leaves() {
			if before[name] == cert {
				old = append(old, name)
			}
		}
		return len(old) == 0, fmt.Sprint("still the same: ", old)
	})
	tc.Kubectl("patch", "tenantcluster", tc.name, "--type=merge", "--patch", `{"spec":{"certificates":{"renewBefore":null}}}`)
	time.Sleep(90 * time.Second) // the kubelet brings the new files, and servers take them up
	tc.awaitReady()
	p.mustHaveSeenNoFailure(1000)
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
