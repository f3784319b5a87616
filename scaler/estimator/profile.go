package estimator

import (
	"fmt"
	"time"

	"github.com/metapilot/metapilot/scaler/model"
)

// CPUProfile proposes the request that the component's WorkloadProfile recommends. It alone, and its like for memory, proposes less than there is: the
// highest recommendation of a whole window, in which never more than a small share of the size was needed.
func CPUProfile(o *model.Observed, p *model.Policy) model.Proposal {
	return byProfile(o, p, model.CPU, p.CPU, p.CPUTarget)
}

// MemoryProfile does so for the memory limit: what is recommended of memory has to be there.
func MemoryProfile(o *model.Observed, p *model.Policy) model.Proposal {
	return byProfile(o, p, model.Memory, p.Memory, p.MemoryTarget)
}

func byProfile(o *model.Observed, p *model.Policy, r model.Resource, source model.Utilization, target int64) model.Proposal {
	have, known := o.Size.Steered(r), o.Profile.Of(r)
	switch {
	case !p.Profile:
		return abstain(r, "it is switched off")
	case have == 0:
		return abstain(r, "the container has neither request nor limit of it")
	case o.Profile.Unknown != "":
		return abstain(r, o.Profile.Unknown)
	case known.Target == 0:
		return abstain(r, nothing(o, r))
	case known.Target > have && o.Now.Sub(known.Since) < starting:
		return abstain(r, fmt.Sprintf("WorkloadProfile %s knows it for less than %s, and programs that start use more than they need", o.Profile.Name, starting))
	case known.Target > have && o.Profile.Doubt(o.Now) == "":
		return model.Proposal{
			Resource: r, Value: known.Target, Proven: peak(o.Pods, r), Source: "profile", Signal: o.Profile.LastSample,
			Says: fmt.Sprintf("WorkloadProfile %s recommends %s, and it has %s", o.Profile.Name, model.Short(r, known.Target), model.Short(r, have)),
		}
	}
	return less(o, p, r, source, target)
}

// starting is until when a profile is not asked for more: kills and utilisation are answered all the same.
const starting = time.Hour

// less proposes less when the spell has lasted for the window, or says why not.
func less(o *model.Observed, p *model.Policy, r model.Resource, source model.Utilization, target int64) model.Proposal {
	spell, have := NextIdle(o, p, r), o.Size.Steered(r)
	since := spell.Since.UTC().Format(time.DateTime)
	switch why := Blind(o); {
	case spell.Since.IsZero() && why != "":
		return abstain(r, why)
	case spell.Since.IsZero() && p.Probe && o.Probe.Failing:
		return abstain(r, o.Probe.Doubt())
	case spell.Since.IsZero():
		return abstain(r, busy(o, p, r))
	case o.Now.Sub(spell.Since) < p.DownWindow:
		return abstain(r, fmt.Sprintf("less than %d%% of it is needed since %s, and it shrinks when that was so for %s", p.Below, since, p.DownWindow))
	}
	value := max(spell.Highest, roomy(o, p, r, source, target))
	if value >= have {
		return abstain(r, "not less than it has is needed")
	}
	return model.Proposal{
		Resource: r, Value: value, Proven: spell.Highest, Less: true, Source: "profile",
		Says: fmt.Sprintf("by WorkloadProfile %s at most %s is needed since %s, %d%% of %s", o.Profile.Name, model.Short(r, spell.Highest), since,
			spell.Highest*100/have, model.Short(r, have)),
	}
}

// roomy is the least size for what is used and will be soon, and was not killed a moment ago: with less, the sources would call for more, and what was
// taken would come back at once.
func roomy(o *model.Observed, p *model.Policy, r model.Resource, source model.Utilization, target int64) int64 {
	used := peak(o.Pods, r)
	least := max(used*model.Spare/100, used*100/target)
	for _, k := range o.Kills {
		if r == model.Memory && o.Now.Sub(k.At) <= p.RepeatWithin {
			least = max(least, k.Limit+1)
		}
	}
	if !source.Enabled {
		return least
	}
	least = max(least, used*100/source.Above+1)
	if source.Projection > 0 {
		for i := range o.Pods {
			if usage := o.Pods[i].Usage; len(usage) > 0 {
				least = max(least, project(usage, source.Projection))
			}
		}
	}
	return least
}
