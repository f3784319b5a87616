package sim

import (
	"time"

	"github.com/metapilot/metapilot/internal/units"
	"github.com/metapilot/metapilot/scaler/model"
)

// The promises, for any load and any order of events:
//
//   - what people forbid is not done, and bounds are not passed;
//   - nothing grows without evidence, and growing lowers nothing;
//   - nothing shrinks soon after it grew, on data that is missing, without half a day of reason, or further than a step; memory of a quorum only in a
//     maintenance window;
//   - of the whole fleet and of each group no more is made smaller within a time than is allowed, and nothing where too much was taken back;
//   - what comes again by the day or the week is no reason to grow within a day after a step down: there is no saw-tooth;
//   - that nothing changes is hardly ever written;
//   - what a node refuses is taken back, and not tried again at once;
//   - pods are restarted by choice once for a size, and never a member of a quorum of which another one is missing;
//   - once the load has settled, so have the sizes, but for one last growth of a resource that is used so much that noise alone brings it above a threshold for
//     long enough; and nothing is told over and over;
//   - in the end everything that may grow runs.

// history is what really happened to a component, as nobody in the world knows it.
type history struct {
	kills    []model.Kill // of the last hour
	reverted time.Time
	refused  model.Size // that was taken back then
	kept     model.Size // in its place
	hour     time.Time  // in which records are counted
	records  int
	late     int // changes of size since the load has settled
	looks    int
	notes    int // of them, after which other spells were written into the status
	grown    time.Time
	lowered  map[model.Resource]time.Time
	needing  map[model.Resource]time.Time // since when it is so
	needed   map[model.Resource]time.Time // when more than the share of the size that may shrink had been needed for some time
}

func (h *history) note(news bool) {
	h.looks++
	if news {
		h.notes++
	}
}

func (h *history) kill(k model.Kill) {
	for len(h.kills) > 0 && k.At.Sub(h.kills[0].At) > time.Hour {
		h.kills = h.kills[1:]
	}
	h.kills = append(h.kills, k)
}

// recordsAnHour is what a component may tell in one hour when nothing changes: each hold that it has once, and hardly more than two in turn.
const recordsAnHour = 3

func (h *history) record(f *fleet, c *component) {
	if hour := f.now.Truncate(time.Hour); hour != h.hour {
		h.hour, h.records = hour, 0
	}
	if h.records++; f.config.Talk && f.now.After(f.quiet) && h.records == recordsAnHour+1 {
		f.report.broken("%s %s: more than %d records in a quiet hour", f.clock(), c.name, recordsAnHour)
	}
}

func (f *fleet) clock() string { return f.now.Format("Jan 2 15:04:05") }

// judge looks at what is about to be done.
func (f *fleet) judge(c *component, o *model.Observed, p *model.Plan) {
	fault := f.forbidden(c, p)
	switch p.Decision {
	case model.Up:
		f.report.Ups++
		fault = join(fault, f.judgeGrowth(c, o, p))
		fault = join(fault, f.judgeTeeth(c, p))
		c.truth.grown = f.now
	case model.Down:
		f.report.Downs++
		fault = join(fault, join(f.judgeShrinking(c, p), f.judgeTurn(c)))
		c.truth.lower(p, f.now)
	case model.Revert:
		f.report.Reverts++
		c.truth.reverted, c.truth.refused, c.truth.kept = f.now, p.From, p.To
	case model.Restart:
		f.report.Restarts++
		if !c.restartedAt.IsZero() && !c.resized.After(c.restartedAt) {
			fault = join(fault, "again for the same size")
		}
	default:
		fault = join(fault, "which is nothing to carry out")
	}
	if fault != "" {
		f.report.broken("%s %s: %s %+v -> %+v, %s: %s", f.clock(), c.name, p.Decision, p.From, p.To, fault, p.Reason)
	}
}

func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + ", " + b
}

// forbidden is why nothing, or no change of size, may be done now.
func (f *fleet) forbidden(c *component, p *model.Plan) string {
	switch {
	case c.policy.Up != model.Auto:
		return "although the mode is " + string(c.policy.Up)
	case c.policy.Paused != "" && f.now.Before(c.policy.PausedUntil):
		return "during a pause"
	case p.Decision == model.Restart || p.Decision == model.Down || f.now.Before(f.quiet) || f.config.Refusals:
		return ""
	}
	if c.truth.late++; c.truth.late > len([...]model.Resource{model.CPU, model.Memory}) {
		return "although the load has settled long ago"
	}
	return ""
}

// leftFor is how long what was refused is not tried again: the hour of the decisions, which begins with the record, and that may be written some
// deaths of the scaler before it is carried out.
const leftFor = time.Hour - 5*time.Minute

func (f *fleet) judgeGrowth(c *component, o *model.Observed, p *model.Plan) string {
	for _, r := range []model.Resource{model.CPU, model.Memory} {
		from, to, most := p.From.Steered(r), p.To.Steered(r), c.policy.Max.Of(r)
		switch {
		case f.now.Sub(c.truth.reverted) < leftFor && c.truth.again(p, r):
			return "not long after it was taken back"
		case p.To.Requests.Of(r) < p.From.Requests.Of(r) || p.To.Limits.Of(r) < p.From.Limits.Of(r):
			return "which lowers " + string(r)
		case to > from && most > 0 && to > most:
			return "beyond the bounds of " + string(r)
		case to > from && !f.evident(c, o, r):
			return "without evidence for " + string(r)
		}
	}
	return ""
}

// again: what is about to be asked for is what was refused, or more.
func (h *history) again(p *model.Plan, r model.Resource) bool {
	refused, asked := h.refused.Requests.Of(r), p.To.Requests.Of(r)
	return refused > h.kept.Requests.Of(r) && asked > p.From.Requests.Of(r) && asked >= refused
}

// evident: there is a kill at the decided limit, or the readings say it.
func (f *fleet) evident(c *component, o *model.Observed, r model.Resource) bool {
	if r == model.Memory {
		for _, k := range c.truth.kills {
			if k.Limit >= o.Size.Limits.Memory && f.now.Sub(k.At) <= c.policy.RepeatWithin {
				return true
			}
		}
	}
	if o.Profile.Of(r).Target > o.Size.Steered(r) || o.Lowered.Took(r, o.Size) && f.regrettable(c, o) {
		return true
	}
	for i := range o.Pods {
		if c.policy.Estimate && pressed(o.Pods[i].Usage, o.Size.Steered(r), r, &c.policy) {
			return true
		}
	}
	return false
}

// regrettable: there is a sign that the last step down was wrong, of whatever resource.
func (f *fleet) regrettable(c *component, o *model.Observed) bool {
	for _, k := range c.truth.kills {
		if !k.At.Before(o.Lowered.At) {
			return true
		}
	}
	for i := range o.Pods {
		pod := &o.Pods[i]
		for _, r := range []model.Resource{model.CPU, model.Memory} {
			if !pod.Ready || pressed(pod.Usage, o.Size.Steered(r), r, &c.policy) {
				return true
			}
		}
	}
	return false
}

// judgeReplacement looks at a pod that is about to be replaced by choice, while all that is true is known.
func (f *fleet) judgeReplacement(c *component, p *pod) {
	f.report.Replaced++
	if p.running && p.goMemLimit == units.GoMemLimit(c.size.Limits.Memory) {
		f.report.Needless++
	}
	for _, other := range c.pods {
		if c.quorum && p.running && other != p && !other.ready(f.now) {
			f.report.broken("%s %s: %s is replaced while %s is missing", f.clock(), c.name, p.name, other.name)
		}
	}
}

// free: nobody has forbidden or bounded the component's growth.
func (c *component) free() bool {
	return c.policy.Up == model.Auto && c.policy.Paused == "" && c.policy.Max.Memory == 0
}

// patience is how long a container that may grow may be killed again and again, or a refused size may stay: three kills, their back-offs, and
// everybody late by some steps.
func (f *fleet) patience() time.Duration { return 10*time.Minute + 10*f.config.Step }

// judgeRow looks at a container that was killed. One that a node has no room for, or refuses to give it, is nobody's fault.
func (f *fleet) judgeRow(c *component, p *pod) {
	guaranteed := p.size.Requests.Memory == p.size.Limits.Memory
	if !c.free() || p.node == nil || p.hungry > p.node.capacity.Memory/10*9 || f.config.Crowded && guaranteed || !c.truth.reverted.IsZero() {
		return
	}
	row := f.now.Sub(p.row)
	f.report.LongestRow = max(f.report.LongestRow, row)
	if row > f.patience() {
		f.report.broken("%s %s: %s is being killed for %s, with %+v, stored is %+v", f.clock(), c.name, p.name, row, p.actual, c.size)
	}
}

// judgeRefusal looks at a pod whose node refuses its size.
func (f *fleet) judgeRefusal(c *component, p *pod) {
	if p.pending == "Infeasible" && c.free() && f.now.Sub(p.refused) > f.patience() {
		f.report.broken("%s %s: since %s the node of %s refuses %+v", f.clock(), c.name, p.refused.Format(time.TimeOnly), p.name, p.size)
		p.refused = f.now
	}
}

// judgeEnd looks whether everything that may grow runs.
func (f *fleet) judgeEnd() {
	for _, t := range f.tenants {
		for _, c := range t.components {
			if h := &c.truth; h.notes > h.looks/2 {
				f.report.broken("%s: its status was written after %d of %d looks", c.name, h.notes, h.looks)
			}
			for _, p := range c.pods {
				if !p.row.IsZero() {
					f.judgeRow(c, p)
				}
			}
		}
	}
}
