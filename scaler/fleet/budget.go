package fleet

import (
	"slices"
	"time"
)

// Event is something that happened to a component of a group.
type Event struct {
	At    time.Time
	Group string
}

// Past is what has happened, in any order.
type Past struct {
	Downs   []Event // steps down that were made
	Dry     []Event // and those that would have been
	Regrets []Event // when a step down was taken back
}

// timesOf are when it happened to a group, or to all, oldest first.
func timesOf(events []Event, group string, all bool) []time.Time {
	var times []time.Time
	for _, e := range events {
		if all || e.Group == group {
			times = append(times, e.At)
		}
	}
	slices.SortFunc(times, time.Time.Compare)
	return times
}

// recent are the times that a budget still counts, of those that are ordered. What comes from a clock that is ahead counts, too.
func (b Budget) recent(times []time.Time, now time.Time) []time.Time {
	i, _ := slices.BinarySearchFunc(times, now.Add(-b.Within), func(at, old time.Time) int {
		if at.After(old) {
			return 1
		}
		return -1
	})
	return times[i:]
}

// Spent tells whether nothing more may happen now, and until when; until is zero for a budget of nothing.
func (b Budget) Spent(times []time.Time, now time.Time) (until time.Time, spent bool) {
	recent := b.recent(times, now)
	switch {
	case len(recent) < b.Count:
		return time.Time{}, false
	case b.Count <= 0:
		return time.Time{}, true
	}
	return recent[len(recent)-b.Count].Add(b.Within), true
}

// wave is how much of a budget may be used at once: a tenth in a tenth of the time, and two at least. So the first ones show whether it is right
// before the others follow.
func (b Budget) wave() Budget {
	return Budget{min(b.Count, max(2, (b.Count+9)/10)), b.Within / 10}
}

// line is a queue before one budget: how many may go now, and when the others may at the earliest.
type line struct {
	budgets []Budget
	times   []time.Time // of what has been, and then of those that go; ordered
	opens   []time.Time // of those that wait, in their order
}

// newLine takes what a clock that is ahead has told for now.
func newLine(b Budget, times []time.Time, now time.Time) *line {
	times = slices.Clone(times)
	for i := range times {
		if times[i].After(now) {
			times[i] = now
		}
	}
	return &line{budgets: []Budget{b, b.wave()}, times: times}
}

// spent is the budget that lets nobody go now, the whole before its part; nil if none does.
func (l *line) spent(now time.Time) *Budget {
	for i := range l.budgets {
		if _, spent := l.budgets[i].Spent(l.times, now); spent {
			return &l.budgets[i]
		}
	}
	return nil
}

// goes: somebody's turn has come.
func (l *line) goes(now time.Time) { l.times = append(l.times, now) }

// waits is when the next one may go at the earliest, if all before it go as soon as they may; zero for never.
func (l *line) waits(now time.Time) time.Time {
	at := now
	for _, b := range l.budgets {
		switch before := len(l.times) + len(l.opens) - b.Count; {
		case b.Count <= 0:
			return time.Time{}
		case before >= len(l.times):
			at = latest(at, l.opens[before-len(l.times)].Add(b.Within))
		case before >= 0:
			at = latest(at, l.times[before].Add(b.Within))
		}
	}
	l.opens = append(l.opens, at)
	return at
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
