package tenantcluster

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/operators/tenantcluster/plan"
)

const (
	removePeriod = time.Second
	// endGrace, in seconds: nobody is left to be drained.
	endGrace = int64(1)
	page     = int64(500)
)

// remove takes the tenant away and lets the TenantCluster go when nothing is left: objects, pods, volumes.
func (r *Reconciler) remove(ctx context.Context, tc *v1alpha1.TenantCluster) (reconcile.Result, error) {
	if !controllerutil.ContainsFinalizer(tc, Finalizer) {
		return reconcile.Result{}, nil
	}
	left, err := r.clear(ctx, tc)
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("removing the tenant: %w", err)
	}
	if left != "" {
		return reconcile.Result{RequeueAfter: removePeriod}, r.tellRemoving(ctx, tc, left)
	}
	forget(tc)
	before := tc.DeepCopy()
	controllerutil.RemoveFinalizer(tc, Finalizer)
	return reconcile.Result{}, client.IgnoreNotFound(r.Client.Patch(ctx, tc, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})))
}

// clear says what is left; empty if nothing is.
func (r *Reconciler) clear(ctx context.Context, tc *v1alpha1.TenantCluster) (string, error) {
	v, err := r.open(ctx, tc)
	if err != nil {
		return "", err
	}
	if kubeconfig := v.secrets[plan.Admin]; kubeconfig != nil {
		if err := r.drop(ctx, kubeconfig); err != nil {
			return "", err
		}
	}
	if err := r.release(ctx, v); err != nil {
		return "", err
	}
	if left, err := r.clearNamespace(ctx, plan.Namespace(tc)); left != "" || err != nil {
		return left, err
	}
	return r.volumesLeft(ctx, plan.Namespace(tc))
}

func (r *Reconciler) clearNamespace(ctx context.Context, name string) (string, error) {
	ns := &corev1.Namespace{}
	if err := r.Direct.Get(ctx, client.ObjectKey{Name: name}, ns); err != nil {
		return "", client.IgnoreNotFound(err)
	}
	if ns.DeletionTimestamp.IsZero() {
		if err := r.Client.Delete(ctx, ns); err != nil {
			return "", client.IgnoreNotFound(err)
		}
	}
	grace := endGrace
	err := r.Client.DeleteAllOf(ctx, &corev1.Pod{}, client.InNamespace(name), &client.DeleteAllOfOptions{
		DeleteOptions: client.DeleteOptions{GracePeriodSeconds: &grace},
	})
	return "namespace " + name, err
}

// volumesLeft looks for volumes whose claims were the tenant's. One whose class says Retain stays: that is its owner's will.
func (r *Reconciler) volumesLeft(ctx context.Context, namespace string) (string, error) {
	var list corev1.PersistentVolumeList
	options := []client.ListOption{client.Limit(page)}
	for {
		if err := r.Direct.List(ctx, &list, options...); err != nil {
			return "", err
		}
		for _, v := range list.Items {
			if c := v.Spec.ClaimRef; c != nil && c.Namespace == namespace && v.Spec.PersistentVolumeReclaimPolicy == corev1.PersistentVolumeReclaimDelete {
				return "volume " + v.Name, nil
			}
		}
		if list.Continue == "" {
			return "", nil
		}
		options = []client.ListOption{client.Limit(page), client.Continue(list.Continue)}
	}
}

// tellRemoving says what is waited for.
func (r *Reconciler) tellRemoving(ctx context.Context, tc *v1alpha1.TenantCluster, left string) error {
	message := "being removed; left: " + left
	return r.patchStatus(ctx, tc, func(s *v1alpha1.TenantClusterStatus) {
		for kind, status := range map[string]metav1.ConditionStatus{
			v1alpha1.ReadyCondition: metav1.ConditionFalse, v1alpha1.ReconcilingCondition: metav1.ConditionTrue,
		} {
			setCondition(&s.Conditions, metav1.Condition{
				Type: kind, Status: status, Reason: "Deleting", Message: message, ObservedGeneration: tc.Generation,
				LastTransitionTime: metav1.NewTime(r.Clock.Now()),
			})
		}
	})
}
