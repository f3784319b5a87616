package estimator

import (
	"fmt"
	"slices"

	"github.com/metapilot/metapilot/recommender/model"
)

const (
	// aday is the number of coarse peaks in a day.
	aday = 8
	// enough is how many days have to be known before a season is.
	enough = 2
	// remembered is of how many days the peak is kept.
	remembered = 3
	// settled is for how many slots little has to have been used before the low of the day is taken for begun: an hour and a half, for the days do not
	// end alike.
	settled = 18
	// shortest is for how many slots a low has to last: four hours.
	shortest = 48
	// worthwhile is how many slots of an idle peak a low has to save: twice of what two changes cost.
	worthwhile = 4 * changeCost
)

// lead is how many slots before yesterday's low was over the peak is recommended again: half an hour. Memory that comes late is a kill: three hours.
var lead = [model.Resources]int{6, 36}

// seasonSpare is the margin. The peak of three days, held through all of the day, needs none of CPU.
var seasonSpare = [model.Resources]float64{1, spare[model.Memory]}

// lows are the shares of the peak among which the one is looked for below which the low of a day saves most, the largest first.
var lows = [...]float64{0.6, 0.5, 0.4, 0.3, 0.2}

// Seasonal recommends the peak of the last days, and in the low of the day the most that was used in it. Two sizes a day save most of what following
// every hour does, and each change of size is a risk.
func Seasonal(c *model.Container, r model.Resource) Recommendation {
	u := c.Usage(r)
	if u.Span().Hours() < 24*enough {
		return abstain("a season is known after two days")
	}
	var room [model.Week]float64
	peak := highest(u.Weekly(remembered*aday+1, room[:0]))
	if most, ok := low(u, r, peak); ok {
		return atLeastNow(c, r, most*seasonSpare[r], fmt.Sprintf("the most in this part of the day, %.0f%% of the peak of three days", 100*most/peak))
	}
	return atLeastNow(c, r, peak*seasonSpare[r], "the peak of three days")
}

// low is the most that was used in the low of the last day, if it has begun and goes on.
func low(u *model.Usage, r model.Resource, peak float64) (float64, bool) {
	var room [model.Day]float64
	day := u.Recent(model.Day, room[:0])
	now := max(worst(day[:lead[r]], peak), worst(day[model.Day-settled:], peak))
	if now > lows[0]*peak {
		return 0, false
	}
	best, saved := run{}, float64(worthwhile)
	for _, share := range lows {
		if one := longest(day, share*peak, peak); one.saves(peak) > saved {
			best, saved = one, one.saves(peak)
		}
	}
	return best.most, best.slots > 0 && now <= best.most
}

// worst is the highest amount; a gap may have been as high as the peak.
func worst(used []float64, peak float64) (most float64) {
	for _, one := range used {
		if one < 0 {
			return peak
		}
		most = max(most, one)
	}
	return most
}

// run is a part of the day.
type run struct {
	slots     int
	most, sum float64
}

// saves is what a request of its own would save, in slots of an idle peak.
func (r run) saves(peak float64) float64 {
	if r.slots < shortest || r.most == 0 {
		return 0
	}
	return r.sum * (1/r.most - 1/peak)
}

// longest finds the run below a level that saves most, in a day that was above it at some time. The day is taken for a circle: what follows now is
// what followed yesterday. A gap ends a run.
func longest(day []float64, level, peak float64) (best run) {
	start := slices.IndexFunc(day, func(used float64) bool { return used > level }) // without one, no run ends, and there is none
	var now run
	for i := range day {
		at := start + 1 + i
		if at >= len(day) {
			at -= len(day)
		}
		if used := day[at]; used >= 0 && used <= level {
			now.slots, now.sum, now.most = now.slots+1, now.sum+used, max(now.most, used)
			continue
		}
		if now.slots >= shortest && now.saves(peak) > best.saves(peak) {
			best = now
		}
		now = run{}
	}
	return best
}
