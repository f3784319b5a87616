package estimator

import (
	"github.com/metapilot/metapilot/recommender/model"
)

const (
	// aday is the number of coarse peaks in a day.
	aday = 8
	// enough is how many days have to be known before a season is.
	enough = 2
	// remembered is of how many days the peak is kept.
	remembered = 3
	// settled is in how many slots little has to have been used before the low of the day is taken for begun: an hour and a quarter, for the days do
	// not end alike.
	settled = 15
	// lead is how many slots before yesterday's low was over the peak is recommended again: half an hour.
	lead = 6
	// worthwhile is how many slots of an idle peak a low has to save: twice of what two changes cost.
	worthwhile = 4 * changeCost
)

// seasonSpare is the margin. The peak of three days, held through all of the day, needs none of CPU.
var seasonSpare = [model.Resources]float64{1, spare[model.Memory]}

// lows are the shares of the peak among which the one is looked for below which the low of the day saves most.
var lows = [...]float64{0.6, 0.5, 0.4, 0.3, 0.2}

// Seasonal recommends the peak of the last days, and in the low of the day the most CPU that was used in it. Two sizes a day save most of what
// following every hour does, and each change of size is a risk. Memory is not lowered by the hour: where it comes late, something is killed.
func Seasonal(c *model.Container, r model.Resource) Recommendation {
	u := c.Usage(r)
	if u.Span().Hours() < 24*enough {
		return abstain("a season is known after two days")
	}
	var room [model.Week]float64
	peak := highest(u.Weekly(remembered*aday+1, room[:0]))
	all := atLeastNow(c, r, peak*seasonSpare[r], "the peak of three days")
	if r == model.Memory {
		return all
	}
	most := low(u, peak)
	if most == 0 {
		return all
	}
	now := atLeastNow(c, r, most*seasonSpare[r], "the most that is used in this part of the day")
	now.Later = all.Target
	return now
}

// low is the most that was used in the low of the day that is now, of those worth two changes the one that saves most; 0 if there is none.
func low(u *model.Usage, peak float64) (most float64) {
	var room [model.Day]float64
	day := u.Recent(model.Day, room[:0])
	best := float64(worthwhile)
	for _, share := range lows {
		now, ok := lowAround(day, share*peak)
		if saved := now.saves(peak); ok && saved > best {
			most, best = now.most, saved
		}
	}
	return most
}

// part of a day in which little was used.
type part struct {
	slots     int
	most, sum float64
}

func (p *part) add(used float64) { p.slots, p.most, p.sum = p.slots+1, max(p.most, used), p.sum+used }

// saves is what a request of its own would save, in slots of an idle peak: not of those in which the low is not yet or no longer taken for one.
func (p part) saves(peak float64) float64 {
	if p.most == 0 {
		return 0
	}
	return p.sum * (1/p.most - 1/peak) * float64(p.slots-settled-lead) / float64(p.slots)
}

// lowAround is the part of the day below a level that is now, by what was used until now, and what followed yesterday at this time. It has to have begun
// and to go on, and some of the day has to be above. What was not seen yesterday may have been high; that it was low is seen by what is seen now.
func lowAround(day []float64, level float64) (now part, ok bool) {
	end, begin := 0, len(day)
	for end < len(day) && day[end] >= 0 && day[end] <= level {
		now.add(day[end])
		end++
	}
	ahead := now.slots
	for begin > end && day[begin-1] <= level {
		if begin--; day[begin] >= 0 {
			now.add(day[begin])
		}
	}
	return now, ahead >= lead && now.slots-ahead >= settled && begin > end
}
