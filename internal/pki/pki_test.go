package pki_test

import (
	"crypto/tls"
	"crypto/x509"
	"slices"
	"testing"
	"time"

	"k8s.io/client-go/util/cert"

	"github.com/metapilot/metapilot/internal/pki"
)

var now = time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)

func authority(t *testing.T, name string) *pki.Authority {
	t.Helper()
	a, err := pki.NewAuthority(name, now, 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func parse(t *testing.T, pair pki.Pair) *x509.Certificate {
	t.Helper()
	if _, err := tls.X509KeyPair(pair.Cert, pair.Key); err != nil {
		t.Fatalf("certificate and key do not belong together: %v", err)
	}
	certs, err := cert.ParseCertsPEM(pair.Cert)
	if err != nil {
		t.Fatal(err)
	}
	return certs[0]
}

func verify(c *x509.Certificate, by *pki.Authority, host string, at time.Time, usage x509.ExtKeyUsage) error {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(by.Cert)
	_, err := c.Verify(x509.VerifyOptions{Roots: roots, DNSName: host, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{usage}})
	return err
}

func TestServerCertificateHoldsForItsHostsItsAuthorityAndItsTime(t *testing.T) {
	ca, other := authority(t, "serving"), authority(t, "other")
	pair, err := ca.Issue(pki.Request{CommonName: "api", Hosts: []string{"api.example", "172.30.0.1"}, Validity: time.Hour}, now)
	if err != nil {
		t.Fatal(err)
	}
	c := parse(t, pair)
	for name, tc := range map[string]struct {
		by    *pki.Authority
		host  string
		at    time.Time
		usage x509.ExtKeyUsage
		holds bool
	}{
		"by name":                  {ca, "api.example", now, x509.ExtKeyUsageServerAuth, true},
		"by address":               {ca, "172.30.0.1", now, x509.ExtKeyUsageServerAuth, true},
		"a little before now":      {ca, "api.example", now.Add(-4 * time.Minute), x509.ExtKeyUsageServerAuth, true},
		"another host":             {ca, "etcd.example", now, x509.ExtKeyUsageServerAuth, false},
		"another authority":        {other, "api.example", now, x509.ExtKeyUsageServerAuth, false},
		"after its time":           {ca, "api.example", now.Add(61 * time.Minute), x509.ExtKeyUsageServerAuth, false},
		"as a client, not allowed": {ca, "api.example", now, x509.ExtKeyUsageClientAuth, false},
	} {
		t.Run(name, func(t *testing.T) {
			if err := verify(c, tc.by, tc.host, tc.at, tc.usage); (err == nil) != tc.holds {
				t.Errorf("verification: %v, want holds=%v", err, tc.holds)
			}
		})
	}
}

func TestClientCertificateCarriesUserAndGroups(t *testing.T) {
	ca := authority(t, "client")
	pair, err := ca.Issue(pki.Request{CommonName: "system:node:n1", Organizations: []string{"system:nodes"}, Client: true, Validity: time.Hour}, now)
	if err != nil {
		t.Fatal(err)
	}
	c := parse(t, pair)
	if c.Subject.CommonName != "system:node:n1" || !slices.Equal(c.Subject.Organization, []string{"system:nodes"}) {
		t.Errorf("subject is %v", c.Subject)
	}
	if err := verify(c, ca, "", now, x509.ExtKeyUsageClientAuth); err != nil {
		t.Error(err)
	}
}

func TestAuthoritySurvivesStorage(t *testing.T) {
	again, err := pki.ParseAuthority(authority(t, "kept").Pair)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := again.Issue(pki.Request{CommonName: "c", Client: true, Validity: time.Hour}, now)
	if err != nil {
		t.Fatal(err)
	}
	if err := verify(parse(t, pair), again, "", now, x509.ExtKeyUsageClientAuth); err != nil {
		t.Error(err)
	}
}

func TestCheck(t *testing.T) {
	ca, other := authority(t, "ca"), authority(t, "ca")
	pair, err := ca.Issue(pki.Request{CommonName: "c", Client: true, Validity: time.Hour}, now)
	if err != nil {
		t.Fatal(err)
	}
	if err := ca.Check(pair.Cert, now); err != nil {
		t.Errorf("a good certificate: %v", err)
	}
	if err := other.Check(pair.Cert, now); err == nil {
		t.Error("a certificate of another authority of the same name was taken")
	}
	if err := ca.Check(pair.Cert, now.Add(2*time.Hour)); err == nil {
		t.Error("a certificate was taken after its time")
	}
	if err := ca.Check([]byte("nonsense"), now); err == nil {
		t.Error("nonsense was taken")
	}
}

func TestRefusals(t *testing.T) {
	ca := authority(t, "ca")
	leaf, err := ca.Issue(pki.Request{CommonName: "leaf", Client: true, Validity: time.Hour}, now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pki.ParseAuthority(leaf); err == nil {
		t.Error("a leaf certificate was taken for an authority")
	}
	if _, err := ca.Issue(pki.Request{CommonName: "useless", Validity: time.Hour}, now); err == nil {
		t.Error("a certificate for neither server nor client was issued")
	}
	if _, err := ca.Issue(pki.Request{CommonName: "eternal", Client: true}, now); err == nil {
		t.Error("a certificate without validity was issued")
	}
}
