package sim

import (
	"slices"
	"time"

	"github.com/metapilot/metapilot/internal/rollout"
)

// rolling is how long pods may take to be replaced before it is tried again (package scaler).
const rolling = 15 * time.Minute

// operator carries what is stored into pods: in place where they run, by recreating those that wait in back-off, and by replacing those that are
// older than a restart that was asked for. It is late now and then.
func operator(f *fleet, t *tenant) {
	for _, c := range t.components {
		if f.chance(3) {
			continue
		}
		for i, p := range c.pods {
			switch {
			case f.waits(c, p):
				p.leave()
				c.pods[i] = f.newPod(c, p.number)
				c.pods[i].row = p.row
			case p.running && p.size != c.size:
				p.ask(c.size)
			}
		}
		if c.quorum {
			f.roll(c)
		} else {
			f.surge(c)
		}
	}
}

// waits: the pod cannot get its size where it is, because it waits in back-off, or was never placed with its old one (internal/podresize).
func (f *fleet) waits(c *component, p *pod) bool {
	n := len(p.kills)
	below := n > 0 && p.kills[n-1].Limit < c.size.Limits.Memory
	return p.node == nil && p.size != c.size || !p.running && f.now.Before(p.wakes) && (p.size != c.size || below)
}

// roll replaces one outdated member of a quorum, as internal/rollout says.
func (f *fleet) roll(c *component) {
	var members []rollout.Member
	leads := slices.IndexFunc(c.pods, func(p *pod) bool { return p.ready(f.now) })
	for i, p := range c.pods {
		ready := p.ready(f.now)
		members = append(members, rollout.Member{
			Name: p.name, Outdated: p.created.Before(c.restartedAt), Healthy: ready, Broken: !p.running, Leader: i == leads,
		})
	}
	if step := rollout.Next(members); step.Restart != "" {
		i := slices.IndexFunc(c.pods, func(p *pod) bool { return p.name == step.Restart })
		f.judgeReplacement(c, c.pods[i])
		c.pods[i].leave()
		c.pods[i] = f.newPod(c, c.pods[i].number)
	}
}

// surge replaces outdated pods one after the other, the new one first.
func (f *fleet) surge(c *component) {
	if i := slices.IndexFunc(c.pods, func(p *pod) bool { return p.surge }); i >= 0 {
		if fresh := c.pods[i]; fresh.ready(f.now) {
			fresh.surge = false
			f.dropOutdated(c)
		}
		return
	}
	if i := slices.IndexFunc(c.pods, func(p *pod) bool { return p.created.Before(c.restartedAt) }); i >= 0 {
		fresh := f.newPod(c, c.pods[i].number)
		fresh.surge = true
		c.pods = append(c.pods, fresh)
	}
}

func (f *fleet) dropOutdated(c *component) {
	i := slices.IndexFunc(c.pods, func(p *pod) bool { return p.created.Before(c.restartedAt) })
	if i < 0 {
		return
	}
	f.judgeReplacement(c, c.pods[i])
	c.pods[i].leave()
	c.pods = slices.Delete(c.pods, i, i+1)
}
