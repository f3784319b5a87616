package scaler

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler/fleet"
	"github.com/metapilot/metapilot/scaler/model"
	"github.com/metapilot/metapilot/scaler/plan"
)

// followed is a kind, and what is done about its objects.
type followed struct {
	object     client.Object
	sees, gone func(client.Object)
}

// watch follows all that the ledger is about; synced tells whether it has seen all that there was.
func (l *ledger) watch(m ctrl.Manager, now func() time.Time) (synced func() bool, err error) {
	all := []followed{
		{&v1alpha1.ClusterScaler{}, func(o client.Object) { l.seesScaler(o.(*v1alpha1.ClusterScaler)) }, l.forgetScaler},
		{&v1alpha1.TenantCluster{}, l.seesTenant, func(client.Object) {}},
		{&v1alpha1.ScalingRecord{}, func(o client.Object) { l.seesRecord(o.(*v1alpha1.ScalingRecord), now()) }, func(client.Object) {}},
	}
	policies, err := installed(m, "ScalingPolicy")
	if err != nil {
		return nil, err
	}
	if policies {
		all = append(all, followed{&v1alpha1.ScalingPolicy{}, l.seesPolicy, l.forgetPolicy})
	}
	var seen []toolscache.InformerSynced
	for _, one := range all {
		informer, err := m.GetCache().GetInformer(context.Background(), one.object) // waits for nothing before the cache is started
		if err != nil {
			return nil, fmt.Errorf("watching for the fleet: %w", err)
		}
		registered, err := informer.AddEventHandler(handlers(one.sees, one.gone))
		if err != nil {
			return nil, fmt.Errorf("watching for the fleet: %w", err)
		}
		seen = append(seen, registered.HasSynced)
	}
	return func() bool {
		return !slices.ContainsFunc(seen, func(has toolscache.InformerSynced) bool { return !has() })
	}, nil
}

func handlers(sees, gone func(client.Object)) toolscache.ResourceEventHandlerFuncs {
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { sees(o.(client.Object)) },
		UpdateFunc: func(_, o any) { sees(o.(client.Object)) },
		DeleteFunc: func(o any) {
			if last, isTombstone := o.(toolscache.DeletedFinalStateUnknown); isTombstone {
				o = last.Obj
			}
			if object, whole := o.(client.Object); whole {
				gone(object)
			}
		},
	}
}

// seesScaler takes from its status who waits for a turn.
func (l *ledger) seesScaler(cs *v1alpha1.ClusterScaler) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.scalers[client.ObjectKeyFromObject(cs)] = member{TenantOf(cs), cs.Labels}
	for i := range cs.Status.Components {
		c := &cs.Status.Components[i]
		k := fleet.Key{Namespace: cs.Namespace, Name: cs.Name, Component: c.Name}
		now, waits := candidateOf(k, c)
		if was, waited := l.candidates[k]; waits != waited || now != was {
			l.dirty = true
		}
		if l.candidates[k] = now; !waits {
			delete(l.candidates, k)
		}
	}
}

// candidateOf a component's status; there is none if nothing waits for its turn.
func candidateOf(k fleet.Key, c *v1alpha1.ScaledComponent) (candidate, bool) {
	if c.Turn == nil {
		return candidate{}, false
	}
	saves := plan.SizeOf(v1alpha1.Size{Requests: c.Turn.Saving.Requests}).Requests
	return candidate{
		fleet.Candidate{Key: k, Since: c.Turn.Since.Time, Saving: saves, Risk: int64(c.Turn.Risk), DryRun: c.Turn.DryRun}, plan.SizeOf(c.Size),
	}, true
}

// forgetScaler keeps its group, for what was done to it counts on.
func (l *ledger) forgetScaler(o client.Object) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for k := range l.candidates {
		if k.Namespace == o.GetNamespace() && k.Name == o.GetName() {
			delete(l.candidates, k)
			l.dirty = true
		}
	}
}

func (l *ledger) seesPolicy(o client.Object) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.policies[client.ObjectKeyFromObject(o)] = o.(*v1alpha1.ScalingPolicy)
	l.choose()
}

func (l *ledger) forgetPolicy(o client.Object) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.policies, client.ObjectKeyFromObject(o))
	l.choose()
}

func (l *ledger) choose() {
	l.dirty, l.policy = true, l.otherwise
	if l.chosen = fleet.Chosen(slices.Collect(maps.Values(l.policies))); l.chosen != nil {
		l.policy = l.otherwise.With(l.chosen.Spec.Fleet)
	}
}

func (l *ledger) seesTenant(o client.Object) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := client.ObjectKeyFromObject(o)
	l.dirty = l.dirty || l.tenants[key][l.policy.GroupBy] != o.GetLabels()[l.policy.GroupBy]
	l.tenants[key] = o.GetLabels()
}

// seesRecord takes from it what counts for budgets, and ends what was taken until it was seen.
func (l *ledger) seesRecord(r *v1alpha1.ScalingRecord, now time.Time) {
	d, name := deedOf(r), client.ObjectKeyFromObject(r)
	if !d.down && !d.move || now.Sub(d.at) > counted && now.Sub(d.regret) > counted {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.taken = slices.DeleteFunc(l.taken, func(t deed) bool { return t.key == d.key && !d.at.Before(t.at.Truncate(time.Microsecond)) })
	l.dirty = true
	failed := r.Status.Phase == v1alpha1.PhaseFailed
	switch {
	case d.dry:
		l.hears(d, plan.SizeOf(r.Spec.From))
	case d.down:
		note(l.downs, name, d, failed)
	}
	if d.move {
		note(l.moves, name, d, failed)
	}
}

// counted is the longest time that a budget looks back to (api/v1alpha1, FleetBudget).
const counted = 24 * time.Hour

func note(into map[types.NamespacedName]deed, name types.NamespacedName, d deed, failed bool) {
	if into[name] = d; failed {
		delete(into, name)
	}
}

// hears of a dry run: of each component the newest size, since when it was told of and when it was last.
func (l *ledger) hears(d deed, from model.Size) {
	t, known := l.dry[d.key]
	switch {
	case !known, t.from != from && d.at.After(t.last):
		t = rehearsal{from, d.at, d.at}
	case t.from == from && d.at.After(t.last):
		t.last = d.at
	case t.from == from && d.at.Before(t.first):
		t.first = d.at
	}
	l.dry[d.key] = t
}

func deedOf(r *v1alpha1.ScalingRecord) deed {
	s := &r.Spec
	d := deed{
		key: fleet.Key{Namespace: r.Namespace, Name: s.Scaler, Component: s.Component}, at: s.DecidedAt.Time,
		down: s.Decision == v1alpha1.DecisionDown, dry: s.DryRun, move: s.Disruptive, regret: decidedIn(r).Regret,
	}
	if applied := r.Status.AppliedAt; applied != nil && applied.After(d.at) { // a scaler that died has left it to the next one
		d.at = applied.Time
	}
	return d
}
