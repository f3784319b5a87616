package scaler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler/actuator"
	"github.com/metapilot/metapilot/scaler/model"
	"github.com/metapilot/metapilot/scaler/plan"
	"github.com/metapilot/metapilot/scaler/record"
)

// tell follows the records, drops the old ones, and writes the status if it has changed. It returns when to look again.
func (r *Reconciler) tell(ctx context.Context, cs *v1alpha1.ClusterScaler, t target, views []view, actErr error) (time.Duration, error) {
	var again time.Duration
	var problem error
	after := cs.DeepCopy()
	after.Status.ObservedGeneration, after.Status.Components = cs.Generation, nil
	for i := range views {
		v := &views[i]
		next, err := r.follow(ctx, v)
		problem = errors.Join(problem, err)
		again = sooner(again, sooner(next, v.plan.Recheck))
		after.Status.Components = append(after.Status.Components, v.says())
	}
	if t.fault.reason != "" && (t.tenant == nil || t.tenant.Name != "") { // a mistake in the policy forgets nothing
		after.Status.Components = forgetNothing(cs.Status.Components, after.Status.Components)
	}
	problem = errors.Join(problem, r.prune(ctx, cs))
	for _, c := range conditions(cs, t, views, actErr, r.Clock.Now()) {
		apimeta.SetStatusCondition(&after.Status.Conditions, c)
	}
	if equality.Semantic.DeepEqual(cs.Status, after.Status) {
		return again, problem
	}
	err := r.Client.Status().Patch(ctx, after, client.MergeFromWithOptions(cs, client.MergeFromWithOptimisticLock{}), client.FieldOwner(actuator.Owner))
	if apierrors.IsConflict(err) { // the cache is behind: what it has not seen must not be written over
		return settle, problem
	}
	return again, errors.Join(problem, client.IgnoreNotFound(err))
}

// forgetNothing keeps what was said of components that were not looked at.
func forgetNothing(before, now []v1alpha1.ScaledComponent) []v1alpha1.ScaledComponent {
	for _, c := range before {
		if !slices.ContainsFunc(now, func(n v1alpha1.ScaledComponent) bool { return n.Name == c.Name }) {
			now = append(now, c)
		}
	}
	return now
}

// sooner of two times to wait; zero is never.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// follow brings the component's records up to what was seen.
func (r *Reconciler) follow(ctx context.Context, v *view) (again time.Duration, problem error) {
	for _, rec := range v.records {
		status, next := record.Follow(rec, &v.observed, &v.policy)
		again = sooner(again, next)
		if equality.Semantic.DeepEqual(status, rec.Status) {
			continue
		}
		if status.Phase == v1alpha1.PhaseEffective && status.SignalToEffectMilliseconds != nil {
			reaction.WithLabelValues("effect").Observe(float64(*status.SignalToEffectMilliseconds) / 1000)
		}
		problem = errors.Join(problem, r.settle(ctx, rec, status))
	}
	return again, problem
}

func statusPatch(status v1alpha1.ScalingRecordStatus) ([]byte, error) {
	return json.Marshal(map[string]any{"status": status})
}

// maxAge of records where none is written.
const maxAge = 30 * 24 * time.Hour

// prune drops old records, also of components that the target has no longer.
func (r *Reconciler) prune(ctx context.Context, cs *v1alpha1.ClusterScaler) error {
	all, problem := r.records(ctx, cs)
	age := maxAge
	if given := cs.Spec.Records.MaxAge; given != nil {
		age = given.Duration
	}
	for _, rec := range record.Expired(all, int(cs.Spec.Records.Keep), age, r.Clock.Now()) {
		problem = errors.Join(problem, client.IgnoreNotFound(r.Client.Delete(ctx, rec.DeepCopy())))
	}
	return problem
}

// says is what the status says of a component.
func (v *view) says() v1alpha1.ScaledComponent {
	s := v1alpha1.ScaledComponent{
		Name: v.component.name, Size: plan.InAPI(v.observed.Size), Says: plan.Explain(&v.plan), WhyNotSmaller: v.plan.Smaller,
		RestartDebt: v.plan.Debt, Grown: told(v.observed.Grown), Shrunk: told(v.observed.Shrunk), LastRecord: v.before.LastRecord,
	}
	for _, k := range v.observed.Kills {
		if !slices.ContainsFunc(v.before.Kills, func(known v1alpha1.OOMKill) bool { return known.Container == k.Container }) {
			oomKills.WithLabelValues(v.component.name).Inc()
		}
		s.Kills = append(s.Kills, v1alpha1.OOMKill{Pod: k.Pod, Container: k.Container, Time: metav1.NewTime(k.At), Limit: k.Limit})
	}
	if held := v.plan.Held; held != nil {
		s.Held = &v1alpha1.HeldChange{Guard: held.Guard, Reason: held.Says, Wants: plan.InAPI(v.plan.Wants), Since: metav1.NewTime(v.observed.Now)}
		if was := v.before.Held; was != nil && was.Guard == held.Guard {
			s.Held.Since = was.Since
		}
		if !held.Until.IsZero() {
			until := metav1.NewTime(held.Until)
			s.Held.Until = &until
		}
	}
	return s
}

// told is a time as objects tell it: in whole seconds.
func told(t time.Time) *metav1.Time {
	if t.IsZero() {
		return nil
	}
	return &metav1.Time{Time: t.Truncate(time.Second)}
}

// conditions of the ClusterScaler. A held change is no fault of it.
func conditions(cs *v1alpha1.ClusterScaler, t target, views []view, actErr error, now time.Time) []metav1.Condition {
	ready := metav1.Condition{Type: v1alpha1.ReadyCondition, Status: metav1.ConditionTrue, Reason: "Watching", Message: fmt.Sprintf("%d components", len(views))}
	stalled := metav1.Condition{Type: v1alpha1.StalledCondition, Status: metav1.ConditionFalse, Reason: "NotStalled", Message: "nothing needs a user"}
	switch {
	case t.fault.reason != "":
		ready.Status, ready.Reason, ready.Message = metav1.ConditionFalse, t.fault.reason, t.fault.message
		stalled.Status, stalled.Reason, stalled.Message = metav1.ConditionTrue, t.fault.reason, t.fault.message
	case actErr != nil:
		ready.Status, ready.Reason, ready.Message = metav1.ConditionFalse, "ActFailed", actErr.Error()
	case len(views) == 0:
		ready.Status, ready.Reason, ready.Message = metav1.ConditionFalse, "SizesUnknown", "the master-operator has not told the target's sizes yet"
	}
	both := []metav1.Condition{ready, stalled}
	for i := range both {
		both[i].ObservedGeneration, both[i].LastTransitionTime = cs.Generation, metav1.NewTime(now)
	}
	return both
}

// announce tells people and counters of a decision.
func (r *Reconciler) announce(cs *v1alpha1.ClusterScaler, t target, v *view, rec *v1alpha1.ScalingRecord) {
	count(v)
	kind, reason := corev1.EventTypeNormal, "Scaled"+string(v.plan.Decision)
	switch {
	case v.plan.Decision == model.Hold:
		kind, reason = corev1.EventTypeWarning, "Held"
	case v.plan.DryRun:
		reason = "DryRun"
	}
	about := []client.Object{cs}
	if t.tenant != nil {
		about = append(about, t.tenant)
	}
	for _, o := range about {
		r.Recorder.Eventf(o, rec, kind, reason, "Scale", "%s: %s", v.component.name, rec.Spec.Reason)
	}
}
