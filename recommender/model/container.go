package model

import (
	"math"
	"slices"
	"time"

	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/util"
)

// Container is what is known about one container of a workload, over all its replicas. Its peaks are those of the hungriest replica.
type Container struct {
	use      [Resources]Usage
	replicas []replica // that were seen within a day; the order says nothing
	floor    Floor
	faults   [faults]uint8
	Learned  [Resources]Learned
}

// replica is what has to be known of each one. Times are unix seconds.
type replica struct {
	name      string
	last      [Resources]uint32
	windowEnd uint32 // of VPA's daily peak of memory
	peak      int64  // bytes, of this window by samples
	oomPeak   int64  // bytes, of this window by kills
	latest    int16  // exponent of the last sample of CPU
	lasting   int16  // exponent of the lower one of the last two
	memory    int16  // exponent of the last sample of memory
}

// NewContainer knows nothing.
func NewContainer() *Container {
	return &Container{use: [Resources]Usage{newUsage(CPU), newUsage(Memory)}}
}

// Usage of one resource.
func (c *Container) Usage(r Resource) *Usage { return &c.use[r] }

// Floor is what kills have taught.
func (c *Container) Floor() Floor { return c.floor }

// Faults is how many samples had this fault; the count ends at 255.
func (c *Container) Faults(f Fault) int { return int(c.faults[f]) }

// Replicas is how many were seen within a day.
func (c *Container) Replicas() (n int) {
	for i := range c.replicas {
		if last := c.replicas[i].last; max(last[CPU], last[Memory])+uint32(24*time.Hour/time.Second) >= max(c.use[CPU].end, c.use[Memory].end) {
			n++
		}
	}
	return n
}

// gone is after how long a replica that nothing is told of uses nothing.
const gone = 10 * time.Minute

// Lasting is the CPU that a replica used in both of its last two samples, of the one that used most: one high sample is noise more often than not.
func (c *Container) Lasting() float64 {
	most := int16(0)
	for i := range c.replicas {
		if p := &c.replicas[i]; p.last[CPU]+uint32(gone/time.Second) >= c.use[CPU].end {
			most = max(most, p.lasting)
		}
	}
	return math.Pow(step, float64(most))
}

// LastMemory is what was last seen of a replica's memory, a fiftieth too high at most; zero if nothing was.
func (c *Container) LastMemory(name string) Sample {
	for i := range c.replicas {
		if p := &c.replicas[i]; p.name == name && p.last[Memory] > 0 {
			return Sample{name, time.Unix(int64(p.last[Memory]), 0), math.Pow(step, float64(p.memory))}
		}
	}
	return Sample{}
}

// Add counts a sample, or says why not. Now is when it is added.
func (c *Container) Add(now time.Time, r Resource, s Sample) Fault {
	fault := c.add(now, r, s)
	if fault != None && c.faults[fault] < 255 {
		c.faults[fault]++
	}
	return fault
}

func (c *Container) add(now time.Time, r Resource, s Sample) Fault {
	switch {
	case !s.valid(r):
		return Invalid
	case s.At.After(now.Add(skew)):
		return Future
	}
	jumped := c.comeBack(now)
	p, at := c.replica(s.Replica, s.At), uint32(s.At.Unix())
	switch last := p.last[r]; {
	case at == last:
		return Duplicate
	case at < last:
		return OutOfOrder
	}
	p.last[r] = at
	c.learn(p, r, s)
	if jumped {
		return ClockJump
	}
	return None
}

// learn counts a sample that is right.
func (c *Container) learn(p *replica, r Resource, s Sample) {
	u := &c.use[r]
	before := u.day.newest
	u.see(s.At.Unix(), s.Amount)
	if r == CPU {
		u.histogram.AddSample(float64(int64(s.Amount))/1000, cpuWeight, s.At)
		e := exponent(s.Amount)
		p.latest, p.lasting = e, min(p.latest, e)
		return
	}
	p.memory = exponent(s.Amount)
	p.daily(u.histogram, int64(s.Amount), s.At.Unix(), false)
	c.floor.contradict(s.Amount, u.day.newest > before)
}

// comeBack takes history back to now if the clock was ahead when it was made, or nothing would be counted until that time comes again.
func (c *Container) comeBack(now time.Time) bool {
	latest := uint32(now.Add(skew).Unix())
	if max(c.use[CPU].end, c.use[Memory].end) <= latest {
		return false
	}
	for r := range c.use {
		c.use[r].rewind(now.Unix())
	}
	for i := range c.replicas {
		p := &c.replicas[i]
		for r, last := range p.last {
			if last > latest {
				p.last[r] = 0
			}
		}
		p.windowEnd = min(p.windowEnd, uint32(now.Add(vpaPeakWindow).Unix()))
	}
	return true
}

// replica finds the one of that name, or makes it, in place of one that was not seen for a day then: the past may be told after it has passed.
func (c *Container) replica(name string, then time.Time) *replica {
	for i := range c.replicas {
		if c.replicas[i].name == name {
			return &c.replicas[i]
		}
	}
	old := uint32(max(0, then.Add(-24*time.Hour).Unix()))
	c.replicas = slices.DeleteFunc(c.replicas, func(p replica) bool { return max(p.last[CPU], p.last[Memory]) < old })
	c.replicas = append(c.replicas, replica{name: name})
	return &c.replicas[len(c.replicas)-1]
}

// daily keeps the highest amount of each day in the histogram, as VPA's ContainerState.addMemorySample does: a higher one takes the place of the
// one before.
func (p *replica) daily(h util.Histogram, amount, at int64, oom bool) {
	if p.windowEnd == 0 {
		p.windowEnd = uint32(at)
	}
	highest := max(p.peak, p.oomPeak)
	switch day := int64(vpaPeakWindow / time.Second); {
	case at >= int64(p.windowEnd):
		p.windowEnd += uint32((at-int64(p.windowEnd))/day*day + day)
		p.peak, p.oomPeak = 0, 0
	case highest == 0 || amount <= highest:
		return
	default:
		h.SubtractSample(float64(highest), memoryWeight, time.Unix(int64(p.windowEnd), 0))
	}
	h.AddSample(float64(amount), memoryWeight, time.Unix(int64(p.windowEnd), 0))
	if oom {
		p.oomPeak = amount
	} else {
		p.peak = amount
	}
}
