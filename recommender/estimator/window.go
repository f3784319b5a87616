package estimator

import (
	"slices"

	"github.com/metapilot/metapilot/recommender/model"
)

// covered is the share of a day's slots of CPU that the window covers: Autopilot takes the 95th percentile for services, of samples; of peaks of five
// minutes 99 % is about as much. Memory is covered in full, for it cannot be had late.
const covered = 0.99

// Window recommends statistics of a moving window of a day, as in Google's Autopilot: a high percentile of the peaks of CPU, the highest of memory.
func Window(c *model.Container, r model.Resource) Recommendation {
	u := c.Usage(r)
	if u.Samples() == 0 {
		return abstain(nothingSeen)
	}
	if r == model.Memory {
		return atLeastNow(c, r, u.Peak(model.Day)*spare[r], "the peak of 24 hours")
	}
	var room [model.Day]float64
	return atLeastNow(c, r, quantile(u.Recent(model.Day, room[:0]), covered)*spare[r], "99% of the peaks of 24 hours")
}

// quantile of what was seen; it sorts the peaks.
func quantile(peaks []float64, share float64) float64 {
	slices.Sort(peaks)
	seen, _ := slices.BinarySearch(peaks, 0)
	if peaks = peaks[seen:]; len(peaks) == 0 {
		return 0
	}
	return peaks[min(len(peaks)-1, int(share*float64(len(peaks))))]
}
