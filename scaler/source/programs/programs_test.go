package programs

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/internal/pki"
	"github.com/metapilot/metapilot/scaler/model"
	"github.com/metapilot/metapilot/scaler/source"
	"github.com/metapilot/metapilot/scaler/source/exposition"
)

// secrets is a reader with one Secret in each namespace, and counts how often it is read.
type secrets struct {
	client.Reader
	all  map[string]*corev1.Secret
	away error
	read int
}

func (s *secrets) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	s.read++
	have := s.all[key.Namespace]
	switch {
	case s.away != nil:
		return s.away
	case have == nil || key.Name != "cluster-scaler":
		return apierrors.NewNotFound(schema.GroupResource{Resource: "secrets"}, key.Name)
	}
	have.DeepCopyInto(into.(*corev1.Secret))
	return nil
}

// authority makes certificates as the master-operator does.
func authority(t *testing.T) *pki.Authority {
	t.Helper()
	a, err := pki.NewAuthority("demo ca", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func leaf(t *testing.T, a *pki.Authority, name string, hosts ...string) *corev1.Secret {
	t.Helper()
	pair, err := a.Issue(pki.Request{CommonName: name, Hosts: hosts, Client: true, Validity: time.Hour}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return &corev1.Secret{Data: map[string][]byte{"tls.crt": pair.Cert, "tls.key": pair.Key, "ca.crt": a.Cert}}
}

// serve is an API server of a tenant, that takes clients of its authority only.
func serve(t *testing.T, s *corev1.Secret) (port int) {
	t.Helper()
	trust, err := trustOf(s)
	if err != nil {
		t.Fatal(err)
	}
	trust.ClientCAs, trust.ClientAuth = trust.RootCAs, 4 // required, and verified
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name := r.TLS.PeerCertificates[0].Subject.CommonName; name != "cluster-scaler" {
			t.Errorf("%s asks", name)
		}
		fmt.Fprint(w, "apiserver_request_total{code=\"200\"} 5\n")
	}))
	server.TLS = trust
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.Listener.Addr().(*net.TCPAddr).Port
}

func TestTheTenantsCertificateIsUsedAndChecked(t *testing.T) {
	ours, theirs := authority(t), authority(t)
	clientOfOurs := leaf(t, ours, "cluster-scaler")
	name := "kube-apiserver.tc-demo.svc"
	for says, tc := range map[string]struct {
		server, client *corev1.Secret
		away           error
		result         exposition.Result
		want           string
	}{
		"its own":                  {leaf(t, ours, "kube-apiserver", name), clientOfOurs, nil, exposition.Answered, ""},
		"of another authority":     {leaf(t, theirs, "kube-apiserver", name), clientOfOurs, nil, exposition.Untrusted, "the certificate for its metrics is another one: "},
		"of another tenant's name": {leaf(t, ours, "kube-apiserver", "kube-apiserver.tc-other.svc"), clientOfOurs, nil, exposition.Untrusted, "the certificate for its metrics is another one: "},
		"none":                     {clientOfOurs, nil, nil, exposition.Unequipped, "there is no Secret tc-demo/cluster-scaler yet, with which its metrics are read"},
		"forbidden":                {clientOfOurs, nil, errors.New("forbidden"), exposition.Unequipped, "reading Secret tc-demo/cluster-scaler: forbidden"},
		"empty":                    {clientOfOurs, &corev1.Secret{}, nil, exposition.Unequipped, "Secret tc-demo/cluster-scaler cannot be used: tls: "},
		"half":                     {clientOfOurs, without(clientOfOurs, "ca.crt"), nil, exposition.Unequipped, "Secret tc-demo/cluster-scaler cannot be used: it has no ca.crt"},
	} {
		s := New(&secrets{all: map[string]*corev1.Secret{"tc-demo": tc.client}, away: tc.away}, clock.RealClock{}, exposition.NewPurse(1<<30))
		s.programs = map[string]program{"kube-apiserver": {apiServer, serve(t, tc.server), true}}
		_, err := s.ask(t.Context(), target{"u", "kube-apiserver", "tc-demo", "127.0.0.1"})
		if got := exposition.ResultOf(err); got != tc.result {
			t.Errorf("%s: got %s, %v", says, got, err)
		}
		if tc.want != "" && !strings.HasPrefix(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %s", says, err, tc.want)
		}
	}
}

func without(s *corev1.Secret, key string) *corev1.Secret {
	s = s.DeepCopy()
	delete(s.Data, key)
	return s
}

func TestSecretsAreReadAgainOnlyWhenTheyMayBeOthers(t *testing.T) {
	ours, theirs := authority(t), authority(t)
	reader := &secrets{all: map[string]*corev1.Secret{"tc-demo": leaf(t, theirs, "cluster-scaler")}}
	s := New(reader, clock.RealClock{}, exposition.NewPurse(1<<30))
	s.programs = map[string]program{"kube-apiserver": {apiServer, serve(t, leaf(t, ours, "kube-apiserver", "kube-apiserver.tc-demo.svc")), true}}
	ask := func() error {
		_, err := s.ask(t.Context(), target{"u", "kube-apiserver", "tc-demo", "127.0.0.1"})
		return err
	}
	if err := ask(); exposition.ResultOf(err) != exposition.Untrusted || reader.read != 1 {
		t.Errorf("got %v, read %d times", err, reader.read)
	}
	reader.all["tc-demo"] = leaf(t, ours, "cluster-scaler") // the operator has made it anew
	for range 3 {
		if err := ask(); err != nil {
			t.Error(err)
		}
	}
	if reader.read != 2 {
		t.Errorf("it was read %d times", reader.read)
	}
}

func TestWhatIsNotAsked(t *testing.T) {
	s := New(nil, clock.RealClock{}, exposition.NewPurse(1<<30))
	for says, tc := range map[string]struct {
		component, tenant, ip string
		running               bool
		want                  string
	}{
		"a plain workload":    {"etcd", "", "10.0.0.1", true, "metrics are read of what belongs to a TenantCluster"},
		"another component":   {"kube-scheduler", "demo", "10.0.0.1", true, "metrics are read of kube-apiserver and etcd"},
		"one without address": {"etcd", "demo", "", true, "it does not run"},
		"one that crashed":    {"etcd", "demo", "10.0.0.1", false, "it does not run"},
		"a new one":           {"etcd", "demo", "10.0.0.1", true, "its metrics were not asked yet"},
	} {
		o := model.Observed{Now: time.Now(), Pods: []model.Pod{{Running: tc.running}}}
		pod := &corev1.Pod{Status: corev1.PodStatus{PodIP: tc.ip}}
		pod.UID = types.UID(says)
		s.Look(source.Component{Name: tc.component, Tenant: types.NamespacedName{Name: tc.tenant}, Pods: []*corev1.Pod{pod}}, &o)
		if got := o.Pods[0].Reading; got.Unknown != tc.want || !got.At.IsZero() || got.Etcd != nil {
			t.Errorf("%s: got %+v, want %s", says, got, tc.want)
		}
	}
	if len(s.known) != 1 {
		t.Errorf("%d are known", len(s.known))
	}
}

// TestLookNeverWaits: a program that does not answer holds up nobody who looks, and is forgotten when nobody does.
func TestLookNeverWaits(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(server.Close)
	fake := clocktesting.NewFakeClock(time.Now())
	s := New(nil, fake, exposition.NewPurse(1<<30))
	s.programs = map[string]program{"etcd": {etcd, number(t, parse(t, server.URL).Port()), false}}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { _ = s.Start(ctx, func() { t.Error("it woke everybody") }); close(ended) }()
	done := make(chan struct{})
	go func() {
		for range 1000 {
			look(s, "etcd", "127.0.0.1")
		}
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Fatal("looking has to wait for an answer")
	}
	cancel()
	close(release)
	<-ended
}

func TestWhoIsNotLookedAtIsForgotten(t *testing.T) {
	fake := clocktesting.NewFakeClock(time.Now())
	s := New(nil, fake, exposition.NewPurse(1<<30))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { s.forget(ctx); close(ended) }()
	now := fake.Now()
	s.mu.Lock()
	s.known["old"], s.known["new"] = &reading{looked: now}, &reading{looked: now.Add(5 * time.Minute)}
	s.mu.Unlock()
	eventually(t, func() error {
		if !fake.HasWaiters() {
			return errors.New("it does not wait")
		}
		return nil
	})
	fake.Step(forgotten + time.Second)
	eventually(t, func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.known["old"] != nil || s.known["new"] == nil {
			return errors.New("it is kept")
		}
		return nil
	})
	cancel()
	<-ended
	s.keep(target{pod: "old"}, nil, errors.New("late")) // an answer to what is forgotten
	if s.known["old"] != nil {
		t.Error("it is known again")
	}
}

func TestWhoIsInTroubleIsAskedOften(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	well := model.Pod{Ready: true, Throttled: -1}
	for says, tc := range map[string]struct {
		o    model.Observed
		want bool
	}{
		"well":               {model.Observed{Pods: []model.Pod{well}}, false},
		"killed":             {model.Observed{Kills: []model.Kill{{At: ago(29 * time.Minute)}}}, true},
		"killed long ago":    {model.Observed{Kills: []model.Kill{{At: ago(31 * time.Minute)}}}, false},
		"grown":              {model.Observed{Grown: ago(29 * time.Minute)}, true},
		"grown long ago":     {model.Observed{Grown: ago(31 * time.Minute)}, false},
		"held":               {model.Observed{Last: model.Decided{Guard: "bounds", At: ago(time.Minute)}}, true},
		"held long ago":      {model.Observed{Last: model.Decided{Guard: "bounds", At: ago(time.Hour)}}, false},
		"decided":            {model.Observed{Last: model.Decided{At: ago(time.Minute)}}, false},
		"throttled":          {model.Observed{Pods: []model.Pod{well, {Ready: true, Throttled: 1}}}, true},
		"not ready":          {model.Observed{Pods: []model.Pod{{Throttled: -1}}}, true},
		"ending":             {model.Observed{Pods: []model.Pod{{Throttled: -1, Terminating: true}}}, false},
		"busy":               {withUsage(10, 67), true},
		"busy before":        {withUsage(90, 66), false},
		"busy, of no amount": {func() model.Observed { o := withUsage(500); o.Size.Requests.CPU = 0; return o }(), false},
	} {
		tc.o.Now = now
		if got := exposition.Troubled(&tc.o); got != tc.want {
			t.Errorf("%s: got %t", says, got)
		}
	}
	if r := (model.Reading{APIServer: &model.APIServer{Rejected: 0.1}}); !turnsAway(&r) || turnsAway(&model.Reading{APIServer: &model.APIServer{}}) || turnsAway(&model.Reading{}) {
		t.Error("who turns requests away is not known")
	}
}

func withUsage(cpu ...int64) model.Observed {
	o := model.Observed{Pods: []model.Pod{{Ready: true, Throttled: -1}}}
	o.Size.Requests.CPU = 100
	for _, c := range cpu {
		o.Pods[0].Usage = append(o.Pods[0].Usage, model.Sample{CPU: c})
	}
	return o
}
