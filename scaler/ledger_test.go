package scaler

import (
	"fmt"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler/fleet"
	"github.com/metapilot/metapilot/scaler/model"
	"github.com/metapilot/metapilot/scaler/plan"
)

// idle is a component that everything but its turn lets shrink.
func idle(name string, now time.Time) *view {
	size := model.Size{Requests: model.Amounts{CPU: 200, Memory: 256 << 20}, Limits: model.Amounts{Memory: 512 << 20}}
	v := &view{component: &component{name: "kube-scheduler"}, policy: plan.Defaults()}
	v.policy.Down = model.Auto
	v.observed = model.Observed{Now: now, Component: "kube-scheduler", Target: name, Size: size, Replicas: 1, Pods: []model.Pod{{
		Name: "kube-scheduler-0", Size: size, Actual: size, Running: true, Ready: true, Placed: true, Usage: []model.Sample{{At: now, CPU: 20, Memory: 60 << 20}},
	}}}
	v.observed.Profile = model.Profile{Name: "p", LastSample: now}
	for _, r := range []model.Resource{model.CPU, model.Memory} {
		amount := map[model.Resource]int64{model.CPU: 30, model.Memory: 90 << 20}[r]
		*v.observed.Profile.Of(r) = model.Recommendation{Target: amount, Upper: amount, Since: now.Add(-100 * time.Hour)}
		*v.observed.Idle.Of(r) = model.Idle{Since: now.Add(-20 * time.Hour), Seen: now.Add(-time.Minute), Highest: amount}
	}
	return v
}

func key(name string) fleet.Key {
	return fleet.Key{Namespace: "default", Name: name, Component: "kube-scheduler"}
}

// waits tells the ledger, as the watch does, that a component waits for its turn.
func (l *ledger) waits(name string, v *view) {
	v.plan = plan.Decide(&v.observed, &v.policy)
	l.seesScaler(&v1alpha1.ClusterScaler{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Status:     v1alpha1.ClusterScalerStatus{Components: []v1alpha1.ScaledComponent{{Name: "kube-scheduler", Size: plan.InAPI(v.observed.Size), Turn: v.turn()}}},
	})
}

// recorded is the record of what a view has decided.
func recorded(name string, v *view, phase v1alpha1.RecordPhase) *v1alpha1.ScalingRecord {
	return &v1alpha1.ScalingRecord{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: fmt.Sprint(name, v.observed.Now.Unix())},
		Spec: v1alpha1.ScalingRecordSpec{
			Scaler: name, Component: "kube-scheduler", Decision: v1alpha1.Decision(v.plan.Decision), DryRun: v.plan.DryRun,
			From: plan.InAPI(v.plan.From), To: plan.InAPI(v.plan.To), DecidedAt: metav1.NewMicroTime(v.observed.Now),
		},
		Status: v1alpha1.ScalingRecordStatus{Phase: phase},
	}
}

func ledgerOf(says string, downs fleet.Budget) *ledger {
	p := fleet.Defaults()
	p.GroupBy, p.Fleet.Downs = says, downs
	return newLedger(p)
}

// Many workers decide at the same time, while the schedule is made anew again and again and no record comes back: not one step more than the budget.
func TestParallelDecisionsKeepTheBudget(t *testing.T) {
	const budget, tenants = 7, 60
	l := ledgerOf("", fleet.Budget{Count: 70, Within: 10 * time.Hour}) // of which a tenth goes at once
	for i := range tenants {
		l.waits(fmt.Sprint("t", i), idle(fmt.Sprint("t", i), noon))
	}
	var workers sync.WaitGroup
	var mu sync.Mutex
	downs := map[string]int{}
	for worker := range 8 {
		workers.Go(func() {
			for round := range 40 {
				if worker == 0 {
					l.reckon(noon.Add(time.Duration(round) * time.Second))
				}
				for i := range tenants {
					name := fmt.Sprint("t", i)
					v := idle(name, noon.Add(time.Duration(round)*time.Second))
					l.tell(key(name), &v.observed, &v.policy)
					if l.decide(name, v); v.plan.Acts() {
						mu.Lock()
						downs[name]++
						mu.Unlock()
					}
				}
			}
		})
	}
	workers.Wait()
	total := 0
	for name, n := range downs {
		if total += n; n > 1 {
			t.Errorf("%s was made smaller %d times", name, n)
		}
	}
	if total != budget {
		t.Errorf("%d steps down, and there may be %d", total, budget)
	}
}

// decide as the Reconciler does.
func (l *ledger) decide(name string, v *view) {
	v.plan = plan.Decide(&v.observed, &v.policy)
	l.spend(key(name), v)
}

// decides gives a component its turn and thinks about it.
func (l *ledger) decides(name string, at time.Time) *view {
	v := idle(name, at)
	l.tell(key(name), &v.observed, &v.policy)
	l.decide(name, v)
	return v
}

func TestNothingShrinksBeforeAllIsKnown(t *testing.T) {
	l := ledgerOf("", fleet.Budget{Count: 2, Within: time.Hour})
	l.waits("a", idle("a", noon))
	if v := l.decides("a", noon); v.plan.Held == nil || v.plan.Held.Says != "its turn among the steps down of the fleet is not known yet" {
		t.Errorf("before the first schedule: %s %+v", v.plan.Decision, v.plan.Held)
	}
	if open, _ := l.reckon(noon); len(open) != 1 || open[0] != key("a") {
		t.Errorf("woken were %v", open)
	}
	if open, _ := l.reckon(noon.Add(time.Second)); len(open) != 0 {
		t.Errorf("woken again were %v", open)
	}
	if v := l.decides("a", noon); v.plan.Decision != model.Down {
		t.Errorf("at its turn: %s %+v", v.plan.Decision, v.plan.Held)
	}
}

// A turn that was used counts until its record is seen, which counts from then on; one whose record was not written is given back.
func TestWhatIsTakenIsConfirmedByItsRecord(t *testing.T) {
	l := ledgerOf("", fleet.Budget{Count: 1, Within: time.Hour})
	for _, name := range []string{"a", "b"} {
		l.waits(name, idle(name, noon))
	}
	l.reckon(noon)
	lost := l.decides("a", noon)
	if l.reckon(noon); l.turns[key("b")].Open || len(l.taken) != 1 {
		t.Errorf("%s; the turn of b is %+v with %+v", lost.plan.Decision, l.turns[key("b")], l.taken)
	}
	if l.release(key("a"), noon); len(l.taken) != 0 {
		t.Errorf("released, there are %+v", l.taken)
	}
	l.reckon(noon)
	made := l.decides("a", noon.Add(time.Second))
	l.seesRecord(recorded("a", lost, v1alpha1.PhaseApplied), noon) // of another time
	if len(l.taken) != 1 {
		t.Errorf("an older record confirms nothing: %+v", l.taken)
	}
	l.seesRecord(recorded("a", made, ""), noon)
	if len(l.taken) != 0 || len(l.downs) != 2 {
		t.Errorf("confirmed, there are %+v and %+v", l.taken, l.downs)
	}
	l.seesRecord(recorded("a", lost, v1alpha1.PhaseFailed), noon)
	if len(l.downs) != 1 {
		t.Errorf("what failed was no step down: %+v", l.downs)
	}
	l.confirms(t, made)
}

// confirms: a budget counts from when a record says that its step down was carried out, and from when it was decided as long as it does not.
func (l *ledger) confirms(t *testing.T, made *view) {
	t.Helper()
	put := recorded("a", made, v1alpha1.PhaseApplied)
	put.Status.AppliedAt = &metav1.MicroTime{Time: noon.Add(2 * time.Second)}
	l.seesRecord(put, noon)
	if l.reckon(noon.Add(time.Hour + time.Second)); l.turns[key("b")].Open {
		t.Error("within the hour of when it was carried out b may go")
	}
	l.seesRecord(recorded("a", made, ""), noon)
	if l.reckon(noon.Add(time.Hour)); l.turns[key("b")].Open {
		t.Error("within the hour of the record b may go")
	}
	if l.reckon(noon.Add(time.Hour + time.Second)); !l.turns[key("a")].Open && !l.turns[key("b")].Open {
		t.Error("after the hour nobody may go")
	}
}

func TestATurnThatIsNotUsedPassesOn(t *testing.T) {
	l := ledgerOf("", fleet.Budget{Count: 1, Within: time.Hour})
	for _, name := range []string{"a", "b"} {
		l.waits(name, idle(name, noon))
	}
	l.reckon(noon)
	if l.reckon(noon.Add(unused)); !l.turns[key("a")].Open || l.turns[key("b")].Open {
		t.Errorf("too early: %+v", l.turns)
	}
	if l.reckon(noon.Add(unused + time.Second)); l.turns[key("a")].Open || !l.turns[key("b")].Open {
		t.Errorf("not passed on: %+v", l.turns)
	}
	l.decides("b", noon.Add(unused+time.Second))
	if l.reckon(noon.Add(2*unused + 3*time.Second)); len(l.taken) != 0 {
		t.Errorf("what no record tells of was not done: %+v", l.taken)
	}
}

// A dry run has its turn once, however often it is told, and waits for nothing afterwards.
func TestADryRunIsToldAgainAndAgain(t *testing.T) {
	l := ledgerOf("", fleet.Budget{Count: 1, Within: time.Hour})
	decides := func(name string, at time.Time) *view {
		v := idle(name, at)
		v.policy.Down = model.DryRun
		l.tell(key(name), &v.observed, &v.policy)
		l.decide(name, v)
		return v
	}
	for _, name := range []string{"a", "b"} {
		v := idle(name, noon)
		v.policy.Down = model.DryRun
		l.waits(name, v)
	}
	l.reckon(noon)
	told := decides("a", noon)
	for range 2 {
		l.reckon(noon)
		if again := decides("a", noon); again.plan.Decision != model.Down || !again.plan.DryRun || len(l.taken) != 1 {
			t.Errorf("before its record is seen: %s, taken %+v", again.plan.Decision, l.taken)
		}
	}
	l.seesRecord(recorded("a", told, v1alpha1.PhaseDryRun), noon)
	for _, at := range []time.Time{noon.Add(59 * time.Minute), noon.Add(time.Hour), noon.Add(61 * time.Minute)} {
		l.seesRecord(recorded("a", told, v1alpha1.PhaseDryRun), at)
		l.reckon(at)
		if v := decides("a", at); v.plan.Decision != model.Down {
			t.Errorf("at %s it tells no longer: %+v", at, v.plan.Held)
		}
		later := recorded("a", told, v1alpha1.PhaseDryRun)
		later.Name, later.Spec.DecidedAt = at.String(), metav1.NewMicroTime(at)
		l.seesRecord(later, at)
		if want := at.Sub(noon) >= time.Hour; l.turns[key("b")].Open != want {
			t.Errorf("at %s the turn of b is %+v", at, l.turns[key("b")])
		}
	}
}

// Groups are told by labels of tenants, or of the ClusterScaler itself, and count moves apart.
func TestGroupsComeFromLabels(t *testing.T) {
	l := ledgerOf("stage", fleet.Budget{Count: 10, Within: time.Hour})
	l.policy.PerGroup.Moves = fleet.Budget{Count: 3, Within: time.Hour}
	for name, labels := range map[string]map[string]string{"a": {"stage": "prod"}, "b": {"stage": "dev"}, "c": nil} {
		l.seesTenant(&v1alpha1.TenantCluster{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, Labels: labels}})
		l.seesScaler(&v1alpha1.ClusterScaler{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}})
	}
	l.seesScaler(&v1alpha1.ClusterScaler{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "d", Labels: map[string]string{"stage": "prod"}},
		Spec:       v1alpha1.ClusterScalerSpec{Workloads: []v1alpha1.WorkloadRef{{Kind: "Deployment", Name: "x"}}},
	})
	for i, name := range []string{"d", "b", "a"} {
		moved := recorded(name, idle(name, noon.Add(-time.Duration(i)*time.Minute)), v1alpha1.PhaseApplied)
		moved.Spec.Decision, moved.Spec.Disruptive = v1alpha1.DecisionRestart, true
		l.seesRecord(moved, noon)
	}
	l.countsMovesApart(t)
	if l.group(key("c")) != "" || l.group(key("b")) != "dev" || l.group(key("d")) != "prod" {
		t.Error("groups are", l.group(key("c")), l.group(key("b")), l.group(key("d")))
	}
	l.policy.GroupBy = ""
	v := idle("a", noon)
	if l.tell(key("a"), &v.observed, &v.policy); v.policy.GroupWithin != 0 || v.observed.Group != "" {
		t.Errorf("without groups there is one of %q within %s", v.observed.Group, v.policy.GroupWithin)
	}
}

func (l *ledger) countsMovesApart(t *testing.T) {
	t.Helper()
	v := idle("a", noon)
	l.tell(key("a"), &v.observed, &v.policy)
	l.tellMoves(&v.observed)
	o := &v.observed
	if o.Group != "prod" || len(o.Moves) != 3 || len(o.GroupMoves) != 2 || !o.GroupMoves[0].Before(o.GroupMoves[1]) || !o.Moves[0].Before(o.Moves[2]) {
		t.Errorf("of %q there are %v, and of all %v", o.Group, o.GroupMoves, o.Moves)
	}
	if v.policy.GroupMoves != 3 || v.policy.GroupWithin != time.Hour || v.policy.FleetMoves != 5 {
		t.Errorf("the policy is %+v", v.policy)
	}
}

// What is older than any budget looks back to is not kept, and a stop of long ago is not told by a scaler that has just begun.
func TestTheLedgerForgets(t *testing.T) {
	l := ledgerOf("", fleet.Budget{Count: 10, Within: time.Hour})
	l.policy.Fleet.Regrets = fleet.Budget{Count: 0, Within: 6 * time.Hour}
	down := l.decidesAnyway("a", noon)
	back := recorded("a", down, v1alpha1.PhaseRegretted)
	back.Status.Outcomes = []v1alpha1.Outcome{{Check: "watch", At: metav1.NewTime(noon.Add(time.Hour))}}
	l.seesRecord(back, noon.Add(26*time.Hour))
	if len(l.downs) != 0 {
		t.Errorf("a day later there are %+v", l.downs)
	}
	l.seesRecord(back, noon.Add(2*time.Hour))
	if _, began := l.reckon(noon.Add(2 * time.Hour)); len(began) != 0 || len(l.schedule.Stops) != 1 {
		t.Errorf("told at the start: %+v of %+v", began, l.schedule.Stops)
	}
	if l.reckon(noon.Add(25*time.Hour + time.Second)); len(l.downs) != 0 || len(l.schedule.Stops) != 0 {
		t.Errorf("a day later there are %+v and %+v", l.downs, l.schedule.Stops)
	}
	back.Status.Outcomes[0].At, back.Spec.DecidedAt = metav1.NewTime(noon.Add(26*time.Hour)), metav1.NewMicroTime(noon.Add(25*time.Hour))
	l.seesRecord(back, noon.Add(26*time.Hour))
	_, began := l.reckon(noon.Add(26 * time.Hour))
	if len(began) != 1 || !began[0].Fleet || l.regards(began[0]).GetName() != "a" {
		t.Errorf("told of a new stop: %+v", began)
	}
	if _, again := l.reckon(noon.Add(26*time.Hour + time.Minute)); len(again) != 0 {
		t.Errorf("told again: %+v", again)
	}
	l.seesPolicy(&v1alpha1.ScalingPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: v1alpha1.SystemNamespace, Name: "fleet"}, Spec: v1alpha1.ScalingPolicySpec{Fleet: &v1alpha1.FleetPolicy{}},
	})
	if l.regards(began[0]).GetName() != "fleet" {
		t.Error("it is told of", l.regards(began[0]))
	}
	if l.forgetPolicy(l.policies[types.NamespacedName{Namespace: v1alpha1.SystemNamespace, Name: "fleet"}]); l.chosen != nil {
		t.Error("still chosen is", l.chosen)
	}
}

// decidesAnyway is a step down whatever the ledger says.
func (l *ledger) decidesAnyway(name string, at time.Time) *view {
	v := idle(name, at)
	v.observed.Turn.Open = true
	v.plan = plan.Decide(&v.observed, &v.policy)
	return v
}

// Who is gone, or waits for something else, has no turn.
func TestCandidatesComeAndGo(t *testing.T) {
	l := ledgerOf("", fleet.Budget{Count: 10, Within: time.Hour})
	l.waits("a", idle("a", noon))
	busy := idle("a", noon)
	busy.observed.Metrics = "no answer"
	if l.waits("a", busy); len(l.candidates) != 0 {
		t.Errorf("held by something else, it waits: %+v", l.candidates)
	}
	l.waits("a", idle("a", noon))
	l.reckon(noon)
	l.dirty = false
	if l.waits("a", idle("a", noon)); l.dirty {
		t.Error("the same again is no reason for another schedule")
	}
	l.forgetScaler(&v1alpha1.ClusterScaler{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "a"}})
	if len(l.candidates) != 0 || !l.dirty {
		t.Errorf("deleted, it waits: %+v", l.candidates)
	}
}
