package report

import (
	"cmp"
	"maps"
	"slices"

	"github.com/metapilot/metapilot/api/v1alpha1"
)

// hold is how often a guard holds.
type hold struct {
	guard                string
	now, growth, written int
	example              string
}

func (b *Builder) hold(guard string) *hold {
	if b.holds[guard] == nil {
		b.holds[guard] = &hold{guard: guard}
	}
	return b.holds[guard]
}

// stands counts one that holds now. Of the examples the first by the alphabet stays, whichever comes first.
func (h *hold) stands(c change, held *v1alpha1.HeldChange) {
	h.now++
	h.growth += c.up
	if held != nil && held.Guard == h.guard && (h.example == "" || held.Reason < h.example) {
		h.example = held.Reason
	}
}

func (b *Builder) holdsFound() (all []v1alpha1.ReportHold) {
	for _, h := range b.holds {
		all = append(all, v1alpha1.ReportHold{Guard: short(h.guard), Now: int32(h.now), Growth: int32(h.growth), WrittenDown: int32(h.written), Example: short(h.example)})
	}
	slices.SortFunc(all, func(a, b v1alpha1.ReportHold) int {
		return cmp.Or(cmp.Compare(b.Now, a.Now), cmp.Compare(b.WrittenDown, a.WrittenDown), cmp.Compare(a.Guard, b.Guard))
	})
	return all[:min(len(all), b.options.Top)]
}

// reaction gathers how long growth took.
type reaction struct{ decision, effect []int64 }

func (b *Builder) reaction(source string) *reaction {
	if b.reactions[source] == nil {
		b.reactions[source] = &reaction{}
	}
	return b.reactions[source]
}

func (r *reaction) take(s *v1alpha1.ScalingRecordStatus) {
	if ms := s.SignalToDecisionMilliseconds; ms != nil {
		r.decision = append(r.decision, *ms)
	}
	if ms := s.SignalToEffectMilliseconds; ms != nil {
		r.effect = append(r.effect, *ms)
	}
}

func (b *Builder) reactionsFound() (all []v1alpha1.ReportReaction) {
	for _, source := range slices.Sorted(maps.Keys(b.reactions)) {
		r := b.reactions[source]
		all = append(all, v1alpha1.ReportReaction{Source: short(source), ToDecision: timesOf(r.decision), ToEffect: timesOf(r.effect)})
	}
	return all[:min(len(all), b.options.Top)]
}

// timesOf are percentiles of the nearest rank: each is a time that was measured.
func timesOf(ms []int64) v1alpha1.ReportTimes {
	if len(ms) == 0 {
		return v1alpha1.ReportTimes{}
	}
	ms = slices.Sorted(slices.Values(ms))
	rank := func(percent int) int64 { return ms[(len(ms)*percent+99)/100-1] }
	return v1alpha1.ReportTimes{Count: int32(len(ms)), P50: rank(50), P99: rank(99)}
}
