package estimator

import "github.com/metapilot/metapilot/recommender/model"

const (
	// cpuHeadroom is the percentile of CPU. KRR takes the 95th; a request that follows it has to be changed twice as often as one by the 97th.
	cpuHeadroom = 0.97
	// memoryHeadroom is what KRR adds to the peak of memory: 15 %.
	memoryHeadroom = 1.15
)

// Headroom recommends as KRR does: a percentile of CPU as it is, and the peak of memory of a week with a buffer.
func Headroom(c *model.Container, r model.Resource) Recommendation {
	u := c.Usage(r)
	if u.Samples() == 0 {
		return abstain(nothingSeen)
	}
	if r == model.CPU {
		return atLeastNow(c, r, u.Percentile(cpuHeadroom)*1000, "the 97th percentile of CPU")
	}
	var room [model.Week]float64
	return atLeastNow(c, r, highest(u.Weekly(model.Week, room[:0]))*memoryHeadroom, "the peak of a week, and 15%")
}
