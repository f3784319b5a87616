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
		if held := p.Held; held != nil {
			f.report.Holds[held.Guard]++
		}
		if dead := p.Record() && f.carryOut(c, o, &p); dead {
			f.report.Deaths++
			c.look(f)
			continue
		}
		c.truth.note(p.Idle != c.told.Idle)
		c.told.Kills, c.told.Idle = o.Kills, p.Idle
		c.wait(o, &p)
		c.effect(f)
		if !p.Record() { // what carryOut has told is newer
			c.told.Grown, c.told.Shrunk = o.Grown, o.Shrunk
		}
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
		c.size, c.resized = p.To, f.now
	}
	if p.Decision == model.Down {
		f.queue.stored(c, f.now)
	}
	if f.dies() {
		return true
	}
	switch p.Decision {
	case model.Up:
		c.told.Grown = f.now
	case model.Down, model.Revert:
		c.told.Shrunk = f.now
	default:
	}
	return false
}

// effect notes when all containers were seen with the last step down.
func (c *component) effect(f *fleet) {
	down := &c.told.Lowered
	if down.Had.IsZero() && down.To == c.size && !slices.ContainsFunc(c.view, func(s seen) bool { return s.Actual != c.size || !s.Running }) {
		down.Had = f.now
	}
}

func (f *fleet) dies() bool { return f.chance(30) }

// recordKey makes the same decision, made again, the same record (scaler/record).
type recordKey struct {
	model.Decided
	grown, shrunk, signal time.Time
}

// write makes the record, unless it is there already.
func (c *component) write(f *fleet, o *model.Observed, p *model.Plan) {
	key := recordKey{Decided: p.Decided(time.Time{}), grown: o.Grown, shrunk: o.Shrunk}
	if p.Source == "oom" {
		key.signal = p.Signal
	}
	if p.Decision == model.Hold || p.DryRun {
		key.At = f.now.Truncate(time.Hour)
	}
	if p.Decision == model.Restart {
		key.At = o.Restarted
	}
	if c.records[key] {
		return
	}
	c.records[key] = true
	if p.Decision == model.Restart {
		f.moves = append(f.moves, f.now)
	}
	f.report.Records++
	c.truth.record(f, c)
	c.told.Remember(p.Decided(f.now))
	f.queue.record(c, p, f.now)
}

// look brings the scaler's cache of pods up to now.
func (c *component) look(f *fleet) {
	c.view = c.view[:0]
	for _, p := range c.pods {
		pod := model.Pod{
			Name: p.name, Size: p.size, Actual: p.actual, Running: p.running, Ready: p.ready(f.now), Turned: p.turned(), Placed: p.node != nil,
			Pending: p.pending, Says: "the node says so", GoMemLimit: p.goMemLimit, Usage: p.usage,
		}
		if p.node != nil {
			pod.Node = p.node.name
		} else {
			pod.Pending = "Unschedulable"
		}
		c.view = append(c.view, seen{pod, p.kills})
	}
}

// observe is what the scaler knows now: pods as the cache has them, and what it has written itself as it is, for it waits until it sees that.
func (f *fleet) observe(c *component) *model.Observed {
	o := new(model.Observed)
	*o = c.told
	o.Now, o.Component, o.Quorum, o.Size, o.Kills, o.Replicas = f.now, c.name, c.quorum, c.size, c.kills(), c.replicas
	o.Windows.Open, o.Turn = open(f.now), f.queue.turns[c.name]
	o.DateChanges()
	o.Restarted, o.Restarting = c.restartedAt, f.now.Sub(c.restartedAt) < rolling && slices.ContainsFunc(c.pods, func(p *pod) bool { return p.created.Before(c.restartedAt) })
	o.Moves, o.Pods = f.moves[max(0, len(f.moves)-100):], make([]model.Pod, len(c.view))
	fresh := false
	for i := range c.view {
		pod := &o.Pods[i]
		*pod = c.view[i].Pod
		pod.Usage = f.recent(pod.Usage)
		fresh = fresh || pod.Usage != nil
		o.Nodes = f.host(o.Nodes, pod)
	}
	switch {
	case f.now.Before(f.outage):
		o.Metrics = "the metrics API does not answer"
	case !fresh:
		o.Metrics = "no reading of its pods yet"
	}
	return o
}

// kills are those in the status, and those that pods tell of and it does not have yet.
func (c *component) kills() []model.Kill {
	all := slices.Clone(c.told.Kills)
	for i := range c.view {
		for _, k := range c.view[i].kills {
			if !slices.ContainsFunc(all, func(known model.Kill) bool { return known.Container == k.Container }) {
				all = append(all, k)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b model.Kill) int { return a.At.Compare(b.At) })
	return all[max(0, len(all)-16):]
}

// recent are the readings that are kept, if the last one says anything about now.
func (f *fleet) recent(usage []model.Sample) []model.Sample {
	if n := len(usage); n == 0 || f.now.Sub(usage[n-1].At) > 2*time.Minute {
		return nil
	}
	return usage[max(0, len(usage)-int(window/f.config.Step)):]
}

// host adds the node that a pod runs on. The others are as large, so that they would change no decision.
func (f *fleet) host(nodes []model.Node, pod *model.Pod) []model.Node {
	if !pod.Placed || slices.ContainsFunc(nodes, func(n model.Node) bool { return n.Name == pod.Node }) {
		return nodes
	}
	n := f.named[pod.Node]
	return append(nodes, model.Node{Name: n.name, Allocatable: n.allocatable, Free: add(n.allocatable, model.Amounts{}, n.requested)})
}
