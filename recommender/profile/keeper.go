package profile

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/metapilot/metapilot/api/v1alpha1"
)

// Names of this program where field managers, labels and leases need one.
const (
	Owner        = "workload-recommender"
	managedBy    = "app.kubernetes.io/managed-by"
	profileLabel = "metapilot.io/profile-of" // kind of the workload, in lower case
)

// Kind is a kind of workload that gets profiles.
type Kind struct {
	APIVersion, Name string
	Object           client.Object // an empty one
}

// Kinds that are watched. A profile may name others, if they have a scale subresource.
var Kinds = []Kind{
	{"apps/v1", "Deployment", &appsv1.Deployment{}},
	{"apps/v1", "StatefulSet", &appsv1.StatefulSet{}},
	{"apps/v1", "DaemonSet", &appsv1.DaemonSet{}},
}

// Other is a kind of which only metadata is watched, to make profiles.
func Other(kind schema.GroupVersionKind) Kind {
	o := &metav1.PartialObjectMetadata{}
	o.SetGroupVersionKind(kind)
	return Kind{kind.GroupVersion().String(), kind.Kind, o}
}

func (k Kind) empty() client.Object { return k.Object.DeepCopyObject().(client.Object) }

// Keeper is the workload-controller for one kind: every workload that the selector admits has a profile.
type Keeper struct {
	Client   client.Client
	Live     client.Reader
	Clock    clock.PassiveClock
	Kind     Kind
	Selector labels.Selector
	Workers  int // workloads that are worked on at the same time
}

// SetupWithManager registers the controller.
func (k *Keeper) SetupWithManager(m ctrl.Manager) error {
	ours := predicate.NewPredicateFuncs(func(o client.Object) bool { return o.GetLabels()[profileLabel] == strings.ToLower(k.Kind.Name) })
	changed := predicate.Or(predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{})
	return ctrl.NewControllerManagedBy(m).Named("workload-"+strings.ToLower(k.Kind.Name)).
		For(k.Kind.empty()).
		Watches(&v1alpha1.WorkloadProfile{}, handler.EnqueueRequestsFromMapFunc(workloadOf), builder.WithPredicates(ours, changed)).
		WithOptions(controller.Options{MaxConcurrentReconciles: k.Workers}).
		Complete(k)
}

func workloadOf(_ context.Context, o client.Object) []reconcile.Request {
	p := o.(*v1alpha1.WorkloadProfile)
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: p.Namespace, Name: p.Spec.TargetRef.Name}}}
}

// Reconcile makes the workload's profile, or removes it from one that has not been admitted for a day: a label may be gone for a moment, and a selector may
// be a mistake. The profile of a workload that is gone is left to the garbage collector, which knows better than any cache that it is.
func (k *Keeper) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	w, err := k.look(ctx, request.NamespacedName)
	if w == nil || err != nil {
		return reconcile.Result{}, err
	}
	p := &v1alpha1.WorkloadProfile{}
	err = k.Client.Get(ctx, client.ObjectKey{Namespace: w.GetNamespace(), Name: NameFor(k.Kind.Name, w.GetName())}, p)
	missing, admitted := apierrors.IsNotFound(err), k.Selector.Matches(labels.Set(w.GetLabels()))
	var again time.Duration
	switch {
	case missing && admitted:
		err = client.IgnoreAlreadyExists(k.Client.Create(ctx, k.profileFor(w), client.FieldOwner(Owner)))
	case missing:
		err = nil
	case err == nil && admitted:
		err = k.mark(ctx, p, "")
	case err == nil && metav1.IsControlledBy(p, w) && p.Labels[managedBy] == Owner:
		again, err = k.part(ctx, p)
	}
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("keeping the profile of %s %s: %w", k.Kind.Name, request.NamespacedName, err)
	}
	return reconcile.Result{RequeueAfter: again}, nil
}

// part notes since when a workload is not admitted, and removes its profile when that was so for long.
func (k *Keeper) part(ctx context.Context, p *v1alpha1.WorkloadProfile) (again time.Duration, err error) {
	now := k.Clock.Now()
	since, err := time.Parse(time.RFC3339, p.Annotations[unadmitted])
	if err != nil {
		return grace, k.mark(ctx, p, now.UTC().Format(time.RFC3339))
	}
	if left := since.Add(grace).Sub(now); left > 0 {
		return left, nil
	}
	return 0, client.IgnoreNotFound(k.Client.Delete(ctx, p, client.Preconditions{UID: &p.UID}))
}

const (
	// unadmitted on a profile says since when no selector admits its workload.
	unadmitted = "metapilot.io/not-admitted-since"
	// grace is until when that may be a mistake.
	grace = 24 * time.Hour
)

// mark writes or removes the annotation.
func (k *Keeper) mark(ctx context.Context, p *v1alpha1.WorkloadProfile, since string) error {
	if p.Annotations[unadmitted] == since {
		return nil
	}
	after := p.DeepCopy()
	if delete(after.Annotations, unadmitted); since != "" {
		metav1.SetMetaDataAnnotation(&after.ObjectMeta, unadmitted, since)
	}
	return client.IgnoreNotFound(k.Client.Patch(ctx, after, client.MergeFrom(p), client.FieldOwner(Owner)))
}

// look reads the workload, and asks the API server itself for one that the cache has not: its labels may have changed. It is nil if it is gone or going.
func (k *Keeper) look(ctx context.Context, key types.NamespacedName) (client.Object, error) {
	w := k.Kind.empty()
	err := k.Client.Get(ctx, key, w)
	if apierrors.IsNotFound(err) {
		err = k.Live.Get(ctx, key, w)
	}
	if err != nil || !w.GetDeletionTimestamp().IsZero() {
		return nil, client.IgnoreNotFound(err)
	}
	return w, nil
}

func (k *Keeper) profileFor(w client.Object) *v1alpha1.WorkloadProfile {
	p := &v1alpha1.WorkloadProfile{
		ObjectMeta: metav1.ObjectMeta{
			Name: NameFor(k.Kind.Name, w.GetName()), Namespace: w.GetNamespace(),
			Labels: map[string]string{managedBy: Owner, profileLabel: strings.ToLower(k.Kind.Name)},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: k.Kind.APIVersion, Kind: k.Kind.Name, Name: w.GetName(), UID: w.GetUID(),
			}},
		},
		Spec: v1alpha1.WorkloadProfileSpec{TargetRef: v1alpha1.ProfileTarget{APIVersion: k.Kind.APIVersion, Kind: k.Kind.Name, Name: w.GetName()}},
	}
	yes := true
	p.OwnerReferences[0].Controller = &yes // without blockOwnerDeletion, which takes more rights
	for _, l := range []string{v1alpha1.TenantLabel, v1alpha1.FleetLabel, v1alpha1.ComponentLabel} {
		if value, ok := w.GetLabels()[l]; ok {
			p.Labels[l] = value
		}
	}
	return p
}

// NameFor is the name of the profile that is made for a workload.
func NameFor(kind, workload string) string {
	name := strings.ToLower(kind) + "-" + workload
	if len(name) <= longestName {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return strings.TrimRight(name[:longestName-9], "-.") + "-" + hex.EncodeToString(sum[:4])
}

const longestName = 253 // of an object
