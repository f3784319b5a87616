package estimator

import (
	"fmt"
	"time"

	"github.com/metapilot/metapilot/scaler/model"
)

// OOM proposes a multiple of what was too little. Its base is the limit at which the kill happened, or the most that was seen to be used, and the
// factor grows with every limit that was not enough within the policy's time: from 237 MiB with factors of 1.5, 3 and 4 it takes two kills to
// 1 GiB, three to 4 GiB, four to 16 GiB, where VPA's 1.2 takes 4, 8 and 12 (Autopilot's sticky floor and VPA's formula were looked at).
//
// A kill at a lower limit than the one that is decided is no evidence against the decided one, so deciding twice about a kill changes nothing.
func OOM(o *model.Observed, p *model.Policy) model.Proposal {
	switch {
	case !p.OOM:
		return abstain(model.Memory, "its source is switched off")
	case len(o.Kills) == 0:
		return abstain(model.Memory, "no OOM kill is known")
	}
	limit := o.Size.Limits.Memory
	if limit == 0 {
		return abstain(model.Memory, "the container has no memory limit, so another one would not help")
	}
	at := newest(o.Kills, limit)
	if at < 0 {
		return abstain(model.Memory, "no container was killed at the decided limit")
	}
	last := o.Kills[at]
	if o.Now.Sub(last.At) > p.RepeatWithin {
		return abstain(model.Memory, "the last OOM kill is too long ago")
	}
	base := max(last.Limit, peak(o.Pods, model.Memory))
	level := escalations(o.Kills[:at+1], p.RepeatWithin)
	factor := p.Factors[min(level, len(p.Factors))-1]
	return model.Proposal{
		Resource: model.Memory, Value: base / 100 * factor, Proven: base, Urgent: true, Source: "oom", Signal: last.At, Pod: last.Pod,
		Says: fmt.Sprintf("%s was OOM-killed at %s (kill %d of the row): %d%% of %s",
			last.Pod, model.Short(model.Memory, last.Limit), level, factor, model.Short(model.Memory, base)),
	}
}

// newest is where the last kill at the decided limit or above it is; negative if there is none.
func newest(kills []model.Kill, limit int64) int {
	for i := len(kills) - 1; i >= 0; i-- {
		if kills[i].Limit >= limit {
			return i
		}
	}
	return -1
}

// escalations counts the limits that were not enough, back from the last kill: several members killed at one limit are one. How far two limits
// are apart is told by the first kill at the newer one.
func escalations(kills []model.Kill, within time.Duration) int {
	last := kills[len(kills)-1]
	level, above, before := 1, last.Limit, last.At
	for i := len(kills) - 2; i >= 0; i-- {
		switch k := kills[i]; {
		case k.Limit == above && before.Sub(k.At) <= within:
			before = k.At
		case k.Limit < above && before.Sub(k.At) <= within:
			level, above, before = level+1, k.Limit, k.At
		}
	}
	return level
}

// peak is the most that any of the pods was seen to use.
func peak(pods []model.Pod, r model.Resource) (most int64) {
	for i := range pods {
		for j := range pods[i].Usage {
			most = max(most, amount(pods[i].Usage[j], r))
		}
	}
	return most
}
