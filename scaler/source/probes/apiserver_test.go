package probes

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	runtimescheme "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/internal/testenv"
	"github.com/metapilot/metapilot/scaler/model"
	"github.com/metapilot/metapilot/scaler/source"
)

// world is an API server that is the meta cluster and a tenant at once, which is asked with a certificate as the master-operator makes it.
type world struct {
	client.Client
	address string
	trust   *tls.Config
	prober  *rest.Config
}

func TestOnAPIServer(t *testing.T) {
	env := testenv.Start(t, testenv.Options{CRDs: []string{"../../../charts/metapilot-crds/templates"}})
	w := newWorld(t, env)
	for _, test := range []struct {
		says string
		run  func(*testing.T, *world)
	}{
		{"who is not let in knows nothing", notLetIn},
		{"a tenant that answers", answers},
		{"what is written is not kept", keepsNothing},
		{"a watch that delivers nothing", silentWatches},
		{"servers that are none", oddServers},
		{"a thousand probes leave nothing behind", leavesNothing},
		{"from TenantCluster and Secret to what decisions are told", tells},
	} {
		t.Run(test.says, func(t *testing.T) { test.run(t, w) })
	}
}

func newWorld(t *testing.T, env *testenv.Env) *world {
	t.Helper()
	scheme := runtimescheme.NewScheme()
	for _, add := range []func(*runtimescheme.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		must(t, add(scheme))
	}
	c, err := client.New(env.Config, client.Options{Scheme: scheme})
	must(t, err)
	user, err := env.AddUser(envtest.User{Name: v1alpha1.ProbesUser}, nil)
	must(t, err)
	at, err := url.Parse(env.Config.Host)
	must(t, err)
	w := &world{Client: c, address: strings.TrimPrefix(at.Host, "https://"), prober: user.Config()}
	w.trust = trustOf(t, w.prober.CertData, w.prober.KeyData, w.prober.CAData)
	return w
}

func trustOf(t *testing.T, cert, key, ca []byte) *tls.Config {
	t.Helper()
	pair, err := tls.X509KeyPair(cert, key)
	must(t, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, Certificates: []tls.Certificate{pair}}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// letIn makes what the master-operator makes in a tenant.
func (w *world) letIn(t *testing.T) {
	t.Helper()
	meta := metav1.ObjectMeta{Namespace: v1alpha1.ProbesNamespace, Name: "prober"}
	for _, o := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.ProbesNamespace}},
		&rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"create", "list", "watch"}}}},
		&rbacv1.RoleBinding{ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "prober"},
			Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: v1alpha1.ProbesUser}}},
	} {
		must(t, client.IgnoreAlreadyExists(w.Create(t.Context(), o)))
	}
	eventually(t, func() string {
		if a := w.asks(t, w.address); a != (answer{}) {
			return fmt.Sprintf("%+v", a)
		}
		return ""
	})
}

func eventually(t *testing.T, why func() string) {
	t.Helper()
	last := ""
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if last = why(); last == "" {
			return
		}
	}
	t.Fatal(last)
}

func (w *world) asks(t *testing.T, address string) answer {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	return interview(ctx, address, w.trust)
}

func notLetIn(t *testing.T, w *world) {
	a := w.asks(t, w.address)
	if !strings.HasPrefix(a.unknown, `its probe is not let in: list: HTTP 403: configmaps is forbidden: User "metapilot:cluster-scaler-probes"`) || a.failed != "" {
		t.Errorf("%+v", a)
	}
	nobody := &world{trust: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: w.trust.RootCAs}}
	if a := nobody.asks(t, w.address); !strings.HasPrefix(a.unknown, "its probe is not let in: list: HTTP 40") {
		t.Errorf("without a certificate: %+v", a)
	}
}

func answers(t *testing.T, w *world) { w.letIn(t) }

func keepsNothing(t *testing.T, w *world) {
	var all corev1.ConfigMapList
	must(t, w.List(t.Context(), &all, client.InNamespace(v1alpha1.ProbesNamespace)))
	if len(all.Items) > 0 {
		t.Errorf("there is a ConfigMap %s", all.Items[0].Name)
	}
}

// between stands between the prober and the API server, with the server's own certificate, and answers some requests itself.
func (w *world) between(t *testing.T, instead func(http.ResponseWriter, *http.Request) bool) string {
	t.Helper()
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "https", Host: w.address})
	proxy.Transport = &http.Transport{TLSClientConfig: w.trust, DisableKeepAlives: true}
	proxy.FlushInterval = -1
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(out http.ResponseWriter, in *http.Request) {
		if !instead(out, in) {
			proxy.ServeHTTP(out, in)
		}
	}))
	server.StartTLS()
	t.Cleanup(server.Close)
	w2 := *w
	w2.trust = w.trust.Clone()
	w2.trust.RootCAs = w.trust.RootCAs.Clone()
	w2.trust.RootCAs.AddCert(server.Certificate())
	w.trust = w2.trust
	return server.Listener.Addr().String()
}

func isWatch(in *http.Request) bool { return in.URL.Query().Get("watch") == "true" }

// silentWatches: requests are answered, and the watch is opened and tells something, but not all.
func silentWatches(t *testing.T, w *world) {
	w.letIn(t)
	through := w.between(t, func(http.ResponseWriter, *http.Request) bool { return false })
	if a := w.asks(t, through); a != (answer{}) {
		t.Fatalf("through a proxy: %+v", a)
	}
	for says, tells := range map[string]string{
		"no answer within 10s":   "",
		"no answer within 10s ":  `{"type":"ADDED","object":{"metadata":{"name":"x"}}}{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"7"}}}`,
		"no answer within 10s  ": `{"type":"ADDED","object":{"metadata":{"annotations":{"k8s.io/initial-events-end":"true"}}}}`,
		"it has failed: too old": `{"type":"ERROR","object":{"kind":"Status","message":"too old"}}`,
	} {
		at := w.between(t, func(out http.ResponseWriter, in *http.Request) bool {
			if !isWatch(in) {
				return false
			}
			fmt.Fprint(out, tells)
			out.(http.Flusher).Flush()
			<-in.Context().Done()
			return true
		})
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		a := interview(ctx, at, w.trust)
		cancel()
		if a.failed != "watch" || a.says != "watch: "+strings.TrimSpace(says) {
			t.Errorf("want %q: %+v", says, a)
		}
	}
	at := w.between(t, func(_ http.ResponseWriter, in *http.Request) bool { return isWatch(in) })
	if a := w.asks(t, at); a.says != "watch: it has ended before it had told what there is" {
		t.Errorf("of a watch that ends: %+v", a)
	}
}

// oddServers: shut ports, strangers, silence, and answers without an end.
func oddServers(t *testing.T, w *world) {
	w.letIn(t)
	stranger := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(stranger.Close)
	strict := &world{trust: trustOf(t, w.prober.CertData, w.prober.KeyData, w.prober.CAData)}
	if a := strict.asks(t, stranger.Listener.Addr().String()); a.says != "readyz: tls: failed to verify certificate: x509: certificate signed by unknown authority" {
		t.Errorf("of another certificate authority: %+v", a)
	}
	deaf := listen(t)
	own := func(path string, status int, body io.Reader) string {
		return w.between(t, func(out http.ResponseWriter, in *http.Request) bool {
			if in.URL.Path != path || isWatch(in) {
				return false
			}
			out.WriteHeader(status)
			_, _ = io.Copy(out, body) // until the other side has enough
			return true
		})
	}
	for at, want := range map[string]answer{
		"127.0.0.1:1": {failed: "readyz", says: "readyz: dial: connect: connection refused"},
		deaf:          {failed: "readyz", says: "readyz: no answer within 10s"},
		own("/readyz", 500, strings.NewReader("[-]etcd failed")):                                          {failed: "readyz", says: "readyz: HTTP 500"},
		own("/readyz", 302, strings.NewReader("elsewhere")):                                               {failed: "readyz", says: "readyz: HTTP 302"},
		own(configMaps, 429, strings.NewReader(`{"kind":"Status","message":"too many requests"}`)):        {failed: "list", says: "list: HTTP 429: too many requests"},
		own(configMaps, 200, endless{}):                                                                   {failed: "list", says: "list: the answer has more than 1 MiB"},
		own(configMaps, 500, endless{}):                                                                   {failed: "list", says: "list: HTTP 500"},
		own(configMaps, 404, strings.NewReader(`{"message":"namespaces \"metapilot-probe\" not found"}`)): {unknown: `its probe is not let in: list: HTTP 404: namespaces "metapilot-probe" not found`},
		own(configMaps, 401, strings.NewReader("")):                                                       {unknown: "its probe is not let in: list: HTTP 401"},
		own(configMaps, 400, strings.NewReader("")):                                                       {unknown: "its probe is not let in: list: HTTP 400"},
		own(configMaps, 422, strings.NewReader("")):                                                       {unknown: "its probe is not let in: list: HTTP 422"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		if got := interview(ctx, at, w.trust); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
		cancel()
	}
}

// endless is what never ends.
type endless struct{}

func (endless) Read(into []byte) (int, error) {
	for i := range into {
		into[i] = 'x'
	}
	return len(into), nil
}

// open is how many goroutines run and files are open.
func open(t *testing.T) (goroutines, files int) {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return runtime.NumGoroutine(), len(all)
}

// leavesNothing: after a thousand probes of tenants of all sorts there are as many goroutines and connections as before.
func leavesNothing(t *testing.T, w *world) {
	w.letIn(t)
	hanging := listen(t)
	slow := w.between(t, func(_ http.ResponseWriter, in *http.Request) bool {
		if isWatch(in) {
			<-in.Context().Done()
		}
		return isWatch(in)
	})
	ill := w.between(t, func(out http.ResponseWriter, _ *http.Request) bool {
		http.Error(out, "[-]etcd failed", http.StatusInternalServerError)
		return true
	})
	goroutines, files := open(t)
	for i := range 1000 {
		at, took := w.address, limit
		switch i % 20 {
		case 1:
			at, took = hanging, 10*time.Millisecond
		case 2:
			at, took = slow, 50*time.Millisecond
		case 3:
			at = "127.0.0.1:1"
		case 5: // and the connection could be used again
			at = ill
		case 4: // it is given up at any point
			took = time.Duration(i) * 20 * time.Microsecond
		}
		ctx, cancel := context.WithTimeout(t.Context(), took)
		interview(ctx, at, w.trust)
		cancel()
	}
	eventually(t, func() string {
		if g, f := open(t); g > goroutines+2 || f > files+2 { // the proxy's own come and go
			return fmt.Sprintf("%d goroutines and %d files, before %d and %d", g, f, goroutines, files)
		}
		return ""
	})
}

// listen takes connections and says nothing on them.
func listen(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(io.Discard, c); c.Close() }() // until the other side hangs up
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}

// tells goes the whole way: TenantClusters and Secrets are read, tenants are asked, and decisions are told.
func tells(t *testing.T, w *world) {
	w.letIn(t)
	w.tenant(t, "well", w.address, true)
	w.tenant(t, "shut", "127.0.0.1:1", true)
	w.tenant(t, "keyless", w.address, true)
	w.tenant(t, "young", w.address, false)
	must(t, w.Delete(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "tc-keyless", Name: v1alpha1.ProbesSecret}}))
	var told []model.Fleet
	s := New(w, w, clock.RealClock{}, Config{Period: time.Second, Rate: 100}, func(f model.Fleet) { told = append(told, f) })
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Start(ctx, func() { t.Error("somebody was woken") }) }()
	defer func() {
		cancel()
		must(t, <-ended)
		if len(told) != 0 {
			t.Errorf("one of three tenants that fails is no outage: %+v", told)
		}
	}()
	for name, want := range map[string]string{
		"well":    "{Asked:true Unknown: Failing:false Says:}",
		"shut":    "{Asked:true Unknown: Failing:true Says:readyz: dial: connect: connection refused}",
		"keyless": `{Asked:true Unknown:reading Secret tc-keyless/cluster-scaler-probes: secrets "cluster-scaler-probes" not found Failing:false Says:}`,
		"young":   "{Asked:true Unknown:it was not asked yet Failing:false Says:}",
	} {
		eventually(t, func() string {
			o := model.Observed{Now: time.Now()}
			s.Look(source.Component{Tenant: types.NamespacedName{Namespace: "default", Name: name}}, &o)
			p := o.Probe
			if p.Unknown == "" && (p.At.IsZero() || p.Since.After(p.At)) {
				return fmt.Sprintf("%s: asked at %s, so since %s", name, p.At, p.Since)
			}
			if got := fmt.Sprintf("{Asked:%t Unknown:%s Failing:%t Says:%s}", p.Asked, p.Unknown, p.Failing, p.Says); got != want {
				return fmt.Sprintf("%s: %s, want %s", name, got, want)
			}
			return ""
		})
	}
	eventually(t, func() string {
		var o model.Observed
		s.Look(source.Component{}, &o)
		if f := o.Fleet; o.Probe != (model.Probe{}) || f.Tenants != 3 || f.Failing != 1 || f.Unknown != 1 || f.Stopped() != "" {
			return fmt.Sprintf("a plain workload is told %+v and %+v", o.Probe, f)
		}
		return ""
	})
}

func (w *world) tenant(t *testing.T, name, address string, usable bool) {
	t.Helper()
	host, text, err := net.SplitHostPort(address)
	must(t, err)
	port, err := strconv.Atoi(text)
	must(t, err)
	must(t, w.Create(t.Context(), &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "metapilot.io/v1alpha1", "kind": "TenantCluster", "metadata": map[string]any{"namespace": "default", "name": name},
		"spec": map[string]any{"version": "v1.36.3", "controlPlaneEndpoint": map[string]any{"host": host, "port": int64(port)}},
	}}))
	tc := &v1alpha1.TenantCluster{}
	must(t, w.Get(t.Context(), client.ObjectKey{Namespace: "default", Name: name}, tc))
	tc.Status.Namespace, tc.Status.Initialization.ControlPlaneInitialized = "tc-"+name, usable
	must(t, w.Status().Update(t.Context(), tc))
	must(t, w.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "tc-" + name}}))
	must(t, w.Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "tc-" + name, Name: v1alpha1.ProbesSecret},
		Data:       map[string][]byte{corev1.TLSCertKey: w.prober.CertData, corev1.TLSPrivateKeyKey: w.prober.KeyData, corev1.ServiceAccountRootCAKey: w.prober.CAData},
	}))
}
