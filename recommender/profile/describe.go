package profile

import (
	"math"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/recommender/estimator"
	"github.com/metapilot/metapilot/recommender/model"
)

// describe writes everything that is known of a workload.
func (h *history) describe(s *v1alpha1.WorkloadProfileStatus, now time.Time, t target, c choice, advice []advised) {
	s.Algorithm = c.algorithm.Name
	if len(advice) == 0 {
		return // what was known before is better than nothing
	}
	s.Replicas, s.Containers = 0, nil
	if !h.last.IsZero() {
		s.LastSample = timeOf(h.last)
	}
	for _, a := range advice {
		known := h.containers[a.container]
		s.Replicas = max(s.Replicas, int32(known.Replicas()))
		s.Containers = append(s.Containers, v1alpha1.ContainerProfile{
			Name: a.container, Recommended: sized(asks(t, a.container), a),
			CPU: figures(known, model.CPU, now, a), Memory: figures(known, model.Memory, now, a),
			OOMFloor: floorOf(known.Floor()), BadSamples: badSamples(known),
		})
	}
}

// figures of one resource.
func figures(c *model.Container, r model.Resource, now time.Time, a advised) v1alpha1.ResourceProfile {
	u, l := c.Usage(r), a.limited[r]
	p := v1alpha1.ResourceProfile{Reason: reasonFor(l), Samples: int64(u.Samples()), GapsPercent: int32(math.Ceil(u.Gaps(now)*100 - 1e-9))}
	if l.Target > 0 {
		p.Target, p.Lower, p.Upper, p.Uncapped = amount(r, l.Target), amount(r, l.Lower), amount(r, l.Upper), amount(r, l.Uncapped)
	}
	if u.Samples() == 0 {
		return p
	}
	p.Since = timeOf(time.Unix(u.First(), 0))
	p.Usage, p.Recent = windows(u, r), recent(u, r)
	if growth := u.Trend(sixHours) * perHour; growth != 0 {
		p.GrowthPerHour = signed(r, growth)
	}
	p.Algorithms = algorithms(c, r)
	return p
}

const (
	perHour  = 12 // slots
	sixHours = 6 * perHour
)

// signed is an amount that may be negative.
func signed(r model.Resource, n float64) *resource.Quantity {
	q := amount(r, math.Abs(n))
	if n < 0 {
		q.Neg()
	}
	return q
}

// windows are an hour and a day of peaks of five minutes, and a week of peaks of three hours.
func windows(u *model.Usage, r model.Resource) (all []v1alpha1.UsageWindow) {
	for _, w := range []struct {
		name  string
		peaks []float64
	}{
		{"1h", u.Recent(perHour, nil)},
		{"24h", u.Recent(model.Day, nil)},
		{"168h", u.Weekly(model.Week, nil)},
	} {
		seen := slices.DeleteFunc(w.peaks, func(p float64) bool { return p < 0 })
		if len(seen) == 0 {
			continue
		}
		slices.Sort(seen)
		at := func(share float64) resource.Quantity {
			return *amount(r, seen[min(len(seen)-1, int(math.Ceil(share*float64(len(seen))))-1)])
		}
		all = append(all, v1alpha1.UsageWindow{Window: w.name, P50: at(0.5), P90: at(0.9), P95: at(0.95), P99: at(0.99), Max: at(1)})
	}
	return all
}

// recent are the peaks of half an hour each, for a picture. Slots before the first sample are left out.
func recent(u *model.Usage, r model.Resource) (all []int64) {
	const half = perHour / 2
	peaks := u.Recent(model.Day, nil)
	for part := range slices.Chunk(peaks, half) {
		highest := slices.Max(part)
		switch {
		case highest < 0 && all == nil:
		case highest < 0:
			all = append(all, -1)
		case r == model.Memory:
			all = append(all, int64(math.Ceil(highest/(1<<20))))
		default:
			all = append(all, int64(math.Ceil(highest)))
		}
	}
	return all
}

// algorithms and what each would have.
func algorithms(c *model.Container, r model.Resource) (all []v1alpha1.AlgorithmProfile) {
	learned := &c.Learned[r]
	for i, a := range estimator.All {
		got := a.Recommend(c, r)
		one := v1alpha1.AlgorithmProfile{Name: a.Name, Chosen: int(learned.Chosen) == i, Reason: got.Reason}
		if got.Target > 0 {
			one.Target, one.Lower, one.Upper = amount(r, got.Target), amount(r, got.Lower), amount(r, got.Upper)
		}
		if s := learned.Scores[i]; s.Held > 0 && c.Usage(r).Span() > 24*time.Hour {
			idle := int32(math.Round(float64(s.Over) * 100))
			one.Score, one.Exceeded = thousandths(estimator.Loss(r, s)), thousandths(float64(s.Under))
			one.IdlePercent, one.ChangesPerDay = &idle, thousandths(float64(s.Changes)*model.Day)
		}
		all = append(all, one)
	}
	return all
}

func thousandths(n float64) *resource.Quantity {
	return resource.NewMilliQuantity(int64(math.Round(n*1000)), resource.DecimalSI)
}

func floorOf(f model.Floor) *v1alpha1.OOMFloor {
	if f.Need == 0 {
		return nil
	}
	return &v1alpha1.OOMFloor{
		Bytes: *amount(model.Memory, f.Need), Limit: *amount(model.Memory, f.Limit), LastKill: *timeOf(time.Unix(int64(f.At), 0)),
		Kills: int32(f.Kills), ContraryHours: int32(f.Slots) / perHour,
	}
}

func badSamples(c *model.Container) (all []v1alpha1.BadSamples) {
	for _, f := range []model.Fault{model.Invalid, model.OutOfOrder, model.Future, model.ClockJump} {
		if n := c.Faults(f); n > 0 {
			all = append(all, v1alpha1.BadSamples{Fault: f.String(), Count: int32(n)})
		}
	}
	return all // the same reading again is no fault: sources are asked more often than they measure
}
