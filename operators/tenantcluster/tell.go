package tenantcluster

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/operators/tenantcluster/plan"
)

var setCondition = apimeta.SetStatusCondition

// tell writes the status, and an event when the tenant becomes Ready, Stalled or neither. What went wrong in acting is the reason until it
// goes well.
func (r *Reconciler) tell(ctx context.Context, tc *v1alpha1.TenantCluster, p plan.Plan, actErr error) error {
	return r.patchStatus(ctx, tc, func(s *v1alpha1.TenantClusterStatus) {
		*s = p.Status
		if actErr != nil {
			setCondition(&s.Conditions, metav1.Condition{
				Type: v1alpha1.ReconcilingCondition, Status: metav1.ConditionTrue, Reason: "ActFailed", Message: actErr.Error(),
				ObservedGeneration: tc.Generation, LastTransitionTime: metav1.NewTime(r.Clock.Now()),
			})
		}
	})
}

// patchStatus writes the status if it changes.
func (r *Reconciler) patchStatus(ctx context.Context, tc *v1alpha1.TenantCluster, change func(*v1alpha1.TenantClusterStatus)) error {
	before := tc.DeepCopy()
	change(&tc.Status)
	if equality.Semantic.DeepEqual(before.Status, tc.Status) {
		return nil
	}
	// What was read from a cache may be old: then the next round says it, and events are not repeated.
	err := r.Client.Status().Patch(ctx, tc, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	if err != nil {
		return client.IgnoreNotFound(err)
	}
	r.announce(before, tc)
	return nil
}

// announce emits an event when the tenant becomes Ready or not, Stalled or not.
func (r *Reconciler) announce(before, after *v1alpha1.TenantCluster) {
	for kind, good := range map[string]metav1.ConditionStatus{
		v1alpha1.ReadyCondition: metav1.ConditionTrue, v1alpha1.StalledCondition: metav1.ConditionFalse,
	} {
		was, is := apimeta.FindStatusCondition(before.Status.Conditions, kind), apimeta.FindStatusCondition(after.Status.Conditions, kind)
		switch {
		case is == nil, was != nil && was.Status == is.Status, was == nil && kind == v1alpha1.StalledCondition && is.Status == good:
		case is.Status == good || was == nil && kind == v1alpha1.ReadyCondition: // a new tenant is not ready; that is no trouble
			r.Recorder.Eventf(after, nil, corev1.EventTypeNormal, is.Reason, kind, "%s", is.Message)
		default:
			r.Recorder.Eventf(after, nil, corev1.EventTypeWarning, is.Reason, kind, "%s", is.Message)
		}
	}
}
