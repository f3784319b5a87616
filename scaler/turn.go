package scaler

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	runtimesource "sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler/fleet"
	"github.com/metapilot/metapilot/scaler/model"
	"github.com/metapilot/metapilot/scaler/plan"
	"github.com/metapilot/metapilot/scaler/record"
)

// watchFleet keeps the ledger, and looks at those whose turn has come.
func (r *Reconciler) watchFleet(m ctrl.Manager, b *builder.Builder) error {
	r.ledger = newLedger(r.Budget.policy())
	synced, err := r.ledger.watch(m, r.Clock.Now)
	if err != nil {
		return err
	}
	turns := make(chan event.GenericEvent)
	b.WatchesRawSource(runtimesource.Channel(turns, &handler.EnqueueRequestForObject{}))
	return m.Add(manager.RunnableFunc(func(ctx context.Context) error {
		return r.ledger.run(ctx, r.Clock.Now, synced, turns, r.stopped)
	}))
}

// policy of the fleet where no ScalingPolicy says anything.
func (b Budget) policy() fleet.Policy {
	moves := v1alpha1.FleetBudget{Count: int32(b.Moves), Within: metav1.Duration{Duration: b.Within}}
	return fleet.Defaults().With(&v1alpha1.FleetPolicy{FleetBudgets: v1alpha1.FleetBudgets{Moves: &moves}})
}

// stopped tells people that nothing shrinks in the fleet or in a group.
func (r *Reconciler) stopped(s fleet.Stop) {
	ctrl.Log.WithName("fleet").Info("Steps down are stopped", "about", s.About(), "until", s.Until, "reason", s.Says)
	r.Recorder.Eventf(r.ledger.regards(s), nil, corev1.EventTypeWarning, "DownsStopped", "Scale", "%s, until %s", s.Says, s.Until.UTC().Format("2006-01-02 15:04"))
}

func keyOf(cs *v1alpha1.ClusterScaler, v *view) fleet.Key {
	return fleet.Key{Namespace: cs.Namespace, Name: cs.Name, Component: v.component.name}
}

// turn is a step down that has only to wait for its turn, and how it is ordered among others. One that is made waits no longer.
func (v *view) turn() *v1alpha1.Turn {
	p := &v.plan
	if p.Lower == (model.Size{}) || p.Lower == v.observed.Size || p.Decision == model.Down && !p.DryRun {
		return nil
	}
	risk := fleet.RiskOf(&fleet.Step{Observed: &v.observed, To: p.Lower})
	t := &v1alpha1.Turn{
		To: plan.InAPI(p.Lower), Saving: *record.Saving(&v.observed, v.observed.Size, p.Lower), Risk: int32(risk.Points), Risks: risk.Reasons,
		Since: *told(v.observed.Now), DryRun: v.policy.Up != model.Auto || v.policy.Down != model.Auto,
	}
	if was := v.before.Turn; was != nil {
		t.Since = was.Since
	}
	return t
}

// regards is what a stop is told of: the ScalingPolicy whose budget it is, or else the ClusterScaler whose step down was taken back last.
func (l *ledger) regards(s fleet.Stop) client.Object {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.chosen != nil {
		return l.chosen
	}
	var last deed
	for _, d := range l.downs {
		if (s.Fleet || l.group(d.key) == s.Group) && d.regret.After(last.regret) {
			last = d
		}
	}
	return &v1alpha1.ClusterScaler{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "ClusterScaler"},
		ObjectMeta: metav1.ObjectMeta{Namespace: last.key.Namespace, Name: last.key.Name},
	}
}
