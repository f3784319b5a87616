package fleet

import (
	"fmt"
	"slices"
	"time"

	"github.com/metapilot/metapilot/scaler/model"
)

// Place is a candidate in its order, and whether its turn has come.
type Place struct {
	Candidate
	Turn    model.Turn
	At      time.Time // when its turn comes at the earliest, to the second; zero if that is not known
	Number  int       // in its queue, from 1
	Of      int       // so many are in it
	Stopped bool
}

// Schedule is what may be done now, and what comes after it.
type Schedule struct {
	Places []Place // in their order
	Stops  []Stop  // of the fleet first, then of groups by name
	Next   time.Time
}

// Stop says that nothing shrinks, in the whole fleet or in a group.
type Stop struct {
	Fleet bool
	Group string
	Says  string
	Since time.Time // when the step that was too much was taken back
	Until time.Time
}

// About is whom it stops.
func (s *Stop) About() string { return about(s.Group, s.Fleet) }

func about(group string, all bool) string {
	switch {
	case all:
		return "the fleet"
	case group == "":
		return "the tenants without a group"
	}
	return "group " + group
}

// Plan orders all candidates. Dry runs stand behind what is really made smaller and behind each other as if they were made, and keep nobody else waiting,
// so that they tell what would be.
func Plan(now time.Time, p *Policy, past *Past, candidates []Candidate) Schedule {
	s := Schedule{Stops: stops(now, p, past.Regrets)}
	all := make([]*Candidate, len(candidates))
	for i := range candidates {
		all[i] = &candidates[i]
	}
	slices.SortFunc(all, before(now))
	inEarnest := slices.DeleteFunc(slices.Clone(all), func(c *Candidate) bool { return c.DryRun })
	made := newQueue(now, p, past.Downs, s.Stops).admit(inEarnest)
	if len(inEarnest) < len(all) {
		dry := newQueue(now, p, slices.Concat(past.Downs, past.Dry), s.Stops).admit(all)
		for i := range dry {
			if !dry[i].DryRun {
				dry[i], made = made[0], made[1:]
			}
		}
		made = dry
	}
	s.Places, s.Next = made, next(now, made, s.Stops)
	return s
}

// next is when something is different without anybody's doing; zero for never.
func next(now time.Time, places []Place, stops []Stop) (at time.Time) {
	sooner := func(t time.Time) {
		if t.After(now) && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	for i := range places {
		sooner(places[i].At)
	}
	for i := range stops {
		sooner(stops[i].Until)
	}
	return at
}

// stops are in force where more steps were taken back than the budget allows. For the fleet a group counts no more than its own budget, and one at
// least: beyond that its trouble is its own.
func stops(now time.Time, p *Policy, regrets []Event) []Stop {
	var found []Stop
	var fleet []time.Time
	for _, group := range groupsOf(regrets) {
		times := timesOf(regrets, group, false)
		budget, grouped := p.Of(group)
		if grouped {
			found = append(found, budget.Regrets.stop(times, now, Stop{Group: group})...)
			times = times[len(times)-min(len(times), max(budget.Regrets.Count, 1)):]
		}
		fleet = append(fleet, times...)
	}
	slices.SortFunc(fleet, time.Time.Compare)
	return append(p.Fleet.Regrets.stop(fleet, now, Stop{Fleet: true}), found...)
}

// stop is in force if more is recent than the budget; none otherwise.
func (b Budget) stop(times []time.Time, now time.Time, s Stop) []Stop {
	recent := b.recent(times, now)
	over := len(recent) - b.Count
	if over <= 0 {
		return nil
	}
	s.Since, s.Until = recent[b.Count], recent[over-1].Add(b.Within)
	s.Says = fmt.Sprintf("nothing shrinks in %s: %s taken back within %s, and it may have %d", s.About(), counted(len(recent), "step down was", "steps down were"), b.Within, b.Count)
	return []Stop{s}
}

func groupsOf(events []Event) (names []string) {
	for _, e := range events {
		names = append(names, e.Group)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// queue is those who wait before the budgets of the fleet and of their groups.
type queue struct {
	now    time.Time
	policy *Policy
	stops  []Stop
	past   map[string][]time.Time
	fleet  *line
	groups map[string]*line
}

func newQueue(now time.Time, p *Policy, downs []Event, stops []Stop) *queue {
	q := &queue{now: now, policy: p, stops: stops, past: map[string][]time.Time{}, groups: map[string]*line{}}
	all := timesOf(downs, "", true)
	for _, e := range downs {
		q.past[e.Group] = append(q.past[e.Group], e.At)
	}
	q.fleet = newLine(p.Fleet.Downs, all, now)
	return q
}

// lines are those before the budgets that count for a group: the fleet's, and its own if there are groups.
func (q *queue) lines(group string) []*line {
	budget, grouped := q.policy.Of(group)
	if !grouped {
		return []*line{q.fleet}
	}
	if q.groups[group] == nil {
		times := slices.SortedFunc(slices.Values(q.past[group]), time.Time.Compare)
		q.groups[group] = newLine(budget.Downs, times, q.now)
	}
	return []*line{q.fleet, q.groups[group]}
}

// admit lets go who may, in their order, and tells the others when.
func (q *queue) admit(ordered []*Candidate) []Place {
	places := make([]Place, len(ordered))
	for i, c := range ordered {
		places[i] = Place{Candidate: *c, Number: i + 1, Of: len(ordered)}
		places[i].Turn, places[i].Stopped = q.letGo(c)
	}
	for i := range places {
		p := &places[i]
		if !p.Turn.Open && p.Turn.Says == "" {
			p.Turn = q.wait(p)
			if i > 0 && p.Number <= named {
				p.Turn.Says += ", after " + places[i-1].String()
			}
		}
		p.At, p.Turn.Until = p.Turn.Until, coarse(q.now, p.Turn.Until)
	}
	return places
}

// letGo says whether its turn has come, or why it is nobody's who waits in line. A turn without words is one to wait for.
func (q *queue) letGo(c *Candidate) (turn model.Turn, stopped bool) {
	if c.DryRun && c.Told {
		return model.Turn{Open: true}, false
	}
	for i := range q.stops {
		if s := &q.stops[i]; s.Fleet || s.Group == c.Group && q.policy.GroupBy != "" {
			return model.Turn{Says: s.Says, Until: s.Until}, true
		}
	}
	if again := c.Missed.Add(rested); !c.Missed.IsZero() && q.now.Before(again) {
		return model.Turn{Says: "it did not use its turn, and has another one later", Until: again}, false
	}
	lines := q.lines(c.Group)
	for _, l := range lines {
		if l.spent(q.now) != nil {
			return model.Turn{}, false
		}
	}
	for _, l := range lines {
		l.goes(q.now)
	}
	return model.Turn{Open: true}, false
}

// wait says when the turn comes, which budget that rests on, and how many come before.
func (q *queue) wait(p *Place) (turn model.Turn) {
	never := false
	for i, l := range q.lines(p.Group) {
		if b := l.spent(q.now); b != nil && turn.Says == "" {
			turn.Says = fmt.Sprintf("%s may have %s within %s", about(p.Group, i == 0), counted(b.Count, "step down", "steps down"), b.Within)
		}
		at := l.waits(q.now)
		never, turn.Until = never || at.IsZero(), latest(turn.Until, at)
	}
	if never {
		turn.Until = time.Time{}
	}
	roughly := ""
	if p.Of > named*named {
		roughly = "about "
	}
	turn.Says += fmt.Sprintf("; it is %s%s of %d", roughly, ordinal(rounded(p.Number)), rounded(p.Of))
	return turn
}

// named is up to which place the one before is told by name.
const named = 10

// coarse is a time that does not move whenever somebody before is late by some seconds, for each that waits writes it down. It is never too early.
func coarse(now, at time.Time) time.Time {
	grain := time.Hour
	switch left := at.Sub(now); {
	case at.IsZero() || left <= 10*time.Minute:
		return at
	case left <= 2*time.Hour:
		grain = 10 * time.Minute
	}
	return at.Add(grain - 1).Truncate(grain)
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprint(n, " ", many)
}

// rounded leaves two digits of a place: those behind move with each that goes, and who is told of that writes it down.
func rounded(n int) int {
	scale := 1
	for n/scale >= 100 {
		scale *= 10
	}
	return (n + scale - 1) / scale * scale
}

func ordinal(n int) string {
	end := "th"
	switch {
	case n%100 >= 11 && n%100 <= 13:
	case n%10 == 1:
		end = "st"
	case n%10 == 2:
		end = "nd"
	case n%10 == 3:
		end = "rd"
	}
	return fmt.Sprint(n, end)
}
