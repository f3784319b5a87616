package tenantcluster

import (
	"context"
	"errors"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/internal/pki"
	"github.com/metapilot/metapilot/operators/tenantcluster/plan"
)

// issue makes the credentials of a plan and writes them. What cannot be written does not hold up the others, unless they hang on it.
func (r *Reconciler) issue(ctx context.Context, tc *v1alpha1.TenantCluster, v *vault, p plan.Plan) (problem error) {
	for _, request := range p.Issue {
		data, err := r.make(v, request, p)
		if err == nil {
			err = r.write(ctx, tc, v, request, data)
		}
		problem = errors.Join(problem, err)
		if err != nil && request.Kind != plan.Leaf {
			return problem
		}
	}
	return problem
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

// write puts a credential into its Secret.
func (r *Reconciler) write(ctx context.Context, tc *v1alpha1.TenantCluster, v *vault, request plan.Request, data map[string][]byte) error {
	s := r.secret(tc, request)
	s.Data = data
	if have := v.secrets[request.Name]; have != nil {
		s.ResourceVersion = have.ResourceVersion
		if err := r.Client.Update(ctx, s, client.FieldOwner(Owner)); err != nil {
			return fmt.Errorf("updating Secret %s: %w", client.ObjectKeyFromObject(s), err)
		}
	} else if err := r.Client.Create(ctx, s, client.FieldOwner(Owner)); apierrors.IsAlreadyExists(err) {
		return r.adopt(ctx, v, s, request)
	} else if err != nil {
		return fmt.Errorf("creating Secret %s: %w", client.ObjectKeyFromObject(s), err)
	}
	v.secrets[request.Name] = s
	return nil
}

func (r *Reconciler) secret(tc *v1alpha1.TenantCluster, request plan.Request) *corev1.Secret {
	s := &corev1.Secret{Type: corev1.SecretTypeTLS}
	s.Name, s.Namespace, s.Labels = request.Name, plan.Namespace(tc), plan.Labels(tc)
	s.Labels[kindLabel] = string(request.Kind)
	s.Annotations = map[string]string{requestAnnotation: request.Key()}
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
