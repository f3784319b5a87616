package tenantcluster

import (
	"context"
	"errors"
	"fmt"
	"sync"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/internal/apply"
	"github.com/metapilot/metapilot/operators/tenantcluster/plan"
)

// Owner is the controller's name: in field management, events and metrics.
const Owner = "master-operator"

// Finalizer keeps a TenantCluster until nothing of its tenant is left.
const Finalizer = "metapilot.io/tenantcluster"

// Reconciler keeps tenants running.
type Reconciler struct {
	Client   client.Client // reads come from the cache
	Direct   client.Reader // reads of what is not worth a cache
	Recorder events.EventRecorder
	Clock    clock.PassiveClock
	Config   plan.Config
	Workers  int // TenantClusters that are reconciled at the same time

	admitted sync.Map // key of a TenantCluster -> letIn
}

// SetupWithManager registers the controller.
func (r *Reconciler) SetupWithManager(m ctrl.Manager) error {
	b := ctrl.NewControllerManagedBy(m).Named("tenantcluster").
		For(&v1alpha1.TenantCluster{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		WithOptions(controller.Options{MaxConcurrentReconciles: r.Workers})
	for _, object := range Watched() {
		b = b.Watches(object, handler.EnqueueRequestsFromMapFunc(tenantOf))
	}
	return b.Complete(r)
}

// Watched are the kinds that the operator makes, and the pods that come of them.
func Watched() []client.Object {
	return []client.Object{
		&corev1.Namespace{}, &corev1.Service{}, &corev1.ConfigMap{}, &corev1.Secret{}, &corev1.Pod{},
		&appsv1.Deployment{}, &appsv1.StatefulSet{}, &policyv1.PodDisruptionBudget{},
	}
}

// Cached narrows the cache to what belongs to tenants: the meta cluster may hold far more.
func Cached() map[client.Object]cache.ByObject {
	ours, err := labels.Parse(v1alpha1.TenantLabel) // it exists
	utilruntime.Must(err)
	narrowed := map[client.Object]cache.ByObject{}
	for _, object := range Watched() {
		narrowed[object] = cache.ByObject{Label: ours}
	}
	return narrowed
}

// tenantOf finds the TenantCluster of an object by its labels.
func tenantOf(_ context.Context, o client.Object) []reconcile.Request {
	key := client.ObjectKey{Namespace: o.GetLabels()[v1alpha1.FleetLabel], Name: o.GetLabels()[v1alpha1.TenantLabel]}
	if key.Namespace == "" || key.Name == "" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: key}}
}

// Reconcile keeps one tenant running: look, think, act, tell.
func (r *Reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	tc := &v1alpha1.TenantCluster{}
	if err := r.Client.Get(ctx, request.NamespacedName, tc); err != nil {
		r.admitted.Delete(request.NamespacedName)
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	if !tc.DeletionTimestamp.IsZero() {
		return r.remove(ctx, tc)
	}
	if err := r.keep(ctx, tc); err != nil {
		return reconcile.Result{}, err
	}
	obs, vault, err := r.observe(ctx, tc)
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("observing: %w", err)
	}
	p := plan.Decide(obs, r.Config)
	changed, actErr := r.act(ctx, tc, vault, p)
	tellErr := r.tell(ctx, tc, p, actErr)
	measure(tc, obs.Function)
	if err := errors.Join(actErr, ignoreConflict(tellErr)); err != nil {
		return reconcile.Result{}, err
	}
	if changed || tellErr != nil { // what was made is seen by its watch; what needed it comes next
		return reconcile.Result{RequeueAfter: settle}, nil
	}
	return reconcile.Result{RequeueAfter: p.Recheck}, nil
}

// ignoreConflict: somebody was faster, and the next round sees what they wrote.
func ignoreConflict(err error) error {
	if apierrors.IsConflict(err) {
		return nil
	}
	return err
}

func (r *Reconciler) applier() apply.Applier { return apply.Applier{Client: r.Client, Owner: Owner} }
