package estimator

import (
	"math"
	"time"

	"github.com/metapilot/metapilot/recommender/model"
)

const (
	// memory is for how many slots a score remembers: three days, so that a single bad hour does not choose.
	memory = 3 * model.Day
	// changeCost is what one change of a request costs, in requests left idle for a slot: half an hour, for sizes change in place.
	changeCost = 6
	// clearly is how much better another algorithm has to be to be followed. Most of what is idle no algorithm can give back, so a little is much.
	clearly = 0.97
	// patience is for how many slots it has to be.
	patience = 36
	// applied is by how much a recommendation has to differ to be carried out.
	applied = 0.1
)

// keep is what share of the held amount a lower target has to fall below before it is followed. CPU that is left idle is anybody's, and a tenth less
// of it today is a tenth more tomorrow: on traces of services two thirds halve the changes, for three points of slack at most.
var keep = [model.Resources]float64{0.65, 0.9}

// rest is for how many slots what was raised is not lowered: an hour of CPU, for a burst comes seldom alone.
var rest = [model.Resources]uint8{12, 0}

// Auto recommends what the algorithm recommends that has done best on this container. Call Learn first, once a pass.
func Auto(c *model.Container, r model.Resource) Recommendation {
	l, u := &c.Learned[r], c.Usage(r)
	if u.Samples() == 0 {
		return abstain(nothingSeen)
	}
	a := All[l.Chosen]
	got := a.Recommend(c, r)
	got.Reason = a.Name + " does best here: " + got.Reason
	if grown := growth(u, r); grown > got.Target { // what did best while nothing grew would be too late
		got = around(grown, "the peak of the last hour, and the growth of three hours")
	}
	later := got.Later
	got = atLeastNow(c, r, got.Target, got.Reason)
	switch held := float64(l.Held); {
	case got.Target >= held:
	case l.Raised < rest[r]:
		got = around(held, a.Name+" does best here: held, for more was needed within the hour")
	case got.Target > held*keep[r]:
		got = around(held, got.Reason)
	}
	got.Later = later
	return got
}

// Loss is what auto compares: what was left idle, what was lacking and what changes cost, in shares of the request.
func Loss(r model.Resource, s model.Score) float64 {
	return float64(s.Over + underCost[r]*s.Under + changeCost*s.Changes)
}

// underCost is what one slot with too little costs, in requests left idle for a slot. CPU: on traces of services the frontier of VPA with fast
// peaks gives up 10 to 20 points of slack for a point of exceedance. Memory: a kill.
var underCost = [model.Resources]float32{13, 200}

// Learn scores all algorithms on the slots that have passed since it was called last, and chooses.
func Learn(c *model.Container) {
	for r := range model.Resources {
		u, l := c.Usage(r), &c.Learned[r]
		if u.Samples() == 0 {
			continue
		}
		peaks := u.Recent(2, nil)
		if newest := uint8(u.Newest()); newest != l.Slot {
			l.Raised += min(newest-l.Slot, math.MaxUint8-l.Raised)
			l.Slot = newest
			learn(c, r, peaks)
		}
		hold(c, r)
	}
}

// hold remembers what is recommended, for a target that is only a little lower is not followed.
func hold(c *model.Container, r model.Resource) {
	l := &c.Learned[r]
	target := float32(Auto(c, r).Target)
	if target > l.Held {
		l.Raised = 0
	}
	l.Held = target
}

// learn scores the slot that has just begun by its first sample, and the one before by the rest of it, with what each algorithm held when that one
// began.
func learn(c *model.Container, r model.Resource, used []float64) {
	u, l := c.Usage(r), &c.Learned[r]
	known := u.Span() - 24*time.Hour
	cost := 1 / float32(perSlot(c, u))
	rate := float32(1 / min(memory, max(1, float64(known/model.Slot))))
	for i, a := range All {
		s := &l.Scores[i]
		if known >= 0 && s.Held > 0 {
			score(s, float32(used[0]), float32(used[1]), cost, rate)
		}
		target := float32(a.Recommend(c, r).Target)
		if s.Held == 0 && target > 0 {
			*s = l.Scores[l.Chosen] // one that joins late is taken to have done as well, not better
			s.Held = target
		}
		apply(s, r, target, rate)
	}
	if known >= 0 {
		choose(l, r)
	}
}

// score takes one slot into the moving means. A slot in which nothing was seen teaches nothing.
func score(s *model.Score, before, first, cost, rate float32) {
	under := float32(0)
	if max(before, first) > s.Held {
		under = cost
	}
	s.Under += (under - s.Under) * rate
	if before >= 0 {
		s.Over += (max(0, 1-before/s.Held) - s.Over) * rate
	}
	s.Changes -= s.Changes * rate
}

// perSlot is how many samples a slot has. Of those of a slot that exceeds, one is taken to.
func perSlot(c *model.Container, u *model.Usage) float64 {
	slots := float64(max(1, u.Span()/model.Slot) * time.Duration(max(1, c.Replicas())))
	return max(1, float64(u.Samples())/slots)
}

// apply carries a target out if it differs enough; it knows no rest.
func apply(s *model.Score, r model.Resource, target, rate float32) {
	up, down := float64(s.Held)*(1+applied), float64(s.Held)*min(1-applied, keep[r])
	if target <= 0 || float64(target) <= up && float64(target) >= down {
		return
	}
	s.Changes += rate
	s.Held = target
}

// choose follows the best one, once it has been clearly better for long enough.
func choose(l *model.Learned, r model.Resource) {
	best := l.Chosen
	for i := range All {
		if l.Scores[i].Held > 0 && Loss(r, l.Scores[i]) < Loss(r, l.Scores[best]) {
			best = uint8(i)
		}
	}
	switch {
	case best == l.Chosen || Loss(r, l.Scores[best]) > clearly*Loss(r, l.Scores[l.Chosen]):
		l.Slots = 0
	case l.Slots >= patience:
		l.Chosen, l.Slots = best, 0
	default:
		l.Slots++
	}
}
