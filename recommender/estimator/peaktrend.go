package estimator

import (
	"github.com/metapilot/metapilot/recommender/model"
)

const (
	// ahead is how many slots of growth are allowed for: three hours, in which somebody may look. Six cost a third more of slack and save no more.
	ahead = 36
	// seen is over how many slots growth is measured.
	seen = 72
	// twoDays of coarse peaks, so that what comes once a day is in it.
	twoDays = 16
)

// PeakTrend recommends the peak of two days and what it will have grown by, for what leaks or is being filled.
func PeakTrend(c *model.Container, r model.Resource) Recommendation {
	u := c.Usage(r)
	if u.Samples() == 0 {
		return abstain(nothingSeen)
	}
	var room [twoDays]float64
	peak := max(u.Peak(model.Day), highest(u.Weekly(twoDays, room[:0])))
	target, reason := peak*spare[r], "the peak of two days"
	if grown := growth(u, r); grown > target {
		target, reason = grown, "the peak of the last hour, and the growth of three hours"
	}
	return atLeastNow(c, r, target, reason)
}

// growth is what usage of memory comes to if it goes on as it did, at most twice of what it is; 0 if it does not grow by a twentieth in the time, and
// for CPU, which is there when it is needed.
func growth(u *model.Usage, r model.Resource) float64 {
	if r != model.Memory {
		return 0
	}
	now := u.Peak(quick)
	more := max(u.Trend(seen), u.Trend(quick)) * ahead
	if more < now/20 {
		return 0
	}
	return min(now+more, 2*now) * spare[model.Memory]
}

func highest(peaks []float64) (most float64) {
	for _, p := range peaks {
		most = max(most, p)
	}
	return most
}
