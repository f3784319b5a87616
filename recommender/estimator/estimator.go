package estimator

import (
	"slices"

	"github.com/metapilot/metapilot/recommender/model"
)

// Algorithm recommends an amount of one resource.
type Algorithm struct {
	Name      string
	Recommend func(*model.Container, model.Resource) Recommendation
}

// Recommendation is an amount in thousandths of a core or bytes, and between which bounds it need not be followed. Zero abstains.
type Recommendation struct {
	Target, Lower, Upper float64
	Later                float64 // the target once the low of the day is over; 0 if it is not for a part of the day alone
	Reason               string  // in a person's words, also when it abstains
}

// All algorithms that auto chooses from, in the order in which they are shown and in which a container keeps their scores. Where two do equally
// well the first one stays.
var All = [model.Candidates]Algorithm{
	{"peak-trend", PeakTrend},
	{"window", Window},
	{"seasonal", Seasonal},
	{"headroom", Headroom},
	{"vpa", VPA},
}

// Named finds an algorithm; auto is one, too.
func Named(name string) (Algorithm, bool) {
	for _, a := range All {
		if a.Name == name {
			return a, true
		}
	}
	return Algorithm{"auto", Auto}, name == "auto"
}

// Names of all algorithms, auto first.
func Names() []string {
	names := []string{"auto"}
	for _, a := range All {
		names = append(names, a.Name)
	}
	return names
}

func abstain(why string) Recommendation { return Recommendation{Reason: why} }

const nothingSeen = "nothing was seen yet"

// spare is how much more than a peak is recommended. Memory that is missing is a kill, so a fifth: what grows by a tenth in a minute is raised before
// it is killed. CPU that is missing is waited for, and on traces of services four hundredths do better than a tenth in slack and no worse in what
// exceeds (VPA adds 15 %, Autopilot 10 to 15 %, both to percentiles below the peak).
var spare = [model.Resources]float64{1.04, 1.2}

// quick is for how many slots each algorithm but vpa keeps a new peak: an hour, as Autopilot takes the maximum of an hour's outputs.
const quick = 12

// around gives a target bounds: below 90 % of it a size is too small, above a fifth more it is wasteful.
func around(target float64, reason string) Recommendation {
	return Recommendation{Target: target, Lower: target * 0.9, Upper: target * 1.2, Reason: reason}
}

// atLeastNow keeps a target above what is used now, so that no algorithm needs history to follow a step. Of CPU that is what lasts, or comes again
// within the hour: following every single peak would change a request many times a day and come too late each time.
func atLeastNow(c *model.Container, r model.Resource, target float64, reason string) Recommendation {
	u := c.Usage(r)
	peak := u.Peak(quick)
	if r == model.CPU {
		var room [quick]float64
		peak = max(c.Lasting(), again(u.Recent(quick, room[:0])))
	}
	if peak *= nowSpare; peak > target {
		return around(peak, "what was used in the last hour, and 5%")
	}
	return around(target, reason)
}

// again is the amount that was reached in several slots; it sorts the peaks.
func again(peaks []float64) float64 {
	slices.Sort(peaks)
	return peaks[len(peaks)-several]
}

const (
	// several is in how many slots of the hour an amount has to be reached: two that are alike are still chance where one sample in ten is high.
	several = 3
	// nowSpare is the margin on top of what is used now. It is small, for it is only held until history says more.
	nowSpare = 1.05
)
