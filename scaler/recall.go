package scaler

import (
	"context"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler/model"
	"github.com/metapilot/metapilot/scaler/plan"
)

// records of the ClusterScaler, newest first.
func (r *Reconciler) records(ctx context.Context, cs *v1alpha1.ClusterScaler) ([]*v1alpha1.ScalingRecord, error) {
	var list v1alpha1.ScalingRecordList
	if err := r.Client.List(ctx, &list, client.InNamespace(cs.Namespace), client.MatchingFields{byScaler: cs.Name}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, err
	}
	all := make([]*v1alpha1.ScalingRecord, len(list.Items))
	for i := range list.Items {
		all[i] = &list.Items[i]
	}
	slices.SortFunc(all, func(a, b *v1alpha1.ScalingRecord) int { return b.Spec.DecidedAt.Compare(a.Spec.DecidedAt.Time) })
	return all, nil
}

// of are the records about a component, not about another one of its name.
func of(records []*v1alpha1.ScalingRecord, c *component) (some []*v1alpha1.ScalingRecord) {
	for _, r := range records {
		if r.Spec.Component == c.name && r.Spec.TargetUID == c.uid {
			some = append(some, r)
		}
	}
	return some
}

// recall tells what was decided before, as far as it could be carried out, and the kills that were known then.
func (v *view) recall() {
	o := &v.observed
	for _, r := range slices.Backward(v.records) {
		if r.Status.Phase != v1alpha1.PhaseFailed {
			o.Remember(decidedIn(r))
		}
		o.Kills = merged(o.Kills, r.Spec.Kills)
	}
	o.DateChanges()
	if o.Carried.To != o.Size && rose(plan.SizeOf(v.before.Size), o.Size) { // somebody else has their reasons, too
		o.Grown = o.Now
	}
	if v.component.workload != nil && o.Carried.Stored && o.Carried.To != o.Size {
		v.giveWay()
	}
}

// merged are the kills of both, each once.
func merged(known []model.Kill, more []v1alpha1.OOMKill) []model.Kill {
	for _, k := range more {
		if !slices.ContainsFunc(known, func(o model.Kill) bool { return o.Container == k.Container }) {
			known = append(known, model.Kill{Pod: k.Pod, Container: k.Container, At: k.Time.Time, Limit: k.Limit})
		}
	}
	return known
}

// yielding is how long a size that somebody else gives a plain workload is left alone. Writing against them at once would go to and fro; never doing
// so again would leave the workload to its next kill because of one upgrade long ago.
const yielding = time.Hour

// giveWay to whoever has set another size than the scaler, from when that was seen first.
func (v *view) giveWay() {
	o := &v.observed
	v.yields = timeOf(v.before.Yields)
	if v.yields.IsZero() || plan.SizeOf(v.before.Size) != o.Size {
		v.yields = o.Now.Add(yielding)
	}
	if o.Now.Before(v.yields) {
		o.Foreign, o.Yields = v.component.changedBy(), v.yields
	}
}

// rose tells whether a size that is known is now larger.
func rose(before, now model.Size) bool {
	return before != model.Size{} && (now.Steered(model.CPU) > before.Steered(model.CPU) || now.Steered(model.Memory) > before.Steered(model.Memory))
}

func timeOf(t *metav1.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.Time
}

func decidedIn(r *v1alpha1.ScalingRecord) model.Decided {
	s := &r.Spec
	d := model.Decided{
		Decision: model.Decision(s.Decision), DryRun: s.DryRun, From: plan.SizeOf(s.From), To: plan.SizeOf(s.To), At: s.DecidedAt.Time,
		Stored: r.Status.Phase != "" && r.Status.Phase != v1alpha1.PhaseDecided,
	}
	if had := r.Status.EffectiveAt; had != nil {
		d.Had = had.Time
	}
	if n := len(r.Status.Outcomes); n > 0 && r.Status.Phase == v1alpha1.PhaseRegretted {
		d.Regret = r.Status.Outcomes[n-1].At.Time
	}
	if i := slices.IndexFunc(s.Guards, func(g v1alpha1.GuardVerdict) bool { return g.Held }); i >= 0 && s.Decision == v1alpha1.DecisionHold {
		d.Guard = s.Guards[i].Guard
	}
	return d
}
