package main

import (
	"math"
	"time"

	"github.com/metapilot/metapilot/recommender/estimator"
	"github.com/metapilot/metapilot/recommender/model"
)

// recommender is a contestant: it sees a sample and says what should be requested; 0 if it does not know.
type recommender interface {
	see(replica string, r model.Resource, p point) float64
	killed(replica string, at time.Time, limit float64) float64
}

// ours is one of our algorithms.
type ours struct {
	c      *model.Container
	a      estimator.Algorithm
	before [model.Resources]float64
	times  float64 // of what it recommends
}

func newOurs(name string) *ours { return newOursTimes(name, 1) }

// newOursTimes recommends a multiple.
func newOursTimes(name string, times float64) *ours {
	a, _ := estimator.Named(name)
	return &ours{c: model.NewContainer(), a: a, times: times}
}

func (o *ours) see(replica string, r model.Resource, p point) float64 {
	o.c.Add(p.at, r, model.Sample{Replica: replica, At: p.at, Amount: p.amount})
	estimator.Learn(o.c)
	return o.limit(r, p.at)
}

func (o *ours) killed(replica string, at time.Time, limit float64) float64 {
	o.c.OOM(at, model.Kill{Replica: replica, At: at, Limit: int64(limit)})
	return o.limit(model.Memory, at)
}

func (o *ours) limit(r model.Resource, now time.Time) float64 {
	got := o.a.Recommend(o.c, r)
	got.Target *= o.times
	l := estimator.Limit(o.c, r, now, estimator.Published{Target: o.before[r]}, estimator.Bounds{}, got)
	o.before[r] = l.Target
	return l.Target
}

// result is how one contestant did on one series.
type result struct {
	slack, exceed float64 // percent
	changes       float64 // a day
}

const (
	only    = "pod-0" // the replica of a workload that has one
	warmUp  = 24 * time.Hour
	applied = 0.1
)

// replay applies what a contestant recommends. A request holds from the next sample on.
func replay(s series, r model.Resource, by recommender) result {
	var total result
	request, counted := 0.0, 0
	start := s.points[0].at.Add(warmUp)
	for _, p := range s.points {
		measured := !p.at.Before(start)
		if measured && request > 0 {
			counted++
			total.slack += (request - p.amount) / request
			if p.amount > request {
				total.exceed++
			}
		}
		target := by.see(only, r, p)
		if target > 0 && math.Abs(target-request) > applied*request {
			request = target
			if measured {
				total.changes++
			}
		}
	}
	days := s.points[len(s.points)-1].at.Sub(start).Hours() / 24
	n := float64(max(counted, 1))
	return result{100 * total.slack / n, 100 * total.exceed / n, total.changes / days}
}
