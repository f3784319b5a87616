package report

import (
	"cmp"
	"math"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler/model"
	"github.com/metapilot/metapilot/scaler/plan"
)

// line sums up some components.
type line struct {
	name                                        string
	seen                                        map[*tenant]bool
	components                                  int
	requested                                   model.Size
	done, would, held                           change
	regrets, escalated, degraded, failed, kills int
}

func newLine(name string) *line { return &line{name: name, seen: map[*tenant]bool{}} }

func (l *line) count(p *part) {
	l.seen[p.tenant] = true
	if p.component != "" {
		l.components++
	}
}

func (l *line) api() v1alpha1.ReportLine {
	return v1alpha1.ReportLine{
		Name: short(l.name), Tenants: int32(len(l.seen)), Components: int32(l.components), Requested: plan.InAPI(l.requested),
		Done: l.done.api(), Would: l.would.api(), Held: l.held.api(),
		Regrets: int32(l.regrets), Escalated: int32(l.escalated), Degraded: int32(l.degraded), Failed: int32(l.failed), OOMKills: int32(l.kills),
	}
}

// largest changes come first, and what has none by its name.
func largest(a, b *line) int {
	return cmp.Or(cmp.Compare(b.moves(), a.moves()), cmp.Compare(a.name, b.name))
}

// moves is how much is moved, in cores.
func (l *line) moves() float64 {
	sum := 0.0
	for _, c := range [...]*change{&l.done, &l.would, &l.held} {
		sum += worth(c.added) + worth(c.saved)
	}
	return sum
}

// gibPerCore is how much memory the general-purpose machines of the large clouds have for each core: it makes one order of both.
const gibPerCore = 4

// worth is what a size requests, in cores. Limits cost nobody anything, and only order what is equal.
func worth(s model.Size) float64 {
	inCores := func(a model.Amounts) float64 { return float64(a.CPU)/1000 + float64(a.Memory)/(gibPerCore<<30) }
	return inCores(s.Requests) + inCores(s.Limits)/1e6
}

// change sums up changes.
type change struct {
	up, down, restarts int
	added, saved       model.Size
}

func (c *change) add(o change) {
	c.up, c.down, c.restarts = c.up+o.up, c.down+o.down, c.restarts+o.restarts
	c.added, c.saved = plus(c.added, o.added, 1), plus(c.saved, o.saved, 1)
}

// differ takes what is between two sizes of so many pods.
func (c *change) differ(from, to model.Size, pods int64) {
	had, gets := amounts(&from), amounts(&to)
	added, saved := amounts(&c.added), amounts(&c.saved)
	for i := range had {
		switch {
		case *had[i] == 0 || *gets[i] == 0:
		case *gets[i] > *had[i]:
			*added[i] = times(*gets[i]-*had[i], pods)
		default:
			*saved[i] = times(*had[i]-*gets[i], pods)
		}
	}
}

func (c *change) api() v1alpha1.ReportChange {
	return v1alpha1.ReportChange{
		Changes: int32(c.up + c.down + c.restarts), Up: int32(c.up), Down: int32(c.down), Restarts: int32(c.restarts), Added: plan.InAPI(c.added), Saved: plan.InAPI(c.saved),
	}
}

func grows(from, to model.Size) bool {
	return to.Steered(model.CPU) > from.Steered(model.CPU) || to.Steered(model.Memory) > from.Steered(model.Memory)
}

func shrinks(from, to model.Size) bool {
	return to.Steered(model.CPU) < from.Steered(model.CPU) || to.Steered(model.Memory) < from.Steered(model.Memory)
}

func amounts(s *model.Size) [4]*int64 {
	return [...]*int64{&s.Requests.CPU, &s.Requests.Memory, &s.Limits.CPU, &s.Limits.Memory}
}

func plus(sum, one model.Size, pods int64) model.Size {
	into, more := amounts(&sum), amounts(&one)
	for i := range into {
		if add := times(*more[i], pods); *into[i] > math.MaxInt64-add {
			*into[i] = math.MaxInt64
		} else {
			*into[i] += add
		}
	}
	return sum
}

// times stays at the largest number: somebody has written a size that no machine has.
func times(amount, n int64) int64 {
	if n > 0 && amount > math.MaxInt64/n {
		return math.MaxInt64
	}
	return amount * n
}

// longest text that a report takes from objects, in bytes, so that a report of any fleet fits into an object.
const longest = 200

func short(text string) string {
	if len(text) <= longest {
		return text
	}
	end := longest
	for end > 0 && text[end]&0xC0 == 0x80 { // within a character
		end--
	}
	return text[:end] + "..."
}
