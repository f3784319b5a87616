package report

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler/model"
	"github.com/metapilot/metapilot/scaler/plan"
)

// History is what is known of one component over the time of a report.
type History struct {
	Namespace, Tenant, Scaler, Component string
	Container                            string     // that is scaled; empty if that is not known
	Size                                 model.Size // now
	Records                              []*v1alpha1.ScalingRecord
	// Measured usage, request and limit by resource, the highest of all pods; nil where only records tell.
	Usage, Request, Limit map[model.Resource][]Point
}

// Point is an amount at a time.
type Point struct {
	At    time.Time
	Value int64
}

// Ordered are points by their time.
func Ordered(points map[time.Time]int64) []Point {
	all := make([]Point, 0, len(points))
	for _, at := range slices.SortedFunc(maps.Keys(points), time.Time.Compare) {
		all = append(all, Point{at, points[at]})
	}
	return all
}

// inOrder are the records, oldest first.
func (h *History) inOrder() []*v1alpha1.ScalingRecord {
	return slices.SortedFunc(slices.Values(h.Records), func(a, b *v1alpha1.ScalingRecord) int {
		return cmp.Or(a.Spec.DecidedAt.Compare(b.Spec.DecidedAt.Time), cmp.Compare(a.Name, b.Name))
	})
}

// uses are the samples that records tell of: the highest of the pods of each record.
func (h *History) uses(r model.Resource) (all []Point) {
	for _, rec := range h.inOrder() {
		var highest Point
		for i := range rec.Spec.Evidence {
			e := &rec.Spec.Evidence[i]
			if used := plan.SizeOf(v1alpha1.Size{Requests: e.Uses}).Requests.Of(r); e.At != nil && used > highest.Value {
				highest = Point{e.At.Time, used}
			}
		}
		if highest.Value > 0 {
			all = append(all, highest)
		}
	}
	return all
}

// changes of the size that were carried out, oldest first, each from the time on at which pods had it, as far as that is known.
func (h *History) changes() (all []*v1alpha1.ScalingRecord) {
	for _, r := range h.inOrder() {
		switch r.Status.Phase {
		case "", v1alpha1.PhaseDecided, v1alpha1.PhaseFailed, v1alpha1.PhaseDryRun, v1alpha1.PhaseHeld:
		default:
			if r.Spec.Decision != v1alpha1.DecisionRestart && r.Spec.Decision != v1alpha1.DecisionHold {
				all = append(all, r)
			}
		}
	}
	return all
}

func tookEffect(r *v1alpha1.ScalingRecord) time.Time {
	switch {
	case r.Status.EffectiveAt != nil:
		return r.Status.EffectiveAt.Time
	case r.Status.AppliedAt != nil:
		return r.Status.AppliedAt.Time
	}
	return r.Spec.DecidedAt.Time
}

// course is the amount of a size over time: steps where records tell of changes, and what it is now at the end. Known tells whether a record says so, or
// it is only known how it is now.
func (h *History) course(of func(model.Size) int64, from, to time.Time) (steps []Point, known bool) {
	now := of(h.Size)
	changes := h.changes()
	if len(changes) == 0 {
		return []Point{{from, now}, {to, now}}, false
	}
	steps = append(steps, Point{from, of(plan.SizeOf(changes[0].Spec.From))})
	for _, r := range changes {
		at := tookEffect(r)
		if at.Before(from) {
			at = from
		}
		steps = append(steps, Point{at, of(plan.SizeOf(r.Spec.To))})
	}
	return append(steps, Point{to, now}), true
}
