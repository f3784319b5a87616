package scaler

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler/actuator"
	"github.com/metapilot/metapilot/scaler/model"
	"github.com/metapilot/metapilot/scaler/plan"
	"github.com/metapilot/metapilot/scaler/record"
)

// act writes each decision down, and carries it out if it is meant to be.
func (r *Reconciler) act(ctx context.Context, cs *v1alpha1.ClusterScaler, t target, views []view) (problem error) {
	for i := range views {
		v := &views[i]
		var err error
		if v.plan.Record() {
			err = r.carryOut(ctx, cs, t, v)
		}
		if v.component.workload != nil && v.decidedByUs() {
			err = errors.Join(err, r.workload().Settle(ctx, v.component.workload, v.component.container, v.component.pods, plan.ResourcesOf(v.observed.Size)))
		}
		if err != nil {
			problem = errors.Join(problem, fmt.Errorf("%s: %w", v.component.name, err))
		}
	}
	return problem
}

func (r *Reconciler) workload() actuator.Workload {
	return actuator.Workload{Client: r.Client, Clock: r.Clock}
}

// decidedByUs: the size that the component has now is the one that was carried out last.
func (v *view) decidedByUs() bool {
	carried := &v.observed.Carried
	return carried.Decision != "" && carried.To == v.observed.Size
}

// carryOut: the record comes first, so that nothing happens that is not written down, and a scaler that dies in between decides the same again.
func (r *Reconciler) carryOut(ctx context.Context, cs *v1alpha1.ClusterScaler, t target, v *view) error {
	rec := record.New(cs, &v.observed, &v.plan)
	err := r.Client.Create(ctx, rec, client.FieldOwner(actuator.Owner))
	fresh := err == nil
	if err != nil && !apierrors.IsAlreadyExists(err) {
		r.ledger.release(keyOf(cs, v), v.observed.Now)
		return fmt.Errorf("writing ScalingRecord %s: %w", rec.Name, err)
	}
	v.before.LastRecord = rec.Name
	if v.plan.Decision == model.Hold || v.plan.DryRun {
		if fresh {
			r.announce(cs, t, v, rec)
		}
		return r.leave(ctx, rec, v, fresh)
	}
	if err := r.write(ctx, t, v); err != nil {
		if fresh {
			r.warn(cs, t, rec, "ScaleFailed", err.Error())
		}
		failed := v1alpha1.ScalingRecordStatus{Phase: v1alpha1.PhaseFailed, Message: err.Error()}
		return errors.Join(err, r.settle(ctx, rec, failed))
	}
	r.announce(cs, t, v, rec)
	v.did()
	return r.settle(ctx, rec, r.applied(rec))
}

// leave says of a record why nothing is done.
func (r *Reconciler) leave(ctx context.Context, rec *v1alpha1.ScalingRecord, v *view, fresh bool) error {
	if !fresh {
		return nil
	}
	if v.plan.DryRun {
		return r.settle(ctx, rec, v1alpha1.ScalingRecordStatus{Phase: v1alpha1.PhaseDryRun, Message: "left out, because the mode is DryRun"})
	}
	return r.settle(ctx, rec, v1alpha1.ScalingRecordStatus{Phase: v1alpha1.PhaseHeld, Message: v.plan.Reason})
}

// write stores the size where pods get it.
func (r *Reconciler) write(ctx context.Context, t target, v *view) error {
	resources := plan.ResourcesOf(v.plan.To)
	if t.tenant == nil {
		generation, err := r.workload().Apply(ctx, v.component.workload, v.component.container, resources)
		if err == nil {
			r.written.Store(v.component.workload.GetUID(), generation)
		}
		return err
	}
	change := actuator.Change{Resources: &resources}
	if v.plan.Decision == model.Restart {
		now := metav1.NewTime(v.observed.Now)
		change = actuator.Change{RestartedAt: &now}
	}
	ctrl.LoggerFrom(ctx).Info("Writing size", "component", v.component.name, "decision", v.plan.Decision, "reason", plan.Explain(&v.plan))
	generation, err := actuator.Tenant{Client: r.Client, Live: r.Live}.Apply(ctx, t.key, v.component.name, change)
	if err != nil {
		return err
	}
	r.written.Store(t.tenant.UID, generation)
	return nil
}

// did keeps in mind what status will say.
func (v *view) did() {
	v.observed.Size = v.plan.To
	v.observed.Remember(v.plan.Decided(v.observed.Now))
	v.observed.DateChanges()
}

func (r *Reconciler) applied(rec *v1alpha1.ScalingRecord) v1alpha1.ScalingRecordStatus {
	now := metav1.NewMicroTime(r.Clock.Now())
	s := v1alpha1.ScalingRecordStatus{Phase: v1alpha1.PhaseApplied, Message: "stored where pods get it", AppliedAt: &now}
	if rec.Spec.SignalAt != nil {
		ms := rec.Spec.DecidedAt.Sub(rec.Spec.SignalAt.Time).Milliseconds()
		s.SignalToDecisionMilliseconds = &ms
		reaction.WithLabelValues(rec.Spec.Source, "decision").Observe(float64(ms) / 1000)
	}
	return s
}

// settle writes a record's status.
func (r *Reconciler) settle(ctx context.Context, rec *v1alpha1.ScalingRecord, status v1alpha1.ScalingRecordStatus) error {
	patch := &v1alpha1.ScalingRecord{ObjectMeta: metav1.ObjectMeta{Namespace: rec.Namespace, Name: rec.Name}}
	raw, err := statusPatch(status)
	if err != nil {
		return err
	}
	err = r.Client.Status().Patch(ctx, patch, client.RawPatch(types.MergePatchType, raw), client.FieldOwner(actuator.Owner))
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("writing the status of ScalingRecord %s: %w", rec.Name, err)
	}
	return nil
}
