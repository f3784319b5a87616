package model

import (
	"time"

	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/util"
)

const (
	// Slot is the time of one recent peak (Autopilot aggregates over five minutes, too).
	Slot = 5 * time.Minute
	// Day is how many slots are kept.
	Day = 288
	// Long is the time of one coarse peak: fine enough to tell night from day, coarse enough for a week in 56 bytes.
	Long = 3 * time.Hour
	// Week is how many coarse peaks are kept.
	Week = 56
)

// VPA's constants: pkg/recommender/model/aggregations_config.go of v1.7.3.
const (
	halfLife      = 24 * time.Hour
	cpuWeight     = 0.1
	memoryWeight  = 1.0
	epsilon       = 0.001 * cpuWeight
	bucketGrowth  = 1.05
	firstCPU      = 0.01 // cores
	lastCPU       = 1000
	firstMemory   = 1e7 // bytes
	lastMemory    = 1e12
	vpaPeakWindow = 24 * time.Hour
)

// The options are shared, because VPA's histograms of different options cannot be compared or merged.
var histogramOptions = [Resources]util.HistogramOptions{exponential(lastCPU, firstCPU), exponential(lastMemory, firstMemory)}

func exponential(last, first float64) util.HistogramOptions {
	o, err := util.NewExponentialHistogramOptions(last, first, bucketGrowth, epsilon)
	if err != nil {
		panic(err) // the constants above are wrong
	}
	return o
}

// Usage is what is known about one resource of a container.
type Usage struct {
	histogram  util.Histogram // as VPA has it: all samples of CPU in cores, daily peaks of memory in bytes, of all replicas alike
	recent     [Day]uint8     // of the replica that used most in the slot, and so is week
	week       [Week]uint8
	day, days  ring
	first, end uint32 // unix seconds of the first and of the last sample
	samples    uint32
}

func newUsage(r Resource) Usage {
	return Usage{histogram: util.NewDecayingHistogram(histogramOptions[r], halfLife)}
}

// see counts an amount into the rings.
func (u *Usage) see(at int64, amount float64) {
	if u.first == 0 || uint32(at) < u.first {
		u.first = uint32(at)
	}
	u.end = max(u.end, uint32(at))
	u.samples++
	if slot := slotOf(at, Slot); slot+Day > u.day.newest {
		u.day.add(u.recent[:], slot, amount)
	}
	if slot := slotOf(at, Long); slot+Week > u.days.newest {
		u.days.add(u.week[:], slot, amount)
	}
}

func slotOf(at int64, length time.Duration) uint32 { return uint32(at / int64(length/time.Second)) }

// Percentile of all samples, newer ones weighing more: in cores or bytes, as VPA's histogram has it; 0 if there is none.
func (u *Usage) Percentile(p float64) float64 { return u.histogram.Percentile(p) }

// Histogram in the form in which VPA keeps it.
func (u *Usage) Histogram() vpav1.HistogramCheckpoint {
	saved, err := u.histogram.SaveToChekpoint()
	if err != nil || u.histogram.IsEmpty() { // it never fails in v1.7.3, and of nothing it makes weights that are no numbers
		return vpav1.HistogramCheckpoint{}
	}
	return *saved
}

// Samples is how many were counted.
func (u *Usage) Samples() int { return int(u.samples) }

// First is the time of the first sample in unix seconds; 0 if there is none.
func (u *Usage) First() int64 { return int64(u.first) }

// End is the time of the last sample in unix seconds; 0 if there is none.
func (u *Usage) End() int64 { return int64(u.end) }

// Span is the time from the first sample to the last.
func (u *Usage) Span() time.Duration { return time.Duration(u.end-u.first) * time.Second }

// Recent appends the peaks of the newest n slots, the oldest first; -1 is a gap.
func (u *Usage) Recent(n int, into []float64) []float64 { return u.day.last(u.recent[:], n, into) }

// Weekly appends the newest n coarse peaks, the oldest first; -1 is a gap.
func (u *Usage) Weekly(n int, into []float64) []float64 { return u.days.last(u.week[:], n, into) }

// Newest is the slot of the last sample, counted from 1970.
func (u *Usage) Newest() int { return int(u.day.newest) }

// Peak is the highest amount of the newest n slots; 0 if nothing was seen.
func (u *Usage) Peak(n int) (highest float64) {
	var code uint8
	for back := range uint32(min(n, Day)) {
		code = max(code, u.recent[(u.day.newest+Day-back%Day)%Day])
	}
	return max(0, u.day.amount(code))
}

// Gaps is the share of the last 24 hours, or of the time since the first sample, in which nothing was seen until now; 1 if nothing ever was. The slot
// that is not over yet counts once something was seen in it.
func (u *Usage) Gaps(now time.Time) float64 {
	if u.samples == 0 {
		return 1
	}
	slot := slotOf(now.Unix(), Slot)
	if slot > u.day.newest {
		slot--
	}
	known := min(Day, int(slot-min(slot, slotOf(int64(u.first), Slot)))+1)
	seen := 0
	for back := range uint32(known) {
		if slot-back <= u.day.newest && u.day.newest < slot-back+Day && u.recent[(slot-back)%Day] > 0 {
			seen++
		}
	}
	return 1 - float64(seen)/float64(known)
}

// Trend is by how much the peaks of the last n slots grow in one slot, by the median of the slopes between its thirds, which one spike does not
// move; 0 while a third of them was not seen.
func (u *Usage) Trend(n int) float64 {
	var room [Day]float64
	peaks := u.Recent(n, room[:0])
	third := len(peaks) / 3
	var rises [Day / 3]float64
	slopes := rises[:0]
	for i := range third {
		if a, b := peaks[i], peaks[i+2*third]; a >= 0 && b >= 0 {
			slopes = append(slopes, (b-a)/float64(2*third))
		}
	}
	if len(slopes) < max(1, third/2) {
		return 0
	}
	return median(slopes)
}

// rewind forgets what is later than now.
func (u *Usage) rewind(now int64) {
	u.day.rewind(u.recent[:], slotOf(now, Slot))
	u.days.rewind(u.week[:], slotOf(now, Long))
	u.end, u.first = min(u.end, uint32(now)), min(u.first, uint32(now))
}
