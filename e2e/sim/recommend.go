package sim

import (
	"time"

	"github.com/metapilot/metapilot/scaler/model"
)

// use is what the recommender remembers of a component: of each hour the peak, and how often it was seen.
type use struct {
	keeps time.Duration
	hours []hour
}

type hour struct {
	at          time.Time
	cpu, memory int64
	samples     int64
}

// spared is what is recommended of the highest use, in percent.
const spared = 120

// recommender tells a profile: the highest use that it remembers and a fifth, with its age and gaps. It is silent now and then.
func recommender(f *fleet, t *tenant) {
	if f.now.Before(f.silence) || f.now.Before(f.outage) {
		return
	}
	for _, c := range t.components {
		if f.chance(20) {
			continue
		}
		if c.use.see(f, c) {
			c.told.Profile = c.use.profile(f)
		}
		c.truth.need(c, f.now)
	}
}

// see the hungriest pod, if any has a reading of the last minutes.
func (u *use) see(f *fleet, c *component) bool {
	var now hour
	for _, p := range c.pods {
		if n := len(p.usage); n > 0 && f.now.Sub(p.usage[n-1].At) <= f.config.Step {
			now.cpu, now.memory, now.samples = max(now.cpu, p.usage[n-1].CPU), max(now.memory, p.usage[n-1].Memory), 1
		}
	}
	if now.samples == 0 {
		return false
	}
	now.at = f.now.Truncate(time.Hour)
	for len(u.hours) > 0 && f.now.Sub(u.hours[0].at) > max(u.keeps, 24*time.Hour) {
		u.hours = u.hours[1:]
	}
	n := len(u.hours)
	if n == 0 || u.hours[n-1].at != now.at {
		u.hours = append(u.hours, now)
		return true
	}
	last := &u.hours[n-1]
	last.cpu, last.memory, last.samples = max(last.cpu, now.cpu), max(last.memory, now.memory), last.samples+1
	return true
}

func (u *use) profile(f *fleet) model.Profile {
	p := model.Profile{Name: "x", Algorithm: "peak", LastSample: f.now}
	var cpu, memory, samples int64
	since := u.hours[0].at
	day := f.now.Add(-24 * time.Hour)
	for _, h := range u.hours {
		cpu, memory = max(cpu, h.cpu), max(memory, h.memory)
		if !h.at.Before(day) {
			samples += h.samples
		}
	}
	if day.Before(since) {
		day = since
	}
	gaps := 100 - 100*samples/max(1, int64(f.now.Sub(day)/f.config.Step))
	p.CPU = model.Recommendation{Target: cpu * spared / 100, Upper: cpu * spared / 100, Since: since, Gaps: max(gaps, 0)}
	p.Memory = model.Recommendation{Target: memory * spared / 100, Upper: memory * spared / 100, Since: since, Gaps: max(gaps, 0)}
	return p
}

// need notes that more is recommended than may shrink.
func (h *history) need(c *component, now time.Time) {
	if h.needed == nil {
		h.needed = map[model.Resource]time.Time{}
	}
	for _, r := range []model.Resource{model.CPU, model.Memory} {
		if c.told.Profile.Of(r).Upper*100 >= c.size.Steered(r)*c.policy.Below {
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
