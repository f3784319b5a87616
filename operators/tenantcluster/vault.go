package tenantcluster

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

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

// credentials judges what is there.
func (v *vault) credentials(now time.Time) map[string]plan.Credential {
	all := map[string]plan.Credential{}
	for name, secret := range v.secrets {
		if request, ours := secret.Annotations[requestAnnotation]; ours {
			c := v.judge(secret, now)
			c.Request = request
			all[name] = c
		}
	}
	return all
}

// judge tells whether the Secret's content can be used.
func (v *vault) judge(s *corev1.Secret, now time.Time) plan.Credential {
	switch plan.Kind(s.Labels[kindLabel]) {
	case plan.SigningKey:
		return judgeSigningKey(s)
	case plan.Authority:
		return judgeAuthority(s)
	default:
		return v.judgeLeaf(s, now)
	}
}

// kindLabel says what kind of credential a Secret holds.
const kindLabel = "metapilot.io/credential"

// signerAnnotation names the authority of a certificate.
const signerAnnotation = "metapilot.io/signer"

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

func (v *vault) judgeLeaf(s *corev1.Secret, now time.Time) plan.Credential {
	pair, ca, err := leafOf(s)
	if err != nil {
		return plan.Credential{Fault: err.Error()}
	}
	authority, err := v.authority(s.Annotations[signerAnnotation])
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

// leafOf reads a certificate and the authority beside it, from its own keys or from a kubeconfig.
func leafOf(s *corev1.Secret) (pair pki.Pair, ca []byte, err error) {
	raw, is := s.Data[kubeconfigKey]
	if !is {
		return pki.Pair{Cert: s.Data[certKey], Key: s.Data[keyKey]}, s.Data[caKey], nil
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(raw)
	if err != nil {
		return pair, nil, fmt.Errorf("the kubeconfig cannot be read: %w", err)
	}
	return pki.Pair{Cert: config.CertData, Key: config.KeyData}, config.CAData, nil
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

// issue makes the credentials of a plan and writes them.
func (r *Reconciler) issue(ctx context.Context, tc *v1alpha1.TenantCluster, v *vault, p plan.Plan) error {
	for _, request := range p.Issue {
		data, err := r.make(v, request, p)
		if err != nil {
			return err
		}
		if err := r.write(ctx, tc, v, request, data); err != nil {
			return err
		}
	}
	return nil
}

func (r *Reconciler) make(v *vault, request plan.Request, p plan.Plan) (map[string][]byte, error) {
	if kept := v.secrets[request.Name+keptSuffix]; kept != nil && request.Kind != plan.Leaf {
		return maps.Clone(kept.Data), nil
	}
	switch request.Kind {
	case plan.SigningKey:
		pair, err := pki.NewSigningKey()
		return map[string][]byte{publicKey: pair.Cert, privateKey: pair.Key}, err
	case plan.Authority:
		a, err := pki.NewAuthority(request.CommonName, r.Clock.Now(), request.Validity)
		if err != nil {
			return nil, err
		}
		v.authorities[request.Name] = a
		return map[string][]byte{certKey: a.Cert, keyKey: a.Key}, nil
	default:
		return r.sign(v, request, p.Endpoint)
	}
}

// sign makes a certificate, and of the administrator's a kubeconfig.
func (r *Reconciler) sign(v *vault, request plan.Request, at *v1alpha1.Endpoint) (map[string][]byte, error) {
	authority, err := v.authority(request.Signer)
	if err != nil {
		return nil, err
	}
	pair, err := authority.Issue(pki.Request{
		CommonName: request.CommonName, Organizations: request.Organizations, Hosts: request.Hosts, Client: request.Client,
		Validity: request.Validity,
	}, r.Clock.Now())
	if err != nil || request.Name != plan.Admin {
		return map[string][]byte{certKey: pair.Cert, keyKey: pair.Key, caKey: authority.Cert}, err
	}
	raw, err := kubeconfig(at, authority.Cert, pair)
	return map[string][]byte{kubeconfigKey: raw}, err
}

// write replaces the Secret of a credential. Authorities cannot be changed by anybody, and come back when somebody deletes them.
func (r *Reconciler) write(ctx context.Context, tc *v1alpha1.TenantCluster, v *vault, request plan.Request, data map[string][]byte) error {
	s := r.secret(tc, request)
	s.Data = data
	have := v.secrets[request.Name]
	switch {
	case have == nil:
		if err := r.Client.Create(ctx, s, client.FieldOwner(Owner)); err != nil {
			return fmt.Errorf("creating Secret %s: %w", client.ObjectKeyFromObject(s), err)
		}
	case have.Immutable != nil && *have.Immutable: // broken beyond use (judge): it has to make way, and is made anew in the next round
		return r.drop(ctx, have)
	default:
		s.ResourceVersion = have.ResourceVersion
		if err := r.Client.Update(ctx, s, client.FieldOwner(Owner)); err != nil {
			return fmt.Errorf("updating Secret %s: %w", client.ObjectKeyFromObject(s), err)
		}
	}
	v.secrets[request.Name] = s
	return nil
}

func (r *Reconciler) secret(tc *v1alpha1.TenantCluster, request plan.Request) *corev1.Secret {
	s := &corev1.Secret{Type: corev1.SecretTypeTLS}
	s.Name, s.Namespace, s.Labels = request.Name, plan.Namespace(tc), plan.Labels(tc)
	s.Labels[kindLabel] = string(request.Kind)
	s.Annotations = map[string]string{requestAnnotation: request.Key(), signerAnnotation: request.Signer}
	if request.Kind != plan.Leaf {
		immutable := true
		s.Immutable, s.Finalizers = &immutable, []string{keepFinalizer}
	}
	switch {
	case request.Kind == plan.SigningKey:
		s.Type = corev1.SecretTypeOpaque
	case request.Name == plan.Admin:
		s.Name, s.Namespace, s.Type = plan.KubeconfigSecret(tc.Name), tc.Namespace, "cluster.x-k8s.io/secret"
		s.Labels["cluster.x-k8s.io/cluster-name"] = tc.Name
	}
	return s
}

// drop lets a Secret go for good.
func (r *Reconciler) drop(ctx context.Context, s *corev1.Secret) error {
	s = s.DeepCopy()
	if controllerutil.RemoveFinalizer(s, keepFinalizer) {
		if err := r.Client.Update(ctx, s); err != nil {
			return client.IgnoreNotFound(err)
		}
	}
	return client.IgnoreNotFound(r.Client.Delete(ctx, s))
}

// rescue brings authorities and signing keys back that somebody is deleting: first a copy, then the original is let go; it is made again
// from the copy in the next round, and then the copy goes. Killed in between, the next round goes on.
func (r *Reconciler) rescue(ctx context.Context, v *vault) (changed bool, err error) {
	for name, s := range v.secrets {
		kept := v.secrets[name+keptSuffix]
		switch {
		case !controllerutil.ContainsFinalizer(s, keepFinalizer):
			continue
		case s.DeletionTimestamp.IsZero() && kept == nil:
			continue
		case s.DeletionTimestamp.IsZero(): // it is back
			err = client.IgnoreNotFound(r.Client.Delete(ctx, kept))
		case kept == nil:
			err = client.IgnoreAlreadyExists(r.Client.Create(ctx, copyOf(s)))
		default:
			err = r.drop(ctx, s)
		}
		if changed = true; err != nil {
			return changed, fmt.Errorf("bringing back Secret %s: %w", client.ObjectKeyFromObject(s), err)
		}
	}
	return changed, nil
}

// release lets all Secrets go that are kept against deletion.
func (r *Reconciler) release(ctx context.Context, v *vault) error {
	for _, s := range v.secrets {
		if controllerutil.ContainsFinalizer(s, keepFinalizer) {
			if err := r.drop(ctx, s); err != nil {
				return fmt.Errorf("releasing Secret %s: %w", client.ObjectKeyFromObject(s), err)
			}
		}
	}
	return nil
}

func copyOf(s *corev1.Secret) *corev1.Secret {
	kept := &corev1.Secret{Type: s.Type, Data: maps.Clone(s.Data), Immutable: s.Immutable} // s is the cache's
	kept.Name, kept.Namespace, kept.Labels = s.Name+keptSuffix, s.Namespace, maps.Clone(s.Labels)
	return kept
}
