package scaler

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"k8s.io/utils/lru"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	runtimesource "sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler/sizetable"
	"github.com/metapilot/metapilot/scaler/source"
)

// Reconciler decides about the components of every ClusterScaler.
type Reconciler struct {
	Client   client.Client // reads come from the cache
	Live     client.Reader
	Recorder events.EventRecorder
	Clock    clock.PassiveClock
	Sources  []source.Source
	Budget   Budget
	Workers  int             // ClusterScalers that are worked on at the same time
	Sizes    sizetable.Table // what tenants of a scale need at least

	learned   learned    // what the fleet's tenants need by their scale
	profiles  bool       // the kind WorkloadProfile is installed
	announced *lru.Cache // causes by scaler, component and type, and when people were told
	written   sync.Map   // UID of a TenantCluster or workload -> its generation that has what the scaler wrote last
	ledger    *ledger
}

// behind: the cache has not seen yet what the scaler wrote last of an object.
func (r *Reconciler) behind(o client.Object) bool {
	generation, known := r.written.Load(o.GetUID())
	return known && o.GetGeneration() < generation.(int64)
}

// Budget of disruptive moves in the whole fleet.
type Budget struct {
	Moves  int
	Within time.Duration
}

// SetupWithManager registers the controller, its sources and its indexes.
func (r *Reconciler) SetupWithManager(m ctrl.Manager) error {
	if err := index(m.GetFieldIndexer()); err != nil {
		return err
	}
	r.announced = announced()
	if err := m.Add(manager.RunnableFunc(r.learnSizes)); err != nil {
		return err
	}
	all := make(chan event.GenericEvent, 1)
	for _, s := range r.Sources {
		if err := m.Add(manager.RunnableFunc(func(ctx context.Context) error { return s.Start(ctx, waker(all)) })); err != nil {
			return err
		}
	}
	b := ctrl.NewControllerManagedBy(m).Named("clusterscaler").
		For(&v1alpha1.ClusterScaler{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.ClusterScaler{}, handler.EnqueueRequestsFromMapFunc(r.rivals), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.TenantCluster{}, handler.EnqueueRequestsFromMapFunc(r.scalersOfTenant)).
		Watches(&corev1.Pod{}, handler.EnqueueRequestsFromMapFunc(r.scalersOfPart)).
		Watches(&appsv1.Deployment{}, handler.EnqueueRequestsFromMapFunc(r.scalersOfWorkload)).
		Watches(&appsv1.StatefulSet{}, handler.EnqueueRequestsFromMapFunc(r.scalersOfWorkload)).
		WatchesRawSource(runtimesource.Channel(all, handler.Funcs{GenericFunc: r.sweep})).
		WithOptions(controller.Options{MaxConcurrentReconciles: r.Workers})
	if err := r.watchProfiles(m, b); err != nil {
		return err
	}
	if err := r.watchFleet(m, b); err != nil {
		return err
	}
	return b.Complete(r)
}

// waker asks for a look at every ClusterScaler; one question that waits already is enough.
func waker(all chan<- event.GenericEvent) func() {
	return func() {
		select {
		case all <- event.GenericEvent{Object: &v1alpha1.ClusterScaler{}}:
		default:
		}
	}
}

// Reconcile looks at one ClusterScaler's target, thinks about each component, acts and tells.
func (r *Reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	cs := &v1alpha1.ClusterScaler{}
	if err := r.Client.Get(ctx, request.NamespacedName, cs); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	if !cs.DeletionTimestamp.IsZero() {
		return reconcile.Result{}, nil
	}
	target, err := r.find(ctx, cs)
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("finding the target: %w", err)
	}
	target.windows, target.badWindow = windows(cs.Spec.Maintenance, r.Clock.Now())
	if target.behind {
		return reconcile.Result{RequeueAfter: settle}, nil
	}
	views, err := r.observe(ctx, cs, target)
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("observing: %w", err)
	}
	if err := r.decide(ctx, cs, target, views); err != nil {
		return reconcile.Result{}, fmt.Errorf("observing the fleet: %w", err)
	}
	actErr := r.act(ctx, cs, target, views)
	again, tellErr := r.tell(ctx, cs, target, views, actErr)
	return reconcile.Result{RequeueAfter: again}, errors.Join(actErr, tellErr)
}

// settle is the time for what was written to come back through the watch.
const settle = 20 * time.Millisecond
