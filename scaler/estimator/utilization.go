package estimator

import (
	"fmt"
	"time"

	"github.com/metapilot/metapilot/scaler/model"
)

// CPU proposes the request that brings the hungriest pod back to its target.
func CPU(o *model.Observed, p *model.Policy) model.Proposal {
	return byUtilization(o, p, model.CPU, p.CPU, p.CPUTarget)
}

// Memory does so for the memory limit, and also when memory grows so that it would reach the limit soon.
func Memory(o *model.Observed, p *model.Policy) model.Proposal {
	return byUtilization(o, p, model.Memory, p.Memory, p.MemoryTarget)
}

func byUtilization(o *model.Observed, p *model.Policy, r model.Resource, source model.Utilization, target int64) model.Proposal {
	have := o.Size.Steered(r)
	switch {
	case !p.Estimate || !source.Enabled:
		return abstain(r, "it is switched off")
	case have == 0:
		return abstain(r, "the container has neither request nor limit of it")
	case o.Metrics != "":
		return abstain(r, "usage is not known")
	}
	pod, need := hungriest(o, r, source, have)
	if need.used == 0 {
		return abstain(r, "no pod uses too much for long enough")
	}
	return model.Proposal{
		Resource: r, Value: need.used * 100 / target, Proven: need.now, Source: string(r), Signal: need.since, Pod: pod.Name,
		Says: fmt.Sprintf("%s %s, %d%% of %s: to %d%%", pod.Name, need.says(r), need.used*100/have, model.Short(r, have), target),
	}
}

// demand is what a pod needs; nothing if it does not call for more.
type demand struct {
	used      int64 // what is or will be used
	now       int64 // what is used
	since     time.Time
	projected time.Duration // in which time it will be used; zero if it is now
}

func (d demand) says(r model.Resource) string {
	if d.projected > 0 {
		return fmt.Sprintf("uses %s and would use %s in %s", model.Short(r, d.now), model.Short(r, d.used), d.projected)
	}
	return fmt.Sprintf("uses %s since %s", model.Short(r, d.used), d.since.UTC().Format(time.TimeOnly))
}

// hungriest is the pod with the largest demand: a size that suits the mean is too small for the one that all clients found.
func hungriest(o *model.Observed, r model.Resource, source model.Utilization, have int64) (*model.Pod, demand) {
	var most demand
	var who *model.Pod
	for i := range o.Pods {
		d := pressing(&o.Pods[i], r, source, have)
		if d.used > most.used {
			most, who = d, &o.Pods[i]
		}
	}
	return who, most
}

// pressing is the demand of one pod, if it is above the threshold all the time or will be at its limit soon.
func pressing(pod *model.Pod, r model.Resource, source model.Utilization, have int64) demand {
	if len(pod.Usage) == 0 {
		return demand{}
	}
	last := pod.Usage[len(pod.Usage)-1]
	d := demand{now: amount(last, r), since: last.At}
	if since := above(pod.Usage, r, have*source.Above); !since.IsZero() && last.At.Sub(since) >= source.For {
		d.used, d.since = d.now, since
	}
	if source.Projection == 0 || d.now*100 < have*trendFloor {
		return d
	}
	if ahead := project(pod.Usage, source.Projection); ahead > have && ahead > d.used {
		d.used, d.projected = ahead, source.Projection
	}
	return d
}

// above is since when every sample was above the threshold, in percent of a unit; zero if the last one is not.
func above(usage []model.Sample, r model.Resource, threshold int64) (since time.Time) {
	for i := len(usage) - 1; i >= 0 && amount(usage[i], r)*100 > threshold; i-- {
		since = usage[i].At
	}
	return since
}

func amount(s model.Sample, r model.Resource) int64 {
	if r == model.CPU {
		return s.CPU
	}
	return s.Memory
}

// A trend is believed when it rests on so many samples over so long, and explains so much of what they do.
const (
	trendSamples = 8
	trendSpan    = 3 * time.Minute
	trendFit     = 0.8 // coefficient of determination
	trendFloor   = 50  // percent of the limit that has to be used already: a program that starts grows, too
)

// project is the memory that the straight line through the samples reaches after the given time; zero if they follow no rising line.
func project(usage []model.Sample, ahead time.Duration) int64 {
	first, last := usage[0], usage[len(usage)-1]
	if len(usage) < trendSamples || last.At.Sub(first.At) < trendSpan {
		return 0
	}
	slope, fit := Line(usage)
	if slope <= 0 || fit < trendFit {
		return 0
	}
	return last.Memory + int64(slope*ahead.Seconds())
}

// Line is the slope of memory in bytes per second by least squares, and its coefficient of determination.
func Line(usage []model.Sample) (slope, fit float64) {
	var x, y, xx, xy, yy float64
	for _, s := range usage {
		t, m := s.At.Sub(usage[0].At).Seconds(), float64(s.Memory-usage[0].Memory)
		x, y, xx, xy, yy = x+t, y+m, xx+t*t, xy+t*m, yy+m*m
	}
	n := float64(len(usage))
	covariance, spread, scatter := n*xy-x*y, n*xx-x*x, n*yy-y*y
	if spread == 0 || scatter == 0 {
		return 0, 0
	}
	return covariance / spread, covariance * covariance / (spread * scatter)
}
