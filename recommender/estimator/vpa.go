package estimator

import (
	"math"
	"time"

	"github.com/metapilot/metapilot/recommender/model"
)

// VPA's defaults: pkg/recommender/main.go and logic/recommender.go of v1.7.3.
const (
	vpaTarget, vpaLower, vpaUpper = 0.9, 0.5, 0.95
	vpaMargin                     = 0.15
	vpaDay                        = 24 * time.Hour
)

// VPA recommends what VPA does, to the unit, before its floors for a pod: those are a matter of policy here.
func VPA(c *model.Container, r model.Resource) Recommendation {
	u := c.Usage(r)
	if u.Samples() == 0 {
		return abstain(nothingSeen)
	}
	confidence := vpaConfidence(c.Usage(model.CPU))
	estimate := func(percentile, multiplier, exponent float64) float64 {
		base := vpaBase(u, r, percentile)
		return vpaScale(base, math.Pow(1+multiplier/confidence, exponent))
	}
	return Recommendation{
		Target: vpaBase(u, r, vpaTarget),
		Lower:  estimate(vpaLower, 0.001, -2),
		Upper:  estimate(vpaUpper, 1, 1),
		Reason: "the 90th percentile of all samples, and 15%",
	}
}

// vpaBase is a percentile with its margin.
func vpaBase(u *model.Usage, r model.Resource, percentile float64) float64 {
	amount := u.Percentile(percentile)
	if r == model.CPU {
		amount *= 1000
	}
	amount = math.Trunc(amount)
	return amount + vpaScale(amount, vpaMargin)
}

// vpaScale cuts to whole units as VPA does, which has a bound of its own.
func vpaScale(amount, factor float64) float64 { return math.Trunc(min(amount*factor, vpaMost)) }

const vpaMost = 1e14

// vpaConfidence is in days of one sample a minute.
func vpaConfidence(cpu *model.Usage) float64 {
	return min(float64(cpu.Span())/float64(vpaDay), float64(cpu.Samples())/vpaDay.Minutes())
}
