package exposition

import (
	"iter"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/metapilot/metapilot/scaler/model"
)

// Rates are what happened between two answers: counters in a second, gauges as the newer one has them.
type Rates struct {
	Over  time.Duration
	newer *Answer
	sums  []sum
}

// Of are the rates of a family that are not zero, by its labels.
func (r *Rates) Of(family string) iter.Seq2[Labels, float64] {
	return (&Answer{sums: r.sums}).Of(family)
}

// Total is the rate of a whole family.
func (r *Rates) Total(family string) float64 { return (&Answer{sums: r.sums}).Total(family) }

// Tells is whether there is any sample of a family.
func (r *Rates) Tells(family string) bool { return r.newer.Tells(family) }

// Latencies are those of a histogram (see Histogram), by the label that it is kept apart by; all under "" if it is not. What did not happen has none.
func (r *Rates) Latencies(histogram string, labelled bool) map[string]model.Latency {
	buckets, total, count := map[string][]bucket{}, map[string]float64{}, map[string]float64{}
	for labels, rate := range r.Of(histogram + "_bucket") {
		name, le := "", labels[0]
		if labelled {
			name, le = labels[0], labels[1]
		}
		if upper, err := strconv.ParseFloat(le, 64); err == nil {
			buckets[name] = append(buckets[name], bucket{upper, rate})
		}
	}
	for labels, rate := range r.Of(histogram + "_sum") {
		total[labels[0]] += rate
	}
	for labels, rate := range r.Of(histogram + "_count") {
		count[labels[0]] += rate
	}
	all := map[string]model.Latency{}
	for name, n := range count {
		if n == 0 {
			continue
		}
		all[name] = model.Latency{Count: n, Mean: seconds(total[name] / n), P99: seconds(percentile(buckets[name], 0.99))}
	}
	return all
}

// bucket counts what took no longer than its upper bound, in seconds.
type bucket struct{ upper, count float64 }

// percentile is what the given share took no longer than, by a straight line within its bucket, as Prometheus reckons it. What is above the last bound
// is told as that bound.
func percentile(buckets []bucket, share float64) float64 {
	slices.SortFunc(buckets, func(a, b bucket) int {
		if a.upper < b.upper {
			return -1
		}
		return 1
	})
	n := len(buckets)
	if n == 0 || buckets[n-1].count == 0 {
		return 0
	}
	rank, below := share*buckets[n-1].count, bucket{}
	for _, b := range buckets {
		switch {
		case math.IsInf(b.upper, 1):
			return below.upper
		case b.count >= rank && b.count > below.count:
			return below.upper + (b.upper-below.upper)*(rank-below.count)/(b.count-below.count)
		}
		below = bucket{b.upper, max(b.count, below.count)}
	}
	return below.upper
}

// seconds are at most an hour: no question takes longer, whatever a stranger says.
func seconds(s float64) time.Duration {
	return time.Duration(min(max(s, 0), 3600) * float64(time.Second))
}
