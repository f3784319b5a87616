package tenantcluster

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/internal/pki"
	"github.com/metapilot/metapilot/operators/tenantcluster/plan"
)

// Keys of the tenant's Secrets, as Kubernetes' type kubernetes.io/tls has them.
const (
	certKey       = corev1.TLSCertKey
	keyKey        = corev1.TLSPrivateKeyKey
	caKey         = corev1.ServiceAccountRootCAKey
	publicKey     = "sa.pub"
	privateKey    = "sa.key"
	kubeconfigKey = "value" // as Cluster API has it
)

const (
	// requestAnnotation is the digest of the request that a credential was made for.
	requestAnnotation = "metapilot.io/request"
	// keepFinalizer keeps authorities and signing keys when somebody deletes them: all of a tenant's trust hangs on them.
	keepFinalizer = "metapilot.io/keep"
	// keptSuffix names the copy from which a deleted one comes back.
	keptSuffix = "-kept"
)

// vault holds a tenant's Secrets as they were read.
type vault struct {
	secrets     map[string]*corev1.Secret
	authorities map[string]*pki.Authority
}

// open reads the Secrets of the tenant from the cache.
func (r *Reconciler) open(ctx context.Context, tc *v1alpha1.TenantCluster) (*vault, error) {
	v := &vault{secrets: map[string]*corev1.Secret{}, authorities: map[string]*pki.Authority{}}
	var list corev1.SecretList
	if err := r.Client.List(ctx, &list, client.InNamespace(plan.Namespace(tc)), client.UnsafeDisableDeepCopy); err != nil {
		return nil, err
	}
	for i := range list.Items {
		v.secrets[list.Items[i].Name] = &list.Items[i]
	}
	admin := &corev1.Secret{}
	err := r.Client.Get(ctx, client.ObjectKey{Namespace: tc.Namespace, Name: plan.KubeconfigSecret(tc.Name)}, admin)
	if err == nil {
		v.secrets[plan.Admin] = admin
	}
	return v, client.IgnoreNotFound(err)
}

// credentials judges what is there. What a Secret is, its name says: labels and annotations can be edited by anybody.
func (v *vault) credentials(tc *v1alpha1.TenantCluster, now time.Time) map[string]plan.Credential {
	all := map[string]plan.Credential{}
	for _, request := range plan.Requests(tc) {
		if s := v.secrets[request.Name]; s != nil {
			c := v.judge(request, s, now)
			c.Request = s.Annotations[requestAnnotation]
			all[request.Name] = c
		}
	}
	return all
}

// judge tells whether the Secret's content can be used.
func (v *vault) judge(request plan.Request, s *corev1.Secret, now time.Time) plan.Credential {
	switch request.Kind {
	case plan.SigningKey:
		return judgeSigningKey(s)
	case plan.Authority:
		return judgeAuthority(s)
	default:
		return v.judgeLeaf(request, s, now)
	}
}

// kindLabel says what kind of credential a Secret holds.
const kindLabel = "metapilot.io/credential"

func judgeSigningKey(s *corev1.Secret) plan.Credential {
	if _, err := keyutil.ParsePrivateKeyPEM(s.Data[privateKey]); err != nil {
		return plan.Credential{Fault: fmt.Sprintf("its key cannot be read: %v", err)}
	}
	return plan.Credential{Digest: digest(s.Data[publicKey])}
}

func judgeAuthority(s *corev1.Secret) plan.Credential {
	a, err := pki.ParseAuthority(pki.Pair{Cert: s.Data[certKey], Key: s.Data[keyKey]})
	if err != nil {
		return plan.Credential{Fault: err.Error()}
	}
	from, to := a.Validity()
	return plan.Credential{NotBefore: from, NotAfter: to, Digest: digest(s.Data[certKey])}
}

func (v *vault) judgeLeaf(request plan.Request, s *corev1.Secret, now time.Time) plan.Credential {
	pair, ca, err := leafOf(s)
	if err != nil {
		return plan.Credential{Fault: err.Error()}
	}
	authority, err := v.authority(request.Signer)
	if err != nil {
		return plan.Credential{Fault: "its authority is gone"}
	}
	certs, err := cert.ParseCertsPEM(pair.Cert)
	if err != nil {
		return plan.Credential{Fault: fmt.Sprintf("it cannot be read: %v", err)}
	}
	c := plan.Credential{NotBefore: certs[0].NotBefore, NotAfter: certs[0].NotAfter, Digest: digest(pair.Cert)}
	if _, err := tls.X509KeyPair(pair.Cert, pair.Key); err != nil {
		c.Fault = fmt.Sprintf("its key does not fit: %v", err)
	} else if err := authority.Check(pair.Cert, now); err != nil {
		c.Fault = err.Error()
	} else if !bytes.Equal(ca, authority.Cert) {
		c.Fault = "it stands with another authority than its own"
	}
	return c
}

// leafOf reads a certificate and the authority beside it, from its own keys or from a kubeconfig. Of a kubeconfig only what is in it is read:
// it lies where users write, and may name files.
func leafOf(s *corev1.Secret) (pair pki.Pair, ca []byte, err error) {
	raw, is := s.Data[kubeconfigKey]
	if !is {
		return pki.Pair{Cert: s.Data[certKey], Key: s.Data[keyKey]}, s.Data[caKey], nil
	}
	config, err := clientcmd.Load(raw)
	if err != nil {
		return pair, nil, fmt.Errorf("the kubeconfig cannot be read: %w", err)
	}
	user, cluster := config.AuthInfos[kubeconfigUser], config.Clusters[kubeconfigCluster]
	if user == nil || cluster == nil {
		return pair, nil, errors.New("the kubeconfig lacks its user or its cluster")
	}
	return pki.Pair{Cert: user.ClientCertificateData, Key: user.ClientKeyData}, cluster.CertificateAuthorityData, nil
}

// authority is the named authority of the tenant.
func (v *vault) authority(name string) (*pki.Authority, error) {
	if a := v.authorities[name]; a != nil {
		return a, nil
	}
	s := v.secrets[name]
	if s == nil {
		return nil, fmt.Errorf("there is no authority %s", name)
	}
	a, err := pki.ParseAuthority(pki.Pair{Cert: s.Data[certKey], Key: s.Data[keyKey]})
	if err == nil {
		v.authorities[name] = a
	}
	return a, err
}

func digest(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:8])
}
