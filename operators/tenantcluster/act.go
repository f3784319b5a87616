package tenantcluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/operators/tenantcluster/plan"
)

// settle is the time for what was written to come back through the watch.
const settle = 100 * time.Millisecond

// keep adds the finalizer before anything is made that would have to be removed.
func (r *Reconciler) keep(ctx context.Context, tc *v1alpha1.TenantCluster) error {
	before := tc.DeepCopy()
	if !controllerutil.AddFinalizer(tc, Finalizer) {
		return nil
	}
	return r.Client.Patch(ctx, tc, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
}

// act does what the plan says, and tells whether anything had to be done.
func (r *Reconciler) act(ctx context.Context, tc *v1alpha1.TenantCluster, v *vault, p plan.Plan) (changed bool, err error) {
	if p.Release {
		return false, r.release(ctx, v)
	}
	for _, repair := range []func(context.Context, *v1alpha1.TenantCluster, *vault) (bool, error){r.rescue, r.mark} {
		if changed, err = repair(ctx, tc, v); changed || err != nil {
			return changed, err
		}
	}
	if len(p.Objects) > 0 { // the namespace comes first, everything else lies in it
		if changed, err = r.apply(ctx, p.Objects[:1]); err != nil {
			return changed, err
		}
	}
	problem := errors.Join(r.issue(ctx, tc, v, p), r.publish(ctx, tc, p.Endpoint))
	applied, applyErr := r.apply(ctx, p.Objects)
	removed, removeErr := r.prune(ctx, p.Unwanted)
	problem = errors.Join(problem, applyErr, removeErr, r.restart(ctx, tc, v, p))
	return changed || applied || removed || len(p.Issue) > 0, problem
}

func (r *Reconciler) apply(ctx context.Context, objects []metav1.Object) (changed bool, problem error) {
	for _, o := range objects {
		did, err := r.applier().Apply(ctx, o.(client.Object))
		if did {
			ctrl.LoggerFrom(ctx).Info("Applied object", "object", client.ObjectKeyFromObject(o.(client.Object)), "type", fmt.Sprintf("%T", o))
		}
		changed, problem = changed || did, errors.Join(problem, err)
	}
	return changed, problem
}

func (r *Reconciler) prune(ctx context.Context, objects []metav1.Object) (changed bool, problem error) {
	for _, o := range objects {
		did, err := r.applier().Remove(ctx, o.(client.Object))
		changed, problem = changed || did, errors.Join(problem, err)
	}
	return changed, problem
}

// publish writes where the tenant is reached, which the user has left to us.
func (r *Reconciler) publish(ctx context.Context, tc *v1alpha1.TenantCluster, at *v1alpha1.Endpoint) error {
	if at == nil || tc.Spec.ControlPlaneEndpoint != nil {
		return nil
	}
	u := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{
		"controlPlaneEndpoint": map[string]any{"host": at.Host, "port": int64(at.Port)},
	}}}
	u.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("TenantCluster"))
	u.SetNamespace(tc.Namespace)
	u.SetName(tc.Name)
	if err := r.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), client.FieldOwner(Owner), client.ForceOwnership); err != nil {
		return fmt.Errorf("writing spec.controlPlaneEndpoint: %w", err)
	}
	tc.Spec.ControlPlaneEndpoint, tc.ResourceVersion = at, u.GetResourceVersion()
	return nil
}

// restart replaces one etcd pod; its StatefulSet makes the new one.
func (r *Reconciler) restart(ctx context.Context, tc *v1alpha1.TenantCluster, v *vault, p plan.Plan) error {
	if p.Restart == nil {
		return nil
	}
	if p.Restart.MoveLeader {
		if err := r.moveLeader(ctx, tc, v, p.Restart.Pod); err != nil {
			return err
		}
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: p.Restart.Pod}}
	ctrl.LoggerFrom(ctx).Info("Restarting etcd member", "pod", pod.Name, "reason", p.Restart.Reason)
	uid := types.UID(p.Restart.UID) // not the one that has come since
	return client.IgnoreNotFound(r.Client.Delete(ctx, pod, client.Preconditions{UID: &uid}))
}
