package kubelets

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/internal/testenv"
	"github.com/metapilot/metapilot/scaler/model"
	"github.com/metapilot/metapilot/scaler/source"
	"github.com/metapilot/metapilot/scaler/source/exposition"
)

// cadvisor is what a kubelet with two pods tells, one of them nobody's; %[1]d periods of which %[2]d were throttled.
const cadvisor = `# HELP container_cpu_cfs_periods_total Number of elapsed enforcement period intervals.
# TYPE container_cpu_cfs_periods_total counter
container_cpu_cfs_periods_total{container="",id="/kubepods/pod1",image="",name="",namespace="tc-demo",pod="kube-apiserver-1"} 900000 1732400000000
container_cpu_cfs_periods_total{container="kube-apiserver",id="/kubepods/pod1/c1",image="i",name="c1",namespace="tc-demo",pod="kube-apiserver-1"} %[1]d 1732400000000
container_cpu_cfs_periods_total{container="kube-apiserver",id="/kubepods/pod2/c2",image="i",name="c2",namespace="other",pod="kube-apiserver-1"} 5 1732400000000
# TYPE container_cpu_cfs_throttled_periods_total counter
container_cpu_cfs_throttled_periods_total{container="",id="/kubepods/pod1",image="",name="",namespace="tc-demo",pod="kube-apiserver-1"} 900000 1732400000000
container_cpu_cfs_throttled_periods_total{container="kube-apiserver",id="/kubepods/pod1/c1",image="i",name="c1",namespace="tc-demo",pod="kube-apiserver-1"} %[2]d 1732400000000
container_cpu_usage_seconds_total{container="kube-apiserver",cpu="total",id="/kubepods/pod1/c1",image="i",name="c1",namespace="tc-demo",pod="kube-apiserver-1"} 3.1
`

// TestKubeletsAreAskedWithATokenThatIsWorthNothingElse asks a TLS server in a kubelet's place, with a token of a real API server.
func TestKubeletsAreAskedWithATokenThatIsWorthNothingElse(t *testing.T) {
	env := testenv.Start(t, testenv.Options{})
	c, err := client.New(env.Config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	furnish(t, c)
	k := &kubelet{}
	server := httptest.NewTLSServer(k)
	t.Cleanup(server.Close)
	node(t, c, "node-1", server.Listener.Addr().(*net.TCPAddr))
	trust := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool()}
	trust.RootCAs.AddCert(server.Certificate())
	s := New(c, TokenOf(c, types.NamespacedName{Namespace: "default", Name: "cluster-scaler-kubelets"}), trust, clock.RealClock{}, exposition.NewPurse(1<<30))
	go func() { _ = s.Start(t.Context(), func() {}) }()

	eventually(t, func() error {
		pod := look(s, 400)
		if pod.Throttled != 25 || len(pod.Throttling) == 0 || pod.Throttling[0].Percent != 25 || pod.Throttling[0].Over < time.Second {
			return fmt.Errorf("throttled is told as %d, and %v", pod.Throttled, pod.Throttling)
		}
		return nil
	})
	config := rest.AnonymousClientConfig(env.Config)
	config.BearerToken = k.bearer()
	whoHasIt := kubernetes.NewForConfigOrDie(config)
	review, err := whoHasIt.AuthenticationV1().SelfSubjectReviews().Create(t.Context(), &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil || review.Status.UserInfo.Username != "system:serviceaccount:default:cluster-scaler-kubelets" {
		t.Errorf("the token is of %v, %v", review, err)
	}
	if _, err := whoHasIt.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{}); err == nil {
		t.Error("with the token, nodes can be listed")
	}
	if _, err := whoHasIt.CoreV1().Secrets("default").Get(t.Context(), "x", metav1.GetOptions{}); err == nil || !strings.Contains(err.Error(), "forbidden") {
		t.Errorf("with the token, Secrets can be read: %v", err)
	}
}

// kubelet tells a quarter of the periods as throttled.
type kubelet struct {
	mu    sync.Mutex
	asked int
	token string
}

func (k *kubelet) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if r.URL.Path != "/metrics/cadvisor" {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	k.asked, k.token = k.asked+1, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	fmt.Fprintf(w, cadvisor, 1000+400*k.asked, 7+100*k.asked)
}

func (k *kubelet) bearer() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.token
}

func furnish(t *testing.T, c client.Client) {
	t.Helper()
	account := &corev1.ServiceAccount{}
	account.Namespace, account.Name = "default", "cluster-scaler-kubelets"
	role := &rbacv1.ClusterRole{Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"nodes/metrics"}, Verbs: []string{"get"}}}}
	role.Name = "kubelets"
	for _, o := range []client.Object{account, role} {
		if err := c.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
}

func node(t *testing.T, c client.Client, name string, at *net.TCPAddr) {
	t.Helper()
	n := &corev1.Node{}
	n.Name = name
	if err := c.Create(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	n.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeHostName, Address: "elsewhere"}, {Type: corev1.NodeInternalIP, Address: at.IP.String()}}
	n.Status.DaemonEndpoints.KubeletEndpoint.Port = int32(at.Port)
	if err := c.Status().Update(t.Context(), n); err != nil {
		t.Fatal(err)
	}
}

// look looks at a pod that is in trouble, so that its node is asked soon.
func look(s *Source, limit int64) model.Pod {
	pod := &corev1.Pod{}
	pod.Namespace, pod.Name = "tc-demo", "kube-apiserver-1"
	o := model.Observed{Now: time.Now(), Grown: time.Now(), Pods: []model.Pod{{Running: true, Ready: true, Node: "node-1", Throttled: -1}}}
	o.Pods[0].Actual.Limits.CPU = limit
	s.Look(source.Component{Name: "kube-apiserver", Container: "kube-apiserver", Pods: []*corev1.Pod{pod}}, &o)
	return o.Pods[0]
}

func eventually(t *testing.T, try func() error) {
	t.Helper()
	var err error
	for range 600 {
		if err = try(); err == nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal(err)
}

// fixed is a reader with one node, and none else.
type fixed struct {
	client.Reader
	node *corev1.Node
}

func (f fixed) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	if f.node == nil || key.Name != "node-1" {
		return errors.New("there is none")
	}
	f.node.DeepCopyInto(into.(*corev1.Node))
	return nil
}

func TestWithoutALimitNothingIsAskedAndNothingThrottled(t *testing.T) {
	s := New(fixed{}, nil, nil, clock.RealClock{}, exposition.NewPurse(1<<20))
	if pod := look(s, 0); pod.Throttled != 0 || len(s.containers) != 0 {
		t.Errorf("got %d, of %v", pod.Throttled, s.containers)
	}
	if pod := look(s, 400); pod.Throttled != -1 || pod.Throttling != nil || len(s.containers) != 1 {
		t.Errorf("what was not asked yet is told as %d, %v", pod.Throttled, pod.Throttling)
	}
}

func TestWhatStandsBetweenUsAndAKubeletIsSaid(t *testing.T) {
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	for name, tc := range map[string]struct {
		node  *corev1.Node
		token *Token
		want  string
	}{
		"no node":    {nil, &Token{text: "t", at: noon}, "reading Node node-1: there is none"},
		"no address": {&corev1.Node{}, &Token{text: "t", at: noon}, "Node node-1 has no internal address"},
		"no token":   {at("10.0.0.1", 0), &Token{client: refusing{}, account: types.NamespacedName{Namespace: "a", Name: "b"}}, "asking for a token of ServiceAccount a/b: no"},
	} {
		s := &Source{nodes: fixed{node: tc.node}, token: tc.token, clock: clock.RealClock{}}
		tc.token.at = time.Now()
		if _, err := s.ask(t.Context(), "node-1"); err == nil || err.Error() != tc.want || exposition.ResultOf(err) != exposition.Unequipped {
			t.Errorf("%s: got %v, want %s", name, err, tc.want)
		}
	}
	s := &Source{nodes: fixed{node: at("10.0.0.1", 0)}, token: &Token{text: "t", at: time.Now()}, clock: clock.RealClock{}}
	if q, err := s.question(t.Context(), "node-1"); err != nil || q.URL != "https://10.0.0.1:10250/metrics/cadvisor" || q.Bearer != "t" {
		t.Errorf("got %+v, %v", q, err)
	}
}

func at(address string, port int32) *corev1.Node {
	n := &corev1.Node{}
	n.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeExternalIP, Address: "192.0.2.1"}, {Type: corev1.NodeInternalIP, Address: address}}
	n.Status.DaemonEndpoints.KubeletEndpoint.Port = port
	return n
}

// refusing gives no tokens.
type refusing struct{ client.Client }

func (refusing) SubResource(string) client.SubResourceClient { return refusingToken{} }

type refusingToken struct{ client.SubResourceClient }

func (refusingToken) Create(context.Context, client.Object, client.Object, ...client.SubResourceCreateOption) error {
	return errors.New("no")
}

// TestAStrangerInPlaceOfAKubelet has another certificate, and gets no token at all.
func TestAStrangerInPlaceOfAKubelet(t *testing.T) {
	got := make(chan string, 1)
	server := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r.Header.Get("Authorization") }))
	t.Cleanup(server.Close)
	host, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	n, _ := strconv.Atoi(port)
	trust := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool()}
	s := &Source{nodes: fixed{node: at(host, int32(n))}, token: &Token{text: "t", at: time.Now()}, trust: trust, clock: clock.RealClock{}}
	if _, err := s.ask(t.Context(), "node-1"); exposition.ResultOf(err) != exposition.Untrusted {
		t.Errorf("got %v", err)
	}
	select {
	case header := <-got:
		t.Errorf("it was told %q", header)
	default:
	}
}

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func TestSharesOfPeriods(t *testing.T) {
	for name, tc := range map[string]struct {
		counts [][3]float64 // seconds since noon, periods, throttled
		want   string
	}{
		"one count says nothing":               {[][3]float64{{0, 100, 10}}, ""},
		"two do":                               {[][3]float64{{0, 100, 10}, {15, 200, 60}}, "50% of 15s"},
		"none is none":                         {[][3]float64{{0, 100, 10}, {15, 200, 10}}, "0% of 15s"},
		"the kubelet has not looked since":     {[][3]float64{{0, 100, 10}, {15, 100, 10}, {30, 300, 60}}, "25% of 30s"},
		"it does nothing":                      {[][3]float64{{0, 100, 10}, {60, 100, 10}}, "0% of 1m0s"},
		"another container, and then that":     {[][3]float64{{0, 100, 10}, {15, 50, 1}, {30, 60, 6}}, "50% of 15s"},
		"another container that had more":      {[][3]float64{{0, 100, 10}, {15, 150, 5}, {30, 250, 6}}, "1% of 15s"},
		"more throttled than passed":           {[][3]float64{{0, 100, 10}, {15, 110, 90}}, ""},
		"too far apart":                        {[][3]float64{{0, 100, 10}, {901, 200, 60}, {916, 300, 60}}, "0% of 15s"},
		"a quarter of an hour is not too far":  {[][3]float64{{0, 100, 10}, {900, 200, 60}}, "50% of 15m0s"},
		"each while starts where the last one": {[][3]float64{{0, 100, 0}, {15, 200, 50}, {45, 400, 250}}, "50% of 15s, 100% of 30s"},
	} {
		var c container
		for _, n := range tc.counts {
			c.add(count{noon.Add(time.Duration(n[0]) * time.Second), n[1], n[2]})
		}
		if got := words(c.shares); got != tc.want {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
}

func words(all []model.Throttle) string {
	var said []string
	for _, s := range all {
		said = append(said, fmt.Sprintf("%d%% of %s", s.Percent, s.Over))
	}
	return strings.Join(said, ", ")
}

func TestWhatWasGivenOutIsNotChanged(t *testing.T) {
	var c container
	for i := range kept {
		c.add(count{noon.Add(time.Duration(i) * time.Minute), float64(100 * (i + 1)), float64(i)})
	}
	c.add(count{noon.Add(kept * time.Minute), 100 * (kept + 1), kept})
	given := c.shares[:len(c.shares):len(c.shares)]
	before := words(given)
	for i := range kept {
		c.add(count{noon.Add(time.Duration(kept+i+1) * time.Minute), float64(100 * (kept + i + 2)), float64(100 * (i + 1))})
	}
	if words(given) != before || len(c.shares) != kept {
		t.Errorf("%d are kept, and what was given out became %s", len(c.shares), words(given))
	}
}

func TestOldSharesAreNotGivenOut(t *testing.T) {
	s := New(fixed{}, nil, nil, clock.RealClock{}, exposition.NewPurse(1<<20))
	k := key{"tc-demo", "kube-apiserver-1", "kube-apiserver"}
	s.containers[k] = &container{shares: []model.Throttle{{At: time.Now().Add(-fresh - time.Second), Percent: 30}}}
	if pod := look(s, 400); pod.Throttled != -1 || pod.Throttling != nil {
		t.Errorf("got %d, %v", pod.Throttled, pod.Throttling)
	}
	s.containers[k].shares[0].At = time.Now().Add(-fresh + time.Minute)
	if pod := look(s, 400); pod.Throttled != 30 || len(pod.Throttling) != 1 {
		t.Errorf("got %d, %v", pod.Throttled, pod.Throttling)
	}
}

func TestAccounts(t *testing.T) {
	if got, err := Account("metapilot-system/cluster-scaler-kubelets"); err != nil || got.Namespace != "metapilot-system" || got.Name != "cluster-scaler-kubelets" {
		t.Errorf("got %v, %v", got, err)
	}
	for _, bad := range []string{"cluster-scaler", "a/", "/b", "A/b", "a/b/c", "a/B"} {
		if _, err := Account(bad); err == nil || err.Error() != fmt.Sprintf("%q is no ServiceAccount: write NAMESPACE/NAME", bad) {
			t.Errorf("%s: got %v", bad, err)
		}
	}
}

func TestTrust(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "ca.crt")
	ca := pemOf(server.Certificate())
	if err := os.WriteFile(file, []byte(ca), 0o600); err != nil {
		t.Fatal(err)
	}
	cluster := func(file, data string) *rest.Config {
		return &rest.Config{TLSClientConfig: rest.TLSClientConfig{CAFile: file, CAData: []byte(data)}}
	}
	for name, tc := range map[string]struct {
		file    string
		cluster *rest.Config
		want    string
	}{
		"a file of its own":      {file, cluster("", ""), ""},
		"that of the cluster":    {"", cluster(file, ""), ""},
		"that of the kubeconfig": {"", cluster("", ca), ""},
		"none":                   {"", cluster("", ""), "there is no certificate of an authority by which kubelets could be trusted"},
		"no file":                {file + "x", cluster(file, ca), "open " + file + "x: no such file or directory"},
	} {
		trust, err := Trust(tc.file, tc.cluster)
		switch {
		case tc.want == "" && err == nil:
			if _, err := server.Certificate().Verify(x509.VerifyOptions{Roots: trust.RootCAs}); err != nil || trust.InsecureSkipVerify {
				t.Errorf("%s: %v", name, err)
			}
		case err == nil || err.Error() != tc.want:
			t.Errorf("%s: got %v, want %q", name, err, tc.want)
		}
	}
}

func pemOf(c *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
}
