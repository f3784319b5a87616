package programs

import (
	"errors"
	"net/url"
	"strconv"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/metapilot/metapilot/internal/testenv"
	"github.com/metapilot/metapilot/scaler/model"
	"github.com/metapilot/metapilot/scaler/source"
	"github.com/metapilot/metapilot/scaler/source/exposition"
)

// TestRealProgramsTell asks a real kube-apiserver and a real etcd as the source does, with the rights that the master-operator's certificate gives.
func TestRealProgramsTell(t *testing.T) {
	env := testenv.Start(t, testenv.Options{APIServer: map[string]string{"etcd-count-metric-poll-period": "2s"}})
	known, err := env.AddUser(envtest.User{Name: "cluster-scaler", Groups: []string{"system:monitoring"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	admin, err := client.New(env.Config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	put(t, admin, "default", secretOf(t, known.Config()))
	s := New(admin, clock.RealClock{}, exposition.NewPurse(1<<30))
	api, store := parse(t, env.Config.Host), parse(t, env.ControlPlane.Etcd.URL.String())
	s.credentials.name = func(target) string { return "localhost" } // envtest's certificate has no other
	s.programs = map[string]program{
		"kube-apiserver": {apiServer, number(t, api.Port()), true},
		"etcd":           {etcd, number(t, store.Port()), false},
	}
	go func() { _ = s.Start(t.Context(), func() {}) }()
	clients := kubernetes.NewForConfigOrDie(env.Config)

	apiserver := func() model.Reading { return look(s, "kube-apiserver", api.Hostname()).Reading }
	member := func() model.Reading { return look(s, "etcd", store.Hostname()).Reading }
	eventually(t, func() error {
		for range 5 {
			if _, err := clients.CoreV1().ConfigMaps("default").List(t.Context(), metav1.ListOptions{}); err != nil {
				return err
			}
		}
		if r, e := apiserver(), member(); r.Unknown != "" || e.Unknown != "" {
			return errors.New(r.Unknown + ", " + e.Unknown)
		}
		return nil
	})
	checkAPIServer(t, apiserver())
	checkEtcd(t, member())
}

func checkAPIServer(t *testing.T, r model.Reading) {
	t.Helper()
	a := r.APIServer
	if a.Requests <= 0 || a.Rejected != 0 || r.Over < 3*time.Second {
		t.Errorf("got %g requests/s, %g turned away, over %s", a.Requests, a.Rejected, r.Over)
	}
	if a.Storage.Count <= 0 || a.Storage.Mean <= 0 || a.Storage.P99 < a.Storage.Mean/2 || a.Storage.P99 > time.Minute {
		t.Errorf("storage is told as %+v", a.Storage)
	}
	checkSeats(t, a)
}

func checkSeats(t *testing.T, a *model.APIServer) {
	t.Helper()
	if a.Objects["namespaces"] < 3 || a.Objects["flowschemas.flowcontrol.apiserver.k8s.io"] < 5 {
		t.Errorf("objects are told as %v", a.Objects)
	}
	levels, seats := map[string]model.PriorityLevel{}, 0.0
	for _, l := range a.Levels {
		levels[l.Name] = l
		seats += l.Seats
	}
	if l := levels["workload-low"]; l.Seats <= 0 || l.Queued != 0 || l.Rejected != 0 || seats < 600 {
		t.Errorf("levels are told as %+v", a.Levels)
	}
	checkFlows(t, a)
}

func checkFlows(t *testing.T, a *model.APIServer) {
	t.Helper()
	work := 0.0
	for _, f := range a.Flows {
		if f.Schema == "exempt" || f.Schema == "global-default" {
			work += f.Work
		}
	}
	if work <= 0 {
		t.Errorf("flows are told as %+v", a.Flows)
	}
}

func checkEtcd(t *testing.T, r model.Reading) {
	t.Helper()
	e := r.Etcd
	if e.Size <= 0 || e.Used <= 0 || e.Used > e.Size || e.Quota != 2<<30 {
		t.Errorf("got size %d, used %d, quota %d", e.Size, e.Used, e.Quota)
	}
	if e.LeaderChanges != 0 || e.ProposalsFailed != 0 || e.Fsync.P99 > time.Minute {
		t.Errorf("got %+v", e)
	}
}

// look looks at a pod that is in trouble, so that it is asked soon again.
func look(s *Source, component, ip string) model.Pod {
	pod := &corev1.Pod{Status: corev1.PodStatus{PodIP: ip}}
	pod.UID = types.UID(component)
	o := model.Observed{Now: time.Now(), Grown: time.Now(), Pods: []model.Pod{{Running: true, Ready: true}}}
	c := source.Component{Name: component, Home: "default", Pods: []*corev1.Pod{pod}}
	c.Tenant.Name = "demo"
	s.Look(c, &o)
	return o.Pods[0]
}

func secretOf(t *testing.T, c *rest.Config) *corev1.Secret {
	t.Helper()
	s := &corev1.Secret{Type: corev1.SecretTypeTLS, Data: map[string][]byte{"tls.crt": c.CertData, "tls.key": c.KeyData, "ca.crt": c.CAData}}
	s.Name = secretName
	return s
}

func put(t *testing.T, c client.Client, namespace string, s *corev1.Secret) {
	t.Helper()
	s.Namespace = namespace
	if err := c.Create(t.Context(), s); err != nil {
		t.Fatal(err)
	}
}

func parse(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
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
