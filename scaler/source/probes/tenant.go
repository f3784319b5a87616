package probes

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler/model"
)

// tenant is what is kept of one: some hundred bytes and a certificate in PEM.
type tenant struct {
	uid       types.UID
	address   string // host and port, as users have them
	namespace string // of its Secret
	papers    papers // read and written by whoever asks it

	asking  bool // somebody does now
	due     time.Time
	watched time.Time // until when it is asked more often
	probe   model.Probe
	failed  string // the question
}

// papers are what it takes to ask a tenant, as its Secret holds them.
type papers struct {
	cert, key, ca []byte
	read          time.Time
}

// fresh is for how long papers are used without another look into their Secret; after a probe that fails they are read anew.
const fresh = time.Hour

// list is all tenants that can be asked.
func (s *Source) list(ctx context.Context) (map[types.NamespacedName]tenant, error) {
	var list v1alpha1.TenantClusterList
	if err := s.tenants.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return nil, err
	}
	all := make(map[types.NamespacedName]tenant, len(list.Items))
	for i := range list.Items {
		tc := &list.Items[i]
		at := tc.Spec.ControlPlaneEndpoint
		if at == nil || !tc.Status.Initialization.ControlPlaneInitialized || !tc.DeletionTimestamp.IsZero() {
			continue
		}
		all[client.ObjectKeyFromObject(tc)] = tenant{
			uid: tc.UID, address: net.JoinHostPort(at.Host, strconv.Itoa(int(at.Port))), namespace: tc.Status.Namespace,
		}
	}
	return all, nil
}

// replace the known tenants, and keep what is known of those that are the same.
func (s *Source) replace(all map[types.NamespacedName]tenant) {
	s.order = s.order[:0]
	for key, now := range all {
		was := s.known[key]
		if was == nil || was.uid != now.uid || was.address != now.address || was.namespace != now.namespace {
			now.probe = model.Probe{Asked: true, Unknown: "it was not asked yet"}
			was = &now
			s.known[key] = was
		}
		s.order = append(s.order, was)
	}
	for key := range s.known {
		if _, is := all[key]; !is {
			delete(s.known, key)
		}
	}
	clear(s.order[len(s.order):cap(s.order)])
}

// before tells who of two whose time has come is asked first.
func (t *tenant) before(other *tenant, now time.Time) bool {
	if watched := t.watched.After(now); watched != other.watched.After(now) {
		return watched
	}
	return t.due.Before(other.due)
}

// note what was answered. Words stay as long as it is the same question that fails, so that nobody is told the same anew.
func (t *tenant) note(at time.Time, a answer) {
	p := &t.probe
	switch {
	case a.unknown != "":
		*p, t.failed = model.Probe{Asked: true, Unknown: a.unknown}, ""
		return
	case p.Unknown != "" || p.Failing != (a.failed != ""):
		p.Since = at
	}
	if a.failed != t.failed || p.Unknown != "" {
		p.Says = a.says
	}
	p.Unknown, p.Failing, p.At, t.failed = "", a.failed != "", at, a.failed
}

// now is what is known of it, if that is not too old.
func (t *tenant) now(now time.Time, stale time.Duration) model.Probe {
	if p := &t.probe; p.Unknown == "" && now.Sub(p.At) > stale {
		return model.Probe{Asked: true, Unknown: "it was asked last at " + p.At.UTC().Format(time.DateTime)}
	}
	return t.probe
}

// trusted is how to talk to the tenant, or why that is not known.
func (t *tenant) trusted(ctx context.Context, secrets client.Reader, now time.Time) (trust *tls.Config, why string) {
	if t.papers.read.IsZero() || now.Sub(t.papers.read) >= fresh {
		var s corev1.Secret
		if err := secrets.Get(ctx, client.ObjectKey{Namespace: t.namespace, Name: v1alpha1.ProbesSecret}, &s); err != nil {
			return nil, fmt.Sprintf("reading Secret %s/%s: %s", t.namespace, v1alpha1.ProbesSecret, words(err))
		}
		t.papers = papers{s.Data[corev1.TLSCertKey], s.Data[corev1.TLSPrivateKeyKey], s.Data[corev1.ServiceAccountRootCAKey], now}
	}
	pair, err := tls.X509KeyPair(t.papers.cert, t.papers.key)
	roots := x509.NewCertPool()
	if err != nil || !roots.AppendCertsFromPEM(t.papers.ca) {
		t.papers = papers{}
		return nil, fmt.Sprintf("Secret %s/%s holds no certificate with its key and authority", t.namespace, v1alpha1.ProbesSecret)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, Certificates: []tls.Certificate{pair}}, ""
}
