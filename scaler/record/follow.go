package record

import (
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler/model"
	"github.com/metapilot/metapilot/scaler/plan"
)

// The two checks of what came of a change.
const (
	early = "early"
	late  = "late"
)

// Follow is what is to be said of a record now, and when to look again; zero for never. Unchanged, it is what was said already.
func Follow(r *v1alpha1.ScalingRecord, o *model.Observed, p *model.Policy) (v1alpha1.ScalingRecordStatus, time.Duration) {
	f := follower{spec: &r.Spec, status: *r.Status.DeepCopy(), o: o, p: p}
	switch f.status.Phase {
	case "", v1alpha1.PhaseDecided:
		f.carriedOut()
	case v1alpha1.PhaseApplied:
		f.effect()
	case v1alpha1.PhaseEffective, v1alpha1.PhaseVerified:
		f.outcome()
	default: // nothing is awaited of the others
	}
	return f.status, f.again
}

type follower struct {
	spec   *v1alpha1.ScalingRecordSpec
	status v1alpha1.ScalingRecordStatus
	o      *model.Observed
	p      *model.Policy
	again  time.Duration
}

// carriedOut: the scaler that wrote the record may have ended before it could say that it did the rest.
func (f *follower) carriedOut() {
	switch {
	case f.spec.DryRun:
		f.status.Phase, f.status.Message = v1alpha1.PhaseDryRun, "left out, because the mode is DryRun"
	case f.spec.Decision == v1alpha1.DecisionHold:
		f.status.Phase, f.status.Message = v1alpha1.PhaseHeld, f.spec.Reason
	case plan.SizeOf(f.spec.To) == f.o.Size:
		f.status.Phase, f.status.Message = v1alpha1.PhaseApplied, "stored where pods get it"
		f.effect()
	case f.o.Now.Sub(f.spec.DecidedAt.Time) > abandoned:
		f.status.Phase, f.status.Message = v1alpha1.PhaseFailed, "it was not carried out"
	default:
		f.again = abandoned
	}
}

// abandoned is how long a decision may take to be carried out.
const abandoned = time.Minute

// effect: all containers run with the size, or another size has come in between.
func (f *follower) effect() {
	if f.spec.Decision != v1alpha1.DecisionRestart && plan.SizeOf(f.spec.To) != f.o.Size {
		f.status.Phase, f.status.Message = v1alpha1.PhaseSuperseded, "another size was decided before this one took effect"
		return
	}
	if why := f.missing(); why != "" {
		f.status.Message = why
		return
	}
	now := metav1.NewMicroTime(f.o.Now)
	f.status.Phase, f.status.EffectiveAt, f.status.Message = v1alpha1.PhaseEffective, &now, "all its containers run with it"
	f.status.DecisionToEffectMilliseconds = milliseconds(f.spec.DecidedAt, &now)
	if f.spec.SignalAt != nil {
		f.status.SignalToEffectMilliseconds = milliseconds(*f.spec.SignalAt, &now)
	}
	f.outcome()
}

func milliseconds(from metav1.MicroTime, to *metav1.MicroTime) *int64 {
	ms := to.Sub(from.Time).Milliseconds()
	return &ms
}

// missing is what the effect waits for.
func (f *follower) missing() string {
	live := 0
	for i := range f.o.Pods {
		pod := &f.o.Pods[i]
		switch {
		case pod.Terminating:
			continue
		case pod.Pending != "":
			return fmt.Sprintf("the resize of %s is %s: %s", pod.Name, pod.Pending, pod.Says)
		case pod.Size != f.o.Size || pod.Actual != f.o.Size:
			return pod.Name + " has not got it yet"
		case !pod.Running:
			return pod.Name + " does not run"
		}
		live++
	}
	if live == 0 {
		return "it has no pods"
	}
	if debt := plan.Debt(f.o); f.spec.Decision == v1alpha1.DecisionRestart && debt != "" {
		return debt
	}
	return ""
}

// outcome looks twice: whether the component was killed again at this size, and whether it is ready.
func (f *follower) outcome() {
	kills := f.kills()
	if kills > 0 && f.spec.Decision == v1alpha1.DecisionUp {
		f.say(early, kills)
		f.status.Phase, f.status.Message = v1alpha1.PhaseEscalated, "it was not enough: killed again at this size"
		return
	}
	effect := f.status.EffectiveAt.Time
	for _, check := range []struct {
		name string
		at   time.Time
	}{{early, effect.Add(f.p.EarlyCheck)}, {late, effect.Add(f.p.LateCheck)}} {
		switch {
		case f.looked(check.name):
		case f.o.Now.Before(check.at):
			f.again = check.at.Sub(f.o.Now)
			return
		default:
			f.say(check.name, kills)
			f.status.Phase = v1alpha1.PhaseVerified
		}
	}
}

func (f *follower) looked(check string) bool {
	return slices.ContainsFunc(f.status.Outcomes, func(o v1alpha1.Outcome) bool { return o.Check == check })
}

// kills at the decided limit since it took effect; their times are in whole seconds. Those at another limit say nothing about this decision, and
// no kill does about CPU.
func (f *follower) kills() (n int32) {
	limit := plan.SizeOf(f.spec.To).Limits.Memory
	if limit == plan.SizeOf(f.spec.From).Limits.Memory {
		return 0
	}
	for _, k := range f.o.Kills {
		if !k.At.Before(f.status.EffectiveAt.Truncate(time.Second)) && k.Limit == limit {
			n++
		}
	}
	return n
}

func (f *follower) say(check string, kills int32) {
	if f.looked(check) {
		return
	}
	o := v1alpha1.Outcome{Check: check, At: metav1.NewTime(f.o.Now), OOMKills: kills, Good: kills == 0, Says: "no OOM kill at this size"}
	if kills > 0 {
		o.Says = fmt.Sprintf("%d OOM kills at this size", kills)
	}
	for i := range f.o.Pods {
		if pod := &f.o.Pods[i]; !pod.Ready && !pod.Terminating {
			o.Good, o.Says = false, o.Says+"; "+pod.Name+" is not ready"
		}
	}
	f.status.Outcomes = append(f.status.Outcomes, o)
	f.status.Message = o.Says
}

// Expired are the records that need not be kept: beyond the number for each component, or too old. The newest of each component stays.
func Expired(newestFirst []*v1alpha1.ScalingRecord, keep int, maxAge time.Duration, now time.Time) (expired []*v1alpha1.ScalingRecord) {
	seen := map[string]int{}
	for _, r := range newestFirst {
		seen[r.Spec.Component]++
		if n := seen[r.Spec.Component]; n > 1 && (n > keep || now.Sub(r.Spec.DecidedAt.Time) > maxAge) {
			expired = append(expired, r)
		}
	}
	return expired
}
