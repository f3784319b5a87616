package scaler

import (
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler/fleet"
	"github.com/metapilot/metapilot/scaler/model"
	"github.com/metapilot/metapilot/scaler/plan"
	"github.com/metapilot/metapilot/scaler/record"
)

// ledger is what is known of the whole fleet: who could be smaller, and what was made smaller, taken back or moved, or is about to be. Events of watches
// keep it, so that no look at one tenant costs a look at all; a scaler that starts anew learns it from objects and their records before anything shrinks.
type ledger struct {
	mu         sync.Mutex
	began      bool         // all that there was at the start is in it
	dirty      bool         // more is known than the schedule rests on
	uses       int          // of turns: a schedule that was reckoned meanwhile does not know of it
	otherwise  fleet.Policy // where no ScalingPolicy says anything
	policy     fleet.Policy
	policies   map[types.NamespacedName]*v1alpha1.ScalingPolicy
	chosen     *v1alpha1.ScalingPolicy // that the policy is of; nil if it is of none
	scalers    map[types.NamespacedName]member
	tenants    map[types.NamespacedName]map[string]string // labels
	candidates map[fleet.Key]candidate
	downs      map[types.NamespacedName]deed // by record
	moves      map[types.NamespacedName]deed
	dry        map[fleet.Key]rehearsal
	taken      []deed // that no record was seen of yet
	opened     map[fleet.Key]time.Time
	missed     map[fleet.Key]time.Time
	turns      map[fleet.Key]model.Turn
	schedule   fleet.Schedule
}

// member is a ClusterScaler as far as groups go.
type member struct {
	tenant string // empty if it looks after workloads
	labels map[string]string
}

// candidate has the size from which it would shrink.
type candidate struct {
	fleet.Candidate
	size model.Size
}

// deed is a step down or a move.
type deed struct {
	key        fleet.Key
	at         time.Time
	regret     time.Time // when it was taken back; zero if it was not
	down, move bool
	dry        bool
}

// rehearsal is a dry run that is told again by the hour.
type rehearsal struct {
	from        model.Size
	first, last time.Time
}

func newLedger(p fleet.Policy) *ledger {
	return &ledger{
		otherwise: p, policy: p, policies: map[types.NamespacedName]*v1alpha1.ScalingPolicy{}, dirty: true, scalers: map[types.NamespacedName]member{}, tenants: map[types.NamespacedName]map[string]string{},
		candidates: map[fleet.Key]candidate{}, downs: map[types.NamespacedName]deed{}, moves: map[types.NamespacedName]deed{}, dry: map[fleet.Key]rehearsal{},
		opened: map[fleet.Key]time.Time{}, missed: map[fleet.Key]time.Time{}, turns: map[fleet.Key]model.Turn{},
	}
}

// group of a component: what the label of its TenantCluster says, or of its ClusterScaler if that looks after workloads.
func (l *ledger) group(k fleet.Key) string {
	m := l.scalers[types.NamespacedName{Namespace: k.Namespace, Name: k.Name}]
	if m.tenant != "" {
		m.labels = l.tenants[types.NamespacedName{Namespace: k.Namespace, Name: m.tenant}]
	}
	if l.policy.GroupBy == "" {
		return ""
	}
	return m.labels[l.policy.GroupBy]
}

// tell gives a decision its turn, and the budgets that count for it.
func (l *ledger) tell(k fleet.Key, o *model.Observed, p *model.Policy) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turn(k, o, p)
}

func (l *ledger) turn(k fleet.Key, o *model.Observed, p *model.Policy) {
	o.Turn, o.Group = model.Turn{}, l.group(k)
	if l.began {
		o.Turn = l.turns[k]
	}
	p.FleetMoves, p.FleetWithin = l.policy.Fleet.Moves.Count, l.policy.Fleet.Moves.Within
	p.GroupMoves, p.GroupWithin = 0, 0
	if group, grouped := l.policy.Of(o.Group); grouped {
		p.GroupMoves, p.GroupWithin = group.Moves.Count, group.Moves.Within
	}
}

// tellMoves gives a decision the moves that count for it.
func (l *ledger) tellMoves(o *model.Observed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.moved(o)
}

func (l *ledger) moved(o *model.Observed) {
	o.Moves, o.GroupMoves = nil, nil
	note := func(d deed) {
		if o.Moves = append(o.Moves, d.at); l.group(d.key) == o.Group {
			o.GroupMoves = append(o.GroupMoves, d.at)
		}
	}
	for _, d := range l.moves {
		note(d)
	}
	for _, d := range l.taken {
		if d.move {
			note(d)
		}
	}
	slices.SortFunc(o.Moves, time.Time.Compare)
	slices.SortFunc(o.GroupMoves, time.Time.Compare)
}

// spend decides again what uses up a turn or a move, while nobody else can use it up; it counts from then on: its record comes back through the watch
// only later.
func (l *ledger) spend(k fleet.Key, v *view) {
	if !v.spends() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turn(k, &v.observed, &v.policy)
	l.moved(&v.observed)
	if v.plan = plan.Decide(&v.observed, &v.policy); v.spends() {
		l.take(k, v)
	}
}

// spends: carrying the plan out uses up a turn or a move.
func (v *view) spends() bool {
	return v.plan.Record() && (v.plan.Decision == model.Down || record.Disruptive(&v.observed, &v.plan))
}

func (l *ledger) take(k fleet.Key, v *view) {
	d := deed{key: k, at: v.observed.Now, down: v.plan.Decision == model.Down, dry: v.plan.DryRun, move: record.Disruptive(&v.observed, &v.plan)}
	if d.dry && (l.toldOf(k, v.observed.Size, d.at) || slices.ContainsFunc(l.taken, func(t deed) bool { return t.key == k && t.dry })) {
		return
	}
	l.taken = append(l.taken, d)
	l.dirty, l.uses = true, l.uses+1
	if delete(l.opened, k); !d.dry { // which goes on being told
		delete(l.turns, k)
	}
}

// release gives back what a decision would have used up that was not written down.
func (l *ledger) release(k fleet.Key, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.taken = slices.DeleteFunc(l.taken, func(d deed) bool { return d.key == k && d.at.Equal(at) })
	l.dirty = true
}

// again is within which time a dry run that goes on is told again.
const again = 2 * time.Hour

// toldOf: the dry run of a step down from a size has had its turn.
func (l *ledger) toldOf(k fleet.Key, from model.Size, now time.Time) bool {
	t, known := l.dry[k]
	return known && t.from == from && now.Sub(t.last) < again
}
