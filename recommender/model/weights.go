package model

import (
	"fmt"
	"math"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/util"
)

// VPA saves a histogram in steps of a 10,000th of its highest weight. That is too coarse to go on from: what weighs less is lost, and what weighs
// a hundred steps no longer fades if it is rounded every few minutes. So a histogram is taken apart in several layers, each of what the ones before have left.
const (
	layers = 3
	// taken is what share of what VPA's checkpoint says is taken into a layer: it may say more than there is, by the rounding of all buckets.
	taken = 0.98
)

// layer is a part of a histogram's weights.
type layer struct {
	unit    float64 // weight of one
	buckets []bucket
}

type bucket struct {
	index  uint8
	weight uint16 // in units
}

// dissect takes a histogram apart. What the layers add up to is at most a 10,000,000th of the highest weight away from it.
func dissect(h util.Histogram, r Resource) (all []layer, reference time.Time) {
	rest := util.NewDecayingHistogram(histogramOptions[r], halfLife)
	rest.Merge(h)
	for i := range layers {
		saved, err := rest.SaveToChekpoint()
		if err != nil || rest.IsEmpty() {
			break // it never fails in v1.7.3
		}
		share := taken
		if i == layers-1 {
			share = 1
		}
		reference = saved.ReferenceTimestamp.Time
		l := layerOf(saved, share)
		l.takeFrom(rest, r, reference)
		all = append(all, l)
	}
	return all, reference
}

func layerOf(saved *vpav1.HistogramCheckpoint, share float64) layer {
	var sum float64
	l := layer{buckets: make([]bucket, 0, len(saved.BucketWeights))}
	for index, weight := range saved.BucketWeights {
		sum += float64(weight)
		if kept := uint16(float64(weight) * share); kept > 0 {
			l.buckets = append(l.buckets, bucket{uint8(index), kept})
		}
	}
	l.unit = saved.TotalWeight / sum
	slices.SortFunc(l.buckets, func(a, b bucket) int { return int(a.index) - int(b.index) })
	return l
}

// takeFrom leaves in a histogram what is not in the layer.
func (l layer) takeFrom(h util.Histogram, r Resource, reference time.Time) {
	for _, b := range l.buckets {
		start := histogramOptions[r].GetBucketStart(int(b.index))
		h.SubtractSample(start*(1+bucketMiddle)+bucketMiddle*first(r), float64(b.weight)*l.unit, reference)
	}
}

// bucketMiddle brings the start of a bucket well into it: buckets are at least as wide as the first one, and a twentieth of what they start at.
const bucketMiddle = 0.01

func first(r Resource) float64 {
	if r == CPU {
		return firstCPU
	}
	return firstMemory
}

// assemble makes the histogram that layers add up to.
func assemble(all []layer, reference time.Time, r Resource) (util.Histogram, error) {
	h := util.NewDecayingHistogram(histogramOptions[r], halfLife)
	for _, l := range all {
		saved := &vpav1.HistogramCheckpoint{ReferenceTimestamp: metav1.NewTime(reference), BucketWeights: map[int]uint32{}}
		for _, b := range l.buckets {
			saved.BucketWeights[int(b.index)] = uint32(b.weight)
			saved.TotalWeight += float64(b.weight) * l.unit
		}
		if math.IsNaN(saved.TotalWeight) || math.IsInf(saved.TotalWeight, 0) {
			return nil, fmt.Errorf("weights of %v add up to %v", r, saved.TotalWeight)
		}
		if err := h.LoadFromCheckpoint(saved); err != nil {
			return nil, fmt.Errorf("weights of %v: %w", r, err)
		}
	}
	return h, nil
}
