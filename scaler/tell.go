package scaler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/internal/conditions"
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
	after.Status.ObservedGeneration, after.Status.Components, after.Status.Probe = cs.Generation, nil, probed(t, views)
	for i := range views {
		v := &views[i]
		next, err := r.follow(ctx, cs, t, v)
		problem = errors.Join(problem, err)
		again = sooner(again, sooner(next, v.plan.Recheck))
		after.Status.Components = append(after.Status.Components, v.says())
	}
	if len(views) > 0 {
		after.Status.Scale = tellScale(cs.Status.Scale, &views[0].observed.Scale)
	}
	if t.fault.reason != "" && (t.tenant == nil || t.tenant.Name != "") { // a mistake in the policy forgets nothing
		after.Status.Components = forgetNothing(cs.Status.Components, after.Status.Components)
	}
	problem = errors.Join(problem, r.prune(ctx, cs))
	for _, c := range conditionsOf(cs, t, views, actErr, r.Clock.Now()) {
		apimeta.SetStatusCondition(&after.Status.Conditions, c)
	}
	if equality.Semantic.DeepEqual(cs.Status, after.Status) {
		return again, problem
	}
	err := r.Client.Status().Patch(ctx, after, client.MergeFromWithOptions(cs, client.MergeFromWithOptimisticLock{}), client.FieldOwner(actuator.Owner))
	switch {
	case apierrors.IsConflict(err): // the cache is behind: what it has not seen must not be written over
		return settle, problem
	case err != nil:
		return again, errors.Join(problem, client.IgnoreNotFound(err))
	}
	countKills(cs, after)
	r.tellNodes(cs, after, t)
	r.announceCauses(cs, t, views)
	return again, problem
}

// probed is what asking the tenant from outside shows. All its components are told the same.
func probed(t target, views []view) *v1alpha1.ProbeStatus {
	if t.tenant == nil || len(views) == 0 {
		return nil
	}
	switch p := &views[0].observed.Probe; {
	case !p.Asked:
		return &v1alpha1.ProbeStatus{State: v1alpha1.ProbeOff, Says: "probes are off (--probe-period 0)"}
	case p.Unknown != "":
		return &v1alpha1.ProbeStatus{State: v1alpha1.ProbeUnknown, Says: p.Unknown}
	case p.Failing:
		return &v1alpha1.ProbeStatus{State: v1alpha1.ProbeFailing, Since: told(p.Since), Says: p.Says}
	default:
		return &v1alpha1.ProbeStatus{State: v1alpha1.ProbeAnswers, Since: told(p.Since)}
	}
}

// forgetNothing keeps what was said of components that were not looked at.
func forgetNothing(before, now []v1alpha1.ScaledComponent) []v1alpha1.ScaledComponent {
	for _, c := range before {
		c.Turn = nil // nobody would use it
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
func (r *Reconciler) follow(ctx context.Context, cs *v1alpha1.ClusterScaler, t target, v *view) (again time.Duration, problem error) {
	for _, rec := range v.records {
		status, next := record.Follow(rec, &v.observed, &v.policy)
		again = sooner(again, next)
		if equality.Semantic.DeepEqual(status, rec.Status) {
			continue
		}
		if status.Phase == v1alpha1.PhaseEffective && status.SignalToEffectMilliseconds != nil {
			reaction.WithLabelValues(rec.Spec.Source, "effect").Observe(float64(*status.SignalToEffectMilliseconds) / 1000)
		}
		if bad := slices.Contains(disappointing, status.Phase); bad && rec.Status.Phase != status.Phase {
			r.warn(cs, t, rec, string(status.Phase), status.Message)
		}
		problem = errors.Join(problem, r.settle(ctx, rec, status))
	}
	return again, problem
}

// disappointing phases are worth a warning.
var disappointing = []v1alpha1.RecordPhase{v1alpha1.PhaseEscalated, v1alpha1.PhaseDegraded, v1alpha1.PhaseRegretted}

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
	says, smaller := plan.Explain(&v.plan), v.plan.Smaller
	if v.plan.DryRun {
		says = "dry run: " + says
	}
	if v.plan.DryRun && v.plan.Decision == model.Down {
		smaller = "the mode is DryRun: " + smaller
	}
	s := v1alpha1.ScaledComponent{
		Name: v.component.name, TargetUID: v.component.uid, Size: plan.InAPI(v.observed.Size), Replicas: int32(v.component.replicas), Would: v.would, Says: says, Yields: told(v.yields), WhyNotSmaller: smaller, Idle: idleOf(&v.plan.Idle),
		RestartDebt: v.plan.Debt, Grown: told(v.observed.Grown), Shrunk: told(v.observed.Shrunk), LastRecord: v.before.LastRecord,
		Causes: v.saysCauses(), Turn: v.turn(), Kills: record.Kills(&v.observed), Waits: record.Missing(&v.observed), UsageUnknown: v.observed.Metrics,
	}
	if held := v.plan.Held; held != nil {
		s.Held = &v1alpha1.HeldChange{Guard: held.Guard, Reason: held.Says, Wants: plan.InAPI(v.plan.Wants), Since: metav1.NewTime(v.observed.Now)}
		if was := v.before.Held; was != nil && was.Guard == held.Guard {
			s.Held.Since = was.Since
		}
		s.Held.Until = told(held.Until)
	}
	return s
}

// idleOf is what the next look has to know of this one.
func idleOf(s *model.Spells) *v1alpha1.Idle {
	idle := &v1alpha1.Idle{CPU: spell(s, model.CPU), Memory: spell(s, model.Memory)}
	if idle.CPU == nil && idle.Memory == nil {
		return nil
	}
	return idle
}

func spell(s *model.Spells, r model.Resource) *v1alpha1.IdleResource {
	one := s.Of(r)
	if one.Since.IsZero() {
		return nil
	}
	return &v1alpha1.IdleResource{Since: *told(one.Since), Seen: *told(one.Seen), Highest: *plan.Quantity(r, one.Highest)}
}

// told is a time as objects tell it: in whole seconds.
func told(t time.Time) *metav1.Time {
	if t.IsZero() {
		return nil
	}
	return &metav1.Time{Time: t.Truncate(time.Second)}
}

// conditionsOf the ClusterScaler. A held change is no fault of it, unless somebody has to give way.
func conditionsOf(cs *v1alpha1.ClusterScaler, t target, views []view, actErr error, now time.Time) []metav1.Condition {
	ready := conditions.Is(v1alpha1.ReadyCondition, "Watching", fmt.Sprintf("%d components", len(views)))
	stalled := conditions.IsNot(v1alpha1.StalledCondition, "NotStalled", "nothing needs a user")
	switch taken := takenFrom(views); {
	case t.fault.reason != "":
		ready, stalled = conditions.IsNot(v1alpha1.ReadyCondition, t.fault.reason, t.fault.message), conditions.Is(v1alpha1.StalledCondition, t.fault.reason, t.fault.message)
	case actErr != nil:
		ready = conditions.IsNot(v1alpha1.ReadyCondition, "ActFailed", actErr.Error())
	case len(views) == 0:
		ready = conditions.IsNot(v1alpha1.ReadyCondition, "SizesUnknown", "the master-operator has not told the target's sizes yet")
	case taken != "":
		stalled = conditions.Is(v1alpha1.StalledCondition, "ForeignWriter", taken)
	case t.badWindow != "":
		stalled = conditions.Is(v1alpha1.StalledCondition, "BadMaintenance", t.badWindow)
	}
	all := []metav1.Condition{ready, reconciling(views), usage(views), nodesFit(views), stalled}
	for i := range all {
		all[i].ObservedGeneration, all[i].LastTransitionTime = cs.Generation, metav1.NewTime(now)
	}
	return all
}

// takenFrom says which component's size somebody else writes; empty if nobody does.
func takenFrom(views []view) string {
	for i := range views {
		if o := &views[i].observed; o.Foreign != "" {
			return fmt.Sprintf("%s: %s writes its size, so that nothing would be changed", o.Component, o.Foreign)
		}
	}
	return ""
}

// reconciling: a decided size has not reached all pods yet.
func reconciling(views []view) metav1.Condition {
	for i := range views {
		if v := &views[i]; v.decidedByUs() {
			if why := record.Missing(&v.observed); why != "" {
				return conditions.Is(v1alpha1.ReconcilingCondition, "Resizing", v.component.name+": "+why)
			}
		}
	}
	return conditions.IsNot(v1alpha1.ReconcilingCondition, "NotReconciling", "every decided size has reached its pods")
}

// usage: without it, only kills make anything grow.
func usage(views []view) metav1.Condition {
	for i := range views {
		if o := &views[i].observed; o.Metrics != "" && len(o.Pods) > 0 {
			return conditions.IsNot(v1alpha1.UsageKnownCondition, "NoReading", o.Component+": "+o.Metrics+"; until then only OOM kills make anything grow")
		}
	}
	return conditions.Is(v1alpha1.UsageKnownCondition, "Known", "the metrics API tells what is used")
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
	r.event(cs, t, rec, rec.Spec.Component, kind, reason, rec.Spec.Reason)
}

// warn tells people that a decision did not do what it should.
func (r *Reconciler) warn(cs *v1alpha1.ClusterScaler, t target, rec *v1alpha1.ScalingRecord, reason, message string) {
	r.event(cs, t, rec, rec.Spec.Component, corev1.EventTypeWarning, reason, fmt.Sprintf("%s (%s)", message, rec.Spec.Reason))
}

// event is about a component, and a record if there is one.
func (r *Reconciler) event(cs *v1alpha1.ClusterScaler, t target, related runtime.Object, component, kind, reason, message string) {
	about := []client.Object{cs}
	if t.tenant != nil {
		about = append(about, t.tenant)
	}
	note := shortened(component + ": " + message)
	for _, o := range about {
		r.Recorder.Eventf(o, related, kind, reason, "Scale", "%s", note)
	}
}

// shortened to what a note of an event takes.
func shortened(note string) string {
	if len(note) > longestNote {
		return strings.ToValidUTF8(note[:longestNote], "") + " ..."
	}
	return note
}

// longestNote in bytes: events.k8s.io takes 1 KiB (k8s.io/kubernetes/pkg/apis/core/validation/events.go).
const longestNote = 1000
