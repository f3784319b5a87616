package tenantcluster

import (
	"context"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/operators/tenantcluster/plan"
)

// adopt takes a Secret back that has lost the labels by which the cache knows it. An authority keeps its content.
func (r *Reconciler) adopt(ctx context.Context, v *vault, wanted *corev1.Secret, request plan.Request) error {
	have := &corev1.Secret{}
	if err := r.Direct.Get(ctx, client.ObjectKeyFromObject(wanted), have); err != nil {
		return err
	}
	if _, ours := have.Annotations[requestAnnotation]; !ours && request.Name == plan.Admin {
		return fmt.Errorf("there is a Secret %s that Metapilot has not made: delete it, or give the TenantCluster another name", client.ObjectKeyFromObject(have))
	}
	if request.Kind == plan.Leaf {
		have.Data = wanted.Data
	}
	identify(have, wanted)
	if err := r.Client.Update(ctx, have, client.FieldOwner(Owner)); err != nil {
		return fmt.Errorf("taking Secret %s back: %w", client.ObjectKeyFromObject(have), err)
	}
	v.secrets[request.Name] = have
	delete(v.authorities, request.Name) // the one that was just made for nothing
	return nil
}

// identify gives a Secret the marks that it should have, and tells whether it lacked any.
func identify(have, wanted *corev1.Secret) (changed bool) {
	for _, marks := range []struct {
		have   *map[string]string
		wanted map[string]string
	}{
		{&have.Labels, wanted.Labels}, {&have.Annotations, wanted.Annotations},
	} {
		for key, value := range marks.wanted {
			if (*marks.have)[key] != value {
				changed = true
				if *marks.have == nil {
					*marks.have = map[string]string{}
				}
				(*marks.have)[key] = value
			}
		}
	}
	for _, f := range wanted.Finalizers {
		changed = controllerutil.AddFinalizer(have, f) || changed
	}
	return changed
}

// mark repairs the labels, annotations and finalizers of authorities and signing keys; those of certificates come back with the next one.
func (r *Reconciler) mark(ctx context.Context, tc *v1alpha1.TenantCluster, v *vault) (changed bool, err error) {
	for _, request := range plan.Requests(tc) {
		s := v.secrets[request.Name]
		if s == nil || request.Kind == plan.Leaf || !s.DeletionTimestamp.IsZero() {
			continue
		}
		have := s.DeepCopy()
		if !identify(have, r.secret(tc, request)) {
			continue
		}
		if err := r.Client.Update(ctx, have, client.FieldOwner(Owner)); err != nil {
			return changed, fmt.Errorf("marking Secret %s: %w", client.ObjectKeyFromObject(s), err)
		}
		changed = true
	}
	return changed, nil
}

// drop lets a Secret go for good.
func (r *Reconciler) drop(ctx context.Context, s *corev1.Secret) error {
	s = s.DeepCopy()
	if controllerutil.RemoveFinalizer(s, keepFinalizer) {
		if err := r.Client.Update(ctx, s); err != nil {
			return client.IgnoreNotFound(err)
		}
	}
	return client.IgnoreNotFound(r.Client.Delete(ctx, s, client.Preconditions{UID: &s.UID})) // not one that has come since
}

// rescue brings authorities and signing keys back that somebody is deleting: first a copy, then the original is let go; it is made again
// from the copy in the next round, and then the copy goes. Killed in between, the next round goes on.
func (r *Reconciler) rescue(ctx context.Context, _ *v1alpha1.TenantCluster, v *vault) (changed bool, err error) {
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
