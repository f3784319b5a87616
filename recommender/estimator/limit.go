package estimator

import (
	"cmp"
	"fmt"
	"math"
	"time"

	"github.com/metapilot/metapilot/recommender/model"
)

// Bounds are what a policy says about one resource of one container, in thousandths of a core or bytes; zero for none.
type Bounds struct{ Min, Max float64 }

// Published is what was recommended before.
type Published struct {
	Target float64 // 0 if nothing was
	Doubt  string  // why nothing may be recommended that is less; empty if it may
}

// Limited is a recommendation that may be published.
type Limited struct {
	Recommendation
	Uncapped float64 // what the target would be without Bounds.Max; a cap that is not known to be one would look like enough
	Usual    float64 // what the target would be if nothing had been killed; 0 if that is not known
	Why      []string
}

const (
	// young is up to how much history nothing is decreased.
	young = 24 * time.Hour
	// silent is after how long without a sample nothing is said of the time of the day.
	silent = 10 * time.Minute
	// mostGaps is the share of gaps from which nothing is decreased.
	mostGaps = 0.2
	// cpuUnit and memoryUnit are what amounts are rounded up to: a thousandth of a core, a MiB.
	cpuUnit, memoryUnit = 1, 1 << 20
)

// Limit makes of a recommendation what may be published: at least what kills have taught, no decrease for want of data, within bounds, in round
// numbers.
func Limit(c *model.Container, r model.Resource, now time.Time, before Published, b Bounds, got Recommendation) Limited {
	l := Limited{Recommendation: got, Usual: b.cap(r, got.Target)}
	if got.Target == 0 {
		l.Usual = 0
	}
	if l.Target < got.Later && now.Unix()-c.Usage(r).End() > int64(silent/time.Second) {
		l.raise(got.Later, "nothing was seen for ten minutes, and the low of the day may be over")
	}
	if floor := c.Floor().Need; r == model.Memory && l.Target < floor {
		l.raise(floor, fmt.Sprintf("not below what %d OOM kills have taught", c.Floor().Kills))
	}
	if why := cmp.Or(before.Doubt, unsure(c.Usage(r), now)); l.Target < before.Target && why != "" {
		l.raise(before.Target, "not decreased: "+why)
		l.Usual = 0
	}
	if l.Target == 0 {
		return l
	}
	l.Target = max(l.Target, b.Min)
	l.Uncapped = round(r, l.Target)
	if b.Max > 0 && l.Target > b.Max {
		l.Why = append(l.Why, "capped by policy")
	}
	l.Target, l.Lower, l.Upper = b.cap(r, l.Target), b.cap(r, l.Lower), b.cap(r, l.Upper)
	return l
}

func (l *Limited) raise(target float64, why string) {
	l.Target, l.Lower, l.Upper = target, max(l.Lower, target*0.9), max(l.Upper, target*1.2)
	l.Why = append(l.Why, why)
}

// Proportion is how much memory there has to be for each core, in bytes; zero for no bound.
type Proportion struct{ Min, Max float64 }

// Keep brings CPU and memory into proportion. It raises what is too low of the two, within its bounds, and lowers nothing.
func (p Proportion) Keep(cpu, memory *Limited, cpuBounds, memoryBounds Bounds) {
	if cpu.Target == 0 || memory.Target == 0 {
		return
	}
	cores := cpu.Target / 1000
	if least := p.Min * cores; memory.Target < least {
		memory.lift(model.Memory, least, memoryBounds, "in proportion to CPU")
	}
	if p.Max > 0 && memory.Target > p.Max*cores {
		cpu.lift(model.CPU, memory.Target/p.Max*1000, cpuBounds, "in proportion to memory")
	}
}

// lift raises a target within its bounds.
func (l *Limited) lift(r model.Resource, target float64, b Bounds, why string) {
	l.raise(target, why)
	l.Usual = 0
	l.Uncapped = max(l.Uncapped, round(r, target))
	l.Target, l.Lower, l.Upper = b.cap(r, l.Target), b.cap(r, l.Lower), b.cap(r, l.Upper)
}

// unsure is why the history is not good enough for a decrease; empty if it is.
func unsure(u *model.Usage, now time.Time) string {
	switch gaps := u.Gaps(now); {
	case u.Samples() == 0:
		return nothingSeen
	case u.Span() < young:
		return "less than 24 hours are known"
	case gaps > mostGaps:
		return fmt.Sprintf("%.0f%% of the last 24 hours were not seen", gaps*100)
	}
	return ""
}

// cap keeps an amount within the bounds. It is rounded up, but never above the highest that is allowed.
func (b Bounds) cap(r model.Resource, amount float64) float64 {
	amount = round(r, max(amount, b.Min))
	if b.Max > 0 {
		return min(amount, b.Max)
	}
	return amount
}

func round(r model.Resource, amount float64) float64 {
	unit := float64(cpuUnit)
	if r == model.Memory {
		unit = memoryUnit
	}
	return math.Ceil(amount/unit-1e-9) * unit
}
