package sim

import (
	"time"

	"github.com/metapilot/metapilot/scaler/model"
)

// pressed is the slow and plain way to say that readings call for more of a resource: all of the last time are above the threshold, or the line
// through all of them reaches the limit soon. It is a little more generous than the estimators, for they round.
func pressed(usage []model.Sample, have int64, r model.Resource, p *model.Policy) bool {
	source := p.CPU
	if r == model.Memory {
		source = p.Memory
	}
	if len(usage) == 0 {
		return false
	}
	last := usage[len(usage)-1].At
	all, long := true, false
	for _, s := range usage {
		if last.Sub(s.At) > source.For {
			long = true
			continue
		}
		long = long || last.Sub(s.At) == source.For
		all = all && float64(used(s, r)) > 0.999*float64(have)*float64(source.Above)/100
	}
	return all && long || source.Projection > 0 && ahead(usage, source.Projection) > 0.999*float64(have)
}

func used(s model.Sample, r model.Resource) int64 {
	if r == model.CPU {
		return s.CPU
	}
	return s.Memory
}

// ahead is the memory that the regression line through the readings leads to; zero if they do not follow one.
func ahead(usage []model.Sample, in time.Duration) float64 {
	n := float64(len(usage))
	var meanT, meanM float64
	for _, s := range usage {
		meanT, meanM = meanT+s.At.Sub(usage[0].At).Seconds()/n, meanM+float64(s.Memory)/n
	}
	var tt, tm, mm float64
	for _, s := range usage {
		t, m := s.At.Sub(usage[0].At).Seconds()-meanT, float64(s.Memory)-meanM
		tt, tm, mm = tt+t*t, tm+t*m, mm+m*m
	}
	if tt == 0 || mm == 0 || tm <= 0 || tm*tm/(tt*mm) < 0.799 {
		return 0
	}
	return float64(usage[len(usage)-1].Memory) + tm/tt*in.Seconds()
}
