package sim

import (
	"slices"
	"time"

	"github.com/metapilot/metapilot/scaler/model"
	"github.com/metapilot/metapilot/scaler/plan"
)

// scaler is what package scaler does around the decisions: look through a cache, think, write down, act, tell. It may die after each of these, and
// is late now and then.
func scaler(f *fleet, t *tenant) {
	for _, c := range t.components {
		if f.chance(8) {
			continue
		}
		if !f.chance(4) {
			c.look(f)
		}
		o := f.observe(c)
		p := plan.Decide(o, &c.policy)
		f.report.Decisions++
		if held := p.Held(); held != nil {
			f.report.Holds[held.Guard]++
		}
		if dead := p.Record && f.carryOut(c, o, &p); dead {
			f.report.Deaths++
			c.look(f)
			continue
		}
		c.told.kills = o.Kills
	}
}

// carryOut writes the decision down and does it. A death in between loses what was not done yet.
func (f *fleet) carryOut(c *component, o *model.Observed, p *model.Plan) (dead bool) {
	if f.dies() {
		return true
	}
	c.write(f, o, p)
	if p.Decision == model.Hold || p.DryRun {
		return false
	}
	if f.dies() {
		return true
	}
	f.judge(c, o, p)
	if p.Decision == model.Restart {
		c.restartedAt = f.now
	} else {
		c.size = p.To
	}
	if f.dies() {
		return true
	}
	if p.Decision == model.Up {
		c.told.grown = f.now
	} else if p.Decision == model.Revert {
		c.told.shrunk = f.now
	}
	return false
}

func (f *fleet) dies() bool { return f.chance(30) }

// recordKey makes the same decision, made again, the same record (scaler/record).
type recordKey struct {
	decision model.Decision
	dryRun   bool
	from, to model.Size
	grown    time.Time
	signal   time.Time
	hour     time.Time
}

// write makes the record, unless it is there already.
func (c *component) write(f *fleet, o *model.Observed, p *model.Plan) {
	key := recordKey{decision: p.Decision, dryRun: p.DryRun, from: p.From, to: p.To, grown: o.Grown}
	for i := range p.Proposals {
		if at := p.Proposals[i].Signal; at.After(key.signal) {
			key.signal = at
		}
	}
	if p.Decision == model.Hold || p.DryRun {
		key.hour = f.now.Truncate(time.Hour)
	}
	if p.Decision == model.Restart {
		key.hour = f.now
		f.moves = append(f.moves, f.now)
	}
	if c.record[key] {
		return
	}
	c.record[key] = true
	f.report.Records++
	c.truth.record(f, c)
	c.told.last = model.Decided{Decision: p.Decision, DryRun: p.DryRun, From: p.From, To: p.To, At: f.now}
	if held := p.Held(); held != nil {
		c.told.last.Guard = held.Guard
	}
}

// look brings the scaler's cache up to now.
func (c *component) look(f *fleet) {
	c.view.status, c.view.pods = c.told, c.view.pods[:0]
	for _, p := range c.pods {
		host := ""
		if p.node != nil {
			host = p.node.name
		}
		c.view.pods = append(c.view.pods, model.Pod{
			Name: p.name, Node: host, Size: p.size, Actual: p.actual, Running: p.running, Ready: p.ready(f.now), Placed: host != "",
			Pending: p.pending, Says: "the node says so", GoMemLimit: p.goMemLimit, Usage: p.usage,
		})
		for _, k := range p.kills {
			if !slices.ContainsFunc(c.view.kills, func(known model.Kill) bool { return known.Container == k.Container }) {
				c.view.kills = append(slices.Clone(c.view.kills), k)
			}
		}
	}
	slices.SortStableFunc(c.view.kills, func(a, b model.Kill) int { return a.At.Compare(b.At) })
	c.view.kills = c.view.kills[max(0, len(c.view.kills)-16):]
}

// observe is what the cache says now. The stored size is always the newest: the scaler waits until it sees what it has written.
func (f *fleet) observe(c *component) *model.Observed {
	o := &model.Observed{
		Now: f.now, Component: c.name, Quorum: c.quorum, Size: c.size, Kills: c.view.kills, Grown: c.view.grown, Shrunk: c.view.shrunk,
		Last: c.view.last, Moves: f.moves[max(0, len(f.moves)-100):], Pods: slices.Clone(c.view.pods),
	}
	fresh := false
	for i := range o.Pods {
		usage := o.Pods[i].Usage
		usage = usage[max(0, len(usage)-int(window/f.config.Step)):]
		if n := len(usage); n == 0 || f.now.Sub(usage[n-1].At) > 2*time.Minute {
			usage = nil
		}
		o.Pods[i].Usage, fresh = usage, fresh || usage != nil
		if o.Pods[i].Placed {
			o.Nodes = f.seen(o.Nodes, o.Pods[i].Node)
		}
	}
	switch {
	case f.now.Before(f.outage):
		o.Metrics = "the metrics API does not answer"
	case !fresh:
		o.Metrics = "no reading of its pods yet"
	}
	return o
}

// seen adds a node that a pod runs on. The others are as large, so that they would change no decision.
func (f *fleet) seen(nodes []model.Node, name string) []model.Node {
	if slices.ContainsFunc(nodes, func(n model.Node) bool { return n.Name == name }) {
		return nodes
	}
	n := f.named[name]
	return append(nodes, model.Node{Name: name, Allocatable: n.allocatable, Free: add(n.allocatable, model.Amounts{}, n.requested)})
}
