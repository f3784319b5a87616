package record

import (
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler/model"
	"github.com/metapilot/metapilot/scaler/plan"
)

// The checks of what came of a change.
const (
	early = "early"
	late  = "late"
	watch = "watch" // of a step down, until it is taken back
)

// Follow is what is to be said of a record now, and when to look again; zero for never. Unchanged, it is what was said already.
func Follow(r *v1alpha1.ScalingRecord, o *model.Observed, p *model.Policy) (v1alpha1.ScalingRecordStatus, time.Duration) {
	f := follower{spec: &r.Spec, status: *r.Status.DeepCopy(), o: o, p: p}
	switch f.status.Phase {
	case "", v1alpha1.PhaseDecided:
		f.carriedOut()
	case v1alpha1.PhaseFailed: // what failed may have arrived all the same
		if f.stored() && r.Spec.DecidedAt.After(o.Carried.At) {
			f.carriedOut()
		}
	case v1alpha1.PhaseApplied:
		if !f.takenBack() {
			f.effect()
		}
	case v1alpha1.PhaseEffective, v1alpha1.PhaseVerified, v1alpha1.PhaseDegraded:
		if !f.takenBack() {
			f.outcome()
		}
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
	case f.stored():
		f.status.Phase, f.status.Message = v1alpha1.PhaseApplied, "stored where pods get it"
		f.effect()
	case f.o.Now.Sub(f.spec.DecidedAt.Time) > abandoned:
		f.status.Phase, f.status.Message = v1alpha1.PhaseFailed, "it was not carried out"
	default:
		f.again = abandoned
	}
}

// stored: what was decided is there.
func (f *follower) stored() bool {
	if f.spec.Decision == v1alpha1.DecisionRestart {
		return !f.o.Restarted.Before(f.spec.DecidedAt.Truncate(time.Second))
	}
	return plan.SizeOf(f.spec.To) == f.o.Size
}

// abandoned is how long a decision may take to be carried out.
const abandoned = time.Minute

// effect: all containers run with the size, or another size has come in between.
func (f *follower) effect() {
	if f.spec.Decision != v1alpha1.DecisionRestart && plan.SizeOf(f.spec.To) != f.o.Size {
		f.status.Phase, f.status.Message = v1alpha1.PhaseSuperseded, "another size was decided before this one took effect"
		return
	}
	if why := Missing(f.o); why != "" {
		f.status.Message = why
		return
	}
	if f.spec.Decision == v1alpha1.DecisionRestart && f.o.Restarting {
		f.status.Message = "its pods are being replaced"
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

// takenBack: while the step down was watched, another decision has undone it.
func (f *follower) takenBack() bool {
	back := &f.o.Carried
	down := model.Decided{Decision: model.Decision(f.spec.Decision), From: plan.SizeOf(f.spec.From), To: plan.SizeOf(f.spec.To)}
	had := f.status.EffectiveAt
	if !back.Undoes(&down) || back.To != f.o.Size || back.At.Before(f.spec.DecidedAt.Time) || had != nil && back.At.After(had.Add(f.p.Watch)) {
		return false
	}
	says := fmt.Sprintf("it was taken back at %s: the record of that says why", back.At.UTC().Format(time.TimeOnly))
	f.status.Phase, f.status.Message = v1alpha1.PhaseRegretted, says
	f.status.Outcomes = append(f.status.Outcomes, v1alpha1.Outcome{Check: watch, At: metav1.NewTime(f.o.Now), OOMKills: f.killed(), Says: says})
	return true
}

// killed counts all kills since the decision.
func (f *follower) killed() (n int32) {
	for _, k := range f.o.Kills {
		if !k.At.Before(f.spec.DecidedAt.Truncate(time.Second)) {
			n++
		}
	}
	return n
}

// Missing says which pod does not run with the decided size yet, and why; empty if all do.
func Missing(o *model.Observed) string {
	live := 0
	for i := range o.Pods {
		pod := &o.Pods[i]
		switch {
		case pod.Terminating:
			continue
		case !pod.Placed && pod.Pending != "":
			return fmt.Sprintf("no node takes %s: %s", pod.Name, pod.Says)
		case pod.Pending != "":
			return fmt.Sprintf("the resize of %s is %s: %s", pod.Name, pod.Pending, pod.Says)
		case pod.Actual != o.Size:
			return pod.Name + " still has " + differing(pod.Actual, o.Size)
		case pod.Size != o.Size:
			return pod.Name + " has not been resized yet"
		case !pod.Running:
			return pod.Name + " does not run"
		}
		live++
	}
	if live == 0 {
		return "it has no pods"
	}
	return ""
}

// differing is what a size has where it is not the wanted one, in words.
func differing(have, want model.Size) string {
	for _, r := range [...]model.Resource{model.Memory, model.CPU} {
		if a, b := have.Steered(r), want.Steered(r); a != b {
			return fmt.Sprintf("%s of %s, not %s", model.Short(r, a), r, model.Short(r, b))
		}
	}
	return "another size"
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
			f.status.Phase = v1alpha1.PhaseVerified
			if !f.say(check.name, kills) {
				f.status.Phase = v1alpha1.PhaseDegraded
			}
		}
	}
}

func (f *follower) looked(check string) bool {
	return slices.ContainsFunc(f.status.Outcomes, func(o v1alpha1.Outcome) bool { return o.Check == check })
}

// kills at the decided limit since it took effect; their times are in whole seconds. Those at another limit say nothing about this decision, and
// no kill does about CPU.
func (f *follower) kills() (n int32) {
	if !f.aboutMemory() {
		return 0
	}
	limit := plan.SizeOf(f.spec.To).Limits.Memory
	for _, k := range f.o.Kills {
		if !k.At.Before(f.status.EffectiveAt.Truncate(time.Second)) && k.Limit == limit {
			n++
		}
	}
	return n
}

// aboutMemory: the decision changed the memory limit.
func (f *follower) aboutMemory() bool {
	return plan.SizeOf(f.spec.To).Limits.Memory != plan.SizeOf(f.spec.From).Limits.Memory
}

// say notes what a check has found, and whether that is good.
func (f *follower) say(check string, kills int32) (good bool) {
	var says []string
	switch {
	case kills > 0:
		says = append(says, fmt.Sprintf("%d OOM kills at this size", kills))
	case f.aboutMemory():
		says = append(says, "no OOM kill at this size")
	}
	good = kills == 0
	for i := range f.o.Pods {
		if pod := &f.o.Pods[i]; !pod.Ready && !pod.Terminating {
			good, says = false, append(says, pod.Name+" is not ready")
		}
	}
	if len(says) == 0 {
		says = append(says, "every pod is ready")
	}
	o := v1alpha1.Outcome{Check: check, At: metav1.NewTime(f.o.Now), OOMKills: kills, Good: good, Says: strings.Join(says, "; ")}
	if !f.looked(check) {
		f.status.Outcomes, f.status.Message = append(f.status.Outcomes, o), o.Says
	}
	return good
}

// lookback of decisions: to what was refused, and to the fleet's disruptive moves.
const lookback = time.Hour

// tomorrow is for how long a step down is looked back to, and what a kubelet refused.
const tomorrow = 24 * time.Hour

// Expired are the records that need not be kept: beyond the number, or too old. What changed a component's size, what restarted it and what was not
// carried out are counted apart, so that holds by the hour do not push out why it has its size; the newest of each always stays, and what decisions
// look back to.
func Expired(newestFirst []*v1alpha1.ScalingRecord, keep int, maxAge time.Duration, now time.Time) (expired []*v1alpha1.ScalingRecord) {
	type kind struct{ component, done string }
	seen := map[kind]int{}
	for _, r := range newestFirst {
		k, age := kind{r.Spec.Component, done(r)}, now.Sub(r.Spec.DecidedAt.Time)
		seen[k]++
		needed := age < lookback && r.Spec.Disruptive || age < tomorrow && done(r) != nothing && downward(r.Spec.Decision)
		if n := seen[k]; n > 1 && !needed && (n > keep || age > maxAge) {
			expired = append(expired, r)
		}
	}
	return expired
}

func downward(d v1alpha1.Decision) bool {
	return d == v1alpha1.DecisionDown || d == v1alpha1.DecisionRevert
}

// done is what was carried out: a change of size, of which steps down are counted apart, a restart, or nothing.
func done(r *v1alpha1.ScalingRecord) string {
	switch {
	case r.Spec.DryRun, r.Spec.Decision == v1alpha1.DecisionHold, r.Status.Phase == v1alpha1.PhaseFailed:
		return nothing
	case r.Spec.Decision == v1alpha1.DecisionRestart:
		return "restart"
	case r.Spec.Decision == v1alpha1.DecisionDown:
		return "step down"
	}
	return "size"
}

const nothing = "nothing"
