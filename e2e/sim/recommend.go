package sim

import (
	"math"
	"slices"
	"time"

	"github.com/metapilot/metapilot/recommender/estimator"
	learned "github.com/metapilot/metapilot/recommender/model"
	"github.com/metapilot/metapilot/scaler/model"
)

// use is what the recommender knows of a component, and what it has told of it.
type use struct {
	*learned.Container
	asked  time.Time
	killed time.Time // when the last kill was that it has learned from
	target [learned.Resources]float64
}

// between is how often the recommender asks for what is used.
const between = time.Minute

// recommender tells a profile, by the algorithms and the limits that workload-recommender has. It is silent now and then.
func recommender(f *fleet, t *tenant) {
	if f.now.Before(f.silence) || f.now.Before(f.outage) {
		return
	}
	for _, c := range t.components {
		if f.chance(20) || f.now.Sub(c.use.asked) < between {
			continue
		}
		if c.use.see(f, c) {
			c.told.Profile = c.use.profile(f)
		}
		c.truth.need(c, f.now)
	}
}

// see what pods have used in the last minutes, and which were killed.
func (u *use) see(f *fleet, c *component) (seen bool) {
	if u.Container == nil {
		u.Container = learned.NewContainer()
	}
	u.asked = f.now
	for _, p := range c.pods {
		if n := len(p.usage); n > 0 && f.now.Sub(p.usage[n-1].At) <= f.config.Step {
			last := &p.usage[n-1]
			u.Add(f.now, learned.CPU, learned.Sample{Replica: p.name, At: last.At, Amount: float64(last.CPU)})
			u.Add(f.now, learned.Memory, learned.Sample{Replica: p.name, At: last.At, Amount: float64(last.Memory)})
			seen = true
		}
	}
	for _, k := range c.told.Kills {
		if k.At.After(u.killed) {
			u.OOM(f.now, learned.Kill{Replica: k.Pod, At: k.At, Limit: k.Limit})
			u.killed = k.At
		}
	}
	estimator.Learn(u.Container)
	return seen
}

func (u *use) profile(f *fleet) model.Profile {
	p := model.Profile{Name: "x", Algorithm: "auto", LastSample: f.now}
	for r, known := range map[learned.Resource]*model.Recommendation{learned.CPU: &p.CPU, learned.Memory: &p.Memory} {
		got := estimator.Limit(u.Container, r, f.now, estimator.Published{Target: u.target[r]}, estimator.Bounds{}, estimator.Auto(u.Container, r))
		u.target[r] = got.Target
		*known = model.Recommendation{
			Target: int64(got.Target), Lower: int64(got.Lower), Upper: int64(got.Upper), Uncapped: int64(got.Uncapped),
			Since: time.Unix(u.Usage(r).First(), 0).UTC(), Gaps: int64(math.Ceil(100 * u.Usage(r).Gaps(f.now))), Peak: int64(u.peak(r)),
		}
	}
	return p
}

// peak of a week, as scaler/profile.go takes it from a WorkloadProfile.
func (u *use) peak(r learned.Resource) float64 {
	peaks := slices.DeleteFunc(u.Usage(r).Weekly(learned.Week, nil), func(p float64) bool { return p < 0 })
	if len(peaks) == 0 {
		return 0
	}
	slices.Sort(peaks)
	if r == learned.Memory {
		return peaks[len(peaks)-1]
	}
	return peaks[int(math.Ceil(0.95*float64(len(peaks))))-1]
}

// overlooked is what nobody sees who is away for as long as a spell may go on without a look.
const overlooked = 10 * time.Minute

// need notes that for some time more is recommended than may shrink.
func (h *history) need(c *component, now time.Time) {
	if h.needed == nil {
		h.needed, h.needing = map[model.Resource]time.Time{}, map[model.Resource]time.Time{}
	}
	for _, r := range []model.Resource{model.CPU, model.Memory} {
		switch idle := c.told.Profile.Of(r).Needs()*100 < c.size.Steered(r)*c.policy.Below; {
		case idle:
			delete(h.needing, r)
		case h.needing[r].IsZero():
			h.needing[r] = now
		case now.Sub(h.needing[r]) > overlooked:
			h.needed[r] = now
		}
	}
}

// lower notes what has been made smaller.
func (h *history) lower(p *model.Plan, now time.Time) {
	if h.lowered == nil {
		h.lowered = map[model.Resource]time.Time{}
	}
	for _, r := range []model.Resource{model.CPU, model.Memory} {
		if p.To.Steered(r) < p.From.Steered(r) {
			h.lowered[r] = now
		}
	}
}

// judgeTeeth looks whether what grows was made smaller within a day, although its load only does what it always does.
func (f *fleet) judgeTeeth(c *component, p *model.Plan) string {
	for _, r := range []model.Resource{model.CPU, model.Memory} {
		if f.config.Seasons && p.To.Steered(r) > p.From.Steered(r) && f.now.Sub(c.truth.lowered[r]) < 24*time.Hour {
			return "within a day after a step down of " + string(r)
		}
	}
	return ""
}

// open: memory of quorums may shrink at night.
func open(now time.Time) bool { return now.Hour() >= 3 && now.Hour() < 5 }

// overdue is by how much the truth may be before what is told of it: everybody is late, or dies, now and then.
func (f *fleet) overdue() time.Duration { return 15*time.Minute + 10*f.config.Step }

func (f *fleet) judgeShrinking(c *component, p *model.Plan) string {
	known := &c.told.Profile
	switch {
	case c.policy.Down != model.Auto:
		return "although mode.down is " + string(c.policy.Down)
	case f.now.Sub(c.truth.grown) < c.policy.DownCooldown-f.overdue():
		return "not long after it grew"
	case f.now.Before(f.outage):
		return "while nobody knows what is used"
	case f.now.Sub(known.LastSample) > 10*time.Minute:
		return "by a profile of long ago"
	}
	for _, pod := range c.pods {
		if n := len(pod.usage); n == 0 || f.now.Sub(pod.usage[n-1].At) > 2*time.Minute+10*f.config.Step {
			return "while nobody knows what " + pod.name + " uses"
		}
	}
	for _, r := range []model.Resource{model.CPU, model.Memory} {
		if p.To.Steered(r) == p.From.Steered(r) {
			continue
		}
		if fault := f.judgeStep(c, p, r); fault != "" {
			return fault
		}
	}
	return ""
}

func (f *fleet) judgeStep(c *component, p *model.Plan, r model.Resource) string {
	from, to, known := p.From.Steered(r), p.To.Steered(r), c.told.Profile.Of(r)
	switch {
	case to > from || to < from*3/4:
		return "by more than a step of " + string(r)
	case to < known.Target:
		return "below what is recommended of " + string(r)
	case f.now.Sub(known.Since) < 24*time.Hour || known.Gaps > 20:
		return "by what is hardly known of " + string(r)
	case f.now.Sub(c.truth.needed[r]) < c.policy.DownWindow-f.overdue():
		return "without half a day of reason for " + string(r)
	case r == model.Memory && c.quorum && !open(f.now):
		return "outside of a maintenance window"
	}
	return ""
}
