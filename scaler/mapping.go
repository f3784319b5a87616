package scaler

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/metapilot/metapilot/api/v1alpha1"
)

// Names of the indexes of the cache.
const (
	byTenant = "tenant"         // ClusterScalers by the TenantCluster that they name
	byNode   = "spec.nodeName"  // pods
	byScaler = "spec.scaler"    // ScalingRecords
	byTarget = "spec.targetRef" // WorkloadProfiles
)

func index(i client.FieldIndexer) error {
	ctx := context.Background() // registering waits for nothing
	for _, one := range []struct {
		object client.Object
		field  string
		value  client.IndexerFunc
	}{
		{&v1alpha1.ClusterScaler{}, byTenant, func(o client.Object) []string { return nonEmpty(TenantOf(o.(*v1alpha1.ClusterScaler))) }},
		{&corev1.Pod{}, byNode, func(o client.Object) []string { return nonEmpty(o.(*corev1.Pod).Spec.NodeName) }},
		{&v1alpha1.ScalingRecord{}, byScaler, func(o client.Object) []string { return []string{o.(*v1alpha1.ScalingRecord).Spec.Scaler} }},
	} {
		if err := i.IndexField(ctx, one.object, one.field, one.value); err != nil {
			return err
		}
	}
	return nil
}

func nonEmpty(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

// TenantOf is the name of the TenantCluster that a ClusterScaler looks after; empty if it looks after workloads.
func TenantOf(cs *v1alpha1.ClusterScaler) string {
	switch {
	case len(cs.Spec.Workloads) > 0:
		return ""
	case cs.Spec.TenantCluster != nil:
		return cs.Spec.TenantCluster.Name
	}
	return cs.Name
}

func (r *Reconciler) scalersOfTenant(ctx context.Context, o client.Object) []reconcile.Request {
	return r.naming(ctx, o.GetNamespace(), o.GetName())
}

// scalersOfPart finds by its labels who looks after a pod or a profile.
func (r *Reconciler) scalersOfPart(ctx context.Context, o client.Object) []reconcile.Request {
	if tenant := o.GetLabels()[v1alpha1.TenantLabel]; tenant != "" {
		return r.naming(ctx, o.GetLabels()[v1alpha1.FleetLabel], tenant)
	}
	return r.scalersOfWorkload(ctx, o)
}

func (r *Reconciler) naming(ctx context.Context, namespace, tenant string) []reconcile.Request {
	return r.requests(ctx, func(*v1alpha1.ClusterScaler) bool { return true }, client.InNamespace(namespace), client.MatchingFields{byTenant: tenant})
}

// scalersOfWorkload are those of the namespace that look after workloads: few, so it is not worth finding out which one.
func (r *Reconciler) scalersOfWorkload(ctx context.Context, o client.Object) []reconcile.Request {
	return r.requests(ctx, func(cs *v1alpha1.ClusterScaler) bool { return len(cs.Spec.Workloads) > 0 }, client.InNamespace(o.GetNamespace()))
}

// rivals are the other ClusterScalers of the same target, whose turn it may be when this one goes.
func (r *Reconciler) rivals(ctx context.Context, o client.Object) []reconcile.Request {
	cs := o.(*v1alpha1.ClusterScaler)
	return r.requests(ctx, func(other *v1alpha1.ClusterScaler) bool { return other.Name != cs.Name && sharing(cs, other) != "" }, client.InNamespace(cs.Namespace))
}

// sharing is what both look after; empty if there is nothing.
func sharing(a, b *v1alpha1.ClusterScaler) string {
	if tenant := TenantOf(a); tenant != "" && tenant == TenantOf(b) {
		return "TenantCluster " + tenant
	}
	for _, mine := range a.Spec.Workloads {
		for _, theirs := range b.Spec.Workloads {
			if mine.Kind == theirs.Kind && mine.Name == theirs.Name {
				return mine.Kind + " " + mine.Name
			}
		}
	}
	return ""
}

// sweep has every ClusterScaler looked at, after all of which something is known: a kill does not wait for ten thousand that are well.
func (r *Reconciler) sweep(ctx context.Context, _ event.GenericEvent, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) {
	every := r.requests(ctx, func(*v1alpha1.ClusterScaler) bool { return true })
	if byPriority, ok := queue.(priorityqueue.PriorityQueue[reconcile.Request]); ok {
		byPriority.AddWithOpts(priorityqueue.AddOpts{Priority: ptr.To(handler.LowPriority)}, every...)
		return
	}
	for _, request := range every {
		queue.Add(request)
	}
}

func (r *Reconciler) requests(ctx context.Context, want func(*v1alpha1.ClusterScaler) bool, of ...client.ListOption) (all []reconcile.Request) {
	var list v1alpha1.ClusterScalerList
	if err := r.Client.List(ctx, &list, append(of, client.UnsafeDisableDeepCopy)...); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Listing ClusterScalers from the cache failed")
	}
	for i := range list.Items {
		if cs := &list.Items[i]; want(cs) {
			all = append(all, reconcile.Request{NamespacedName: types.NamespacedName{Namespace: cs.Namespace, Name: cs.Name}})
		}
	}
	return all
}
