package programs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/scaler/source/exposition"
)

// secretName is the Secret in a tenant's namespace with the certificate by which this program may read metrics and nothing else; the master-operator
// makes it (operators/tenantcluster/plan).
const secretName = "cluster-scaler"

// Of the fleet's certificates, those that were needed last are kept for a while.
const (
	mostCredentials = 512
	keptCredentials = 10 * time.Minute
)

type credentials struct {
	reader client.Reader
	kept   *cache.LRUExpireCache
	name   func(target) string // in the server's certificate
}

func newCredentials(reader client.Reader) *credentials {
	return &credentials{reader: reader, kept: cache.NewLRUExpireCache(mostCredentials), name: serviceName}
}

// serviceName: a program is reached by its pod's address, which is in no certificate.
func serviceName(t target) string { return t.component + "." + t.home + ".svc" }

// of is how the target's server is trusted, and who we are to it.
func (c *credentials) of(ctx context.Context, t target) (*tls.Config, error) {
	if kept, ok := c.kept.Get(t.home); ok {
		return kept.(*tls.Config), nil
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var secret corev1.Secret
	key := client.ObjectKey{Namespace: t.home, Name: secretName}
	if err := c.reader.Get(ctx, key, &secret); apierrors.IsNotFound(err) {
		return nil, exposition.Faultf(exposition.Unequipped, "there is no Secret %s yet, with which its metrics are read", key)
	} else if err != nil {
		return nil, exposition.Faultf(exposition.Unequipped, "reading Secret %s: %v", key, err)
	}
	trust, err := trustOf(&secret)
	if err != nil {
		return nil, exposition.Faultf(exposition.Unequipped, "Secret %s cannot be used: %v", key, err)
	}
	trust.ServerName = c.name(t)
	c.kept.Add(t.home, trust, keptCredentials)
	return trust, nil
}

func (c *credentials) drop(t target) { c.kept.Remove(t.home) }

func trustOf(s *corev1.Secret) (*tls.Config, error) {
	pair, err := tls.X509KeyPair(s.Data[corev1.TLSCertKey], s.Data[corev1.TLSPrivateKeyKey])
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(s.Data[corev1.ServiceAccountRootCAKey]) {
		return nil, exposition.Faultf(exposition.Unequipped, "it has no %s", corev1.ServiceAccountRootCAKey)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, Certificates: []tls.Certificate{pair}}, nil
}
