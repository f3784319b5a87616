package cause

import (
	"fmt"
	"time"

	"github.com/metapilot/metapilot/scaler/estimator"
	"github.com/metapilot/metapilot/scaler/model"
)

// A leak is a line, and nothing less than hours of it, after a day in which the season would have shown, and above all that was used in a week.
// The numbers are ours.
const (
	leakPeaks = 12  // of half an hour
	leakFit   = 0.9 // coefficient of determination
	longLeak  = 40  // peaks: most of a day, in which no office hours rise all the time
	leakRise  = 20  // percent, from the first of them to the last
	leakKnown = 24  // hours that the profile knows
	leakKept  = 80  // percent of the last peak that is still in use
	leakTop   = 98  // percent of the highest in a week
	recent    = 30 * time.Minute
)

// leak: memory has been rising along a line for hours, and nothing of it is given back.
func leak(s *sight) model.Cause {
	m := &s.o.Profile.Memory
	if s.o.Profile.Doubt(s.o.Now) != "" || m.Since.IsZero() || s.o.Now.Sub(m.Since) < leakKnown*time.Hour {
		return none
	}
	all := s.peaks()
	for _, of := range [...]struct {
		peaks int
		sure  int64
	}{{len(all), likely + 5}, {leakPeaks, maybe}} {
		if n := len(all); n < of.peaks || of.sure > maybe && n < longLeak {
			continue
		}
		if c := s.rises(all[len(all)-of.peaks:]); c.Says != "" {
			c.Confidence = of.sure
			return c
		}
	}
	return none
}

// rises is the cause if the peaks are a line upwards to the top of the week, and still in use.
func (s *sight) rises(peaks []model.Sample) model.Cause {
	first, last := peaks[0], peaks[len(peaks)-1]
	slope, fit := estimator.Line(peaks)
	if slope <= 0 || fit < leakFit || (last.Memory-first.Memory)*100 < first.Memory*leakRise ||
		last.Memory*100 < s.o.Profile.Memory.Peak*leakTop || s.gaveBack(last.Memory) {
		return none
	}
	return model.Cause{
		Memory: model.Delays,
		Says:   "its memory rises along a line for hours, and nothing of it is given back: a leak, or data that only grows",
		Helps:  "find what it keeps (a heap profile, the number of objects), or restart it now and then; more memory lasts for a while only",
		Evidence: []string{fmt.Sprintf("from %s to %s in %s, along a line (coefficient of determination %.2f)",
			model.Short(model.Memory, first.Memory), model.Short(model.Memory, last.Memory), last.At.Sub(first.At), fit)},
	}
}

// peaks of half hours since the last gap or kill, the oldest first.
func (s *sight) peaks() (all []model.Sample) {
	known := s.o.Profile.Memory.Recent
	end := s.o.Profile.LastSample
	var after time.Time
	if n := len(s.o.Kills); n > 0 {
		after = s.o.Kills[n-1].At
	}
	for i, peak := range known {
		at := end.Add(-time.Duration(len(known)-1-i) * recent)
		if peak < 0 || !at.Add(-recent).After(after) {
			all = nil
			continue
		}
		all = append(all, model.Sample{At: at, Memory: peak})
	}
	return all
}

// gaveBack: all pods use clearly less than the last peak. Of pods that nothing is known of, it is not said.
func (s *sight) gaveBack(peak int64) bool {
	most, known := int64(0), false
	for i := range s.o.Pods {
		if u := s.o.Pods[i].Usage; len(u) > 0 {
			most, known = max(most, u[len(u)-1].Memory), true
		}
	}
	return known && most*100 < peak*leakKept
}
