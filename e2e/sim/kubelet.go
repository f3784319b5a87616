package sim

import (
	"fmt"
	"time"

	"github.com/metapilot/metapilot/internal/units"
	"github.com/metapilot/metapilot/scaler/model"
)

// node is where pods run.
type node struct {
	name        string
	allocatable model.Amounts // as everybody is told
	capacity    model.Amounts // as it is
	requested   model.Amounts // by what its pods ask for
	granted     model.Amounts // to its containers
}

// pod has one container.
type pod struct {
	name         string
	number       int // in the component
	node         *node
	size, actual model.Size
	goMemLimit   int64
	created      time.Time
	started      time.Time // the container that runs or ran last
	running      bool
	wakes        time.Time // end of the back-off
	failures     int       // in a row
	pending      string
	refused      time.Time      // since when
	kills        []model.Kill   // that its status still tells of
	usage        []model.Sample // of the container that runs, as the scaler remembers
	row          time.Time      // first kill since it ran well
	hungry       int64          // what it wanted when it was killed last
	surge        bool           // it is to take the place of another one
}

// newPod is a pod with the stored size. Its number says which share of the load it gets.
func (f *fleet) newPod(c *component, number int) *pod {
	p := &pod{name: fmt.Sprintf("%s-%d", c.name, c.names), number: number, size: c.size, created: f.now, wakes: f.now}
	c.names++
	if c.goMemLimit {
		p.goMemLimit = units.GoMemLimit(c.size.Limits.Memory)
	}
	f.place(c, p)
	return p
}

// place is the scheduler: the node with the most room, if it has enough; for a member of a quorum the one that has its volume.
func (f *fleet) place(c *component, p *pod) {
	var best *node
	var most int64
	for _, n := range f.nodes {
		room := add(n.allocatable, model.Amounts{}, n.requested)
		if home := c.homes[p.number]; home != nil && home != n {
			continue
		}
		if !exceeds(p.size.Requests, room) && room.Memory > most {
			best, most = n, room.Memory
		}
	}
	if best != nil {
		p.node = best
		if c.quorum {
			c.homes[p.number] = best
		}
		best.requested = add(best.requested, p.size.Requests, model.Amounts{})
		p.grant(p.size)
	}
}

func (p *pod) ask(size model.Size) {
	p.node.requested = add(p.node.requested, size.Requests, p.size.Requests)
	p.size = size
}

func (p *pod) grant(size model.Size) {
	p.node.granted = add(p.node.granted, size.Requests, p.actual.Requests)
	p.actual, p.pending = size, ""
}

// leave gives back what the pod had.
func (p *pod) leave() {
	if p.node != nil {
		p.ask(model.Size{})
		p.grant(model.Size{})
	}
}

func add(sum, more, less model.Amounts) model.Amounts {
	return model.Amounts{CPU: sum.CPU + more.CPU - less.CPU, Memory: sum.Memory + more.Memory - less.Memory}
}

// ready: it has run long enough to answer.
func (p *pod) ready(now time.Time) bool { return p.running && now.Sub(p.started) >= 10*time.Second }

// turned is about when it became ready, or stopped to be.
func (p *pod) turned() time.Time {
	if n := len(p.kills); !p.running && n > 0 {
		return p.kills[n-1].At
	}
	return p.started
}

// kubelet starts, resizes and kills. It is late now and then.
func kubelet(f *fleet, t *tenant) {
	for _, c := range t.components {
		for _, p := range c.pods {
			if f.chance(8) {
				continue
			}
			switch {
			case p.node == nil:
				f.place(c, p)
				continue
			case !p.running && !f.now.Before(p.wakes):
				p.start(f)
			case p.running && p.actual != p.size:
				p.resize(f.now)
				f.judgeRefusal(c, p)
			default:
				p.pending = ""
			}
			if p.running {
				f.watch(c, p)
			}
		}
	}
}

func (p *pod) start(f *fleet) {
	p.running, p.started, p.usage = true, f.now, nil
	p.resize(f.now)
}

// resize gives the container the pod's size, if the node has it.
func (p *pod) resize(now time.Time) {
	granted := add(p.node.granted, p.size.Requests, p.actual.Requests)
	switch {
	case !exceeds(p.size.Requests, p.actual.Requests):
		p.grant(p.size)
	case exceeds(p.size.Requests, p.node.capacity):
		if p.pending != "Infeasible" {
			p.pending, p.refused = "Infeasible", now
		}
	case exceeds(granted, p.node.allocatable):
		p.pending = "Deferred"
	default:
		p.grant(p.size)
	}
}

func exceeds(a, b model.Amounts) bool { return a.CPU > b.CPU || a.Memory > b.Memory }

// watch is the kernel: what needs more than its limit is killed. A program needs a moment to load what it needs.
func (f *fleet) watch(c *component, p *pod) {
	if f.now.Sub(p.started) >= steady {
		p.failures = 0
		p.row = time.Time{}
	}
	if _, memory := f.need(c, p); memory > p.actual.Limits.Memory && f.now.After(p.started) {
		p.hungry = memory
		f.kill(c, p)
	}
}

// steady is how long a container has to run for its back-off to be forgotten.
const steady = 10 * time.Minute

func (f *fleet) kill(c *component, p *pod) {
	f.serial++
	k := model.Kill{Pod: p.name, Container: fmt.Sprint(f.serial), At: f.now, Limit: p.actual.Limits.Memory}
	p.kills = append(p.kills[max(0, len(p.kills)-1):], k)
	c.truth.kill(k)
	f.report.Kills++
	if p.row.IsZero() {
		p.row = f.now
	}
	f.judgeRow(c, p)
	p.running, p.wakes = false, f.now.Add(backOff(p.failures))
	p.failures++
}

// backOff of the kubelet: at once, then from 10 s to 5 min, twice as long each time.
func backOff(failures int) time.Duration {
	if failures == 0 {
		return 0
	}
	return min(10*time.Second<<min(failures-1, 8), 5*time.Minute)
}

// need is what the container's program would use now.
func (f *fleet) need(c *component, p *pod) (cpu, memory int64) {
	cpu = int64(c.cpu.at(f.now, p.started, p.number, f.noise()))
	memory = int64(c.memory.at(f.now, p.started, p.number, f.noise()))
	return cpu, memory
}

func (f *fleet) noise() float64 { return 0.06*f.random.Float64() - 0.03 }
