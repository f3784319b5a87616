package sim

import (
	"time"

	"github.com/metapilot/metapilot/scaler/model"
)

// window is how long readings are kept (scaler/source/utilization).
const window = 16 * time.Minute

// metrics tells what containers use; while loads change, with gaps. No container uses more than its limits.
func metrics(f *fleet, t *tenant) {
	if f.now.Before(f.outage) {
		return
	}
	for _, c := range t.components {
		for _, p := range c.pods {
			if !p.running || f.now.Before(f.settled) && f.chance(20) {
				continue
			}
			cpu, memory := f.need(c, p)
			if most := p.actual.Limits.CPU; most > 0 {
				cpu = min(cpu, most)
			}
			p.remember(model.Sample{At: f.now, CPU: cpu, Memory: min(memory, p.actual.Limits.Memory)}, int(window/f.config.Step))
		}
	}
}

// remember never changes what was given out: views of an earlier moment share it.
func (p *pod) remember(s model.Sample, kept int) {
	if len(p.usage) == cap(p.usage) {
		p.usage = append(make([]model.Sample, 0, 4*kept), p.usage[max(0, len(p.usage)-kept):]...)
	}
	p.usage = append(p.usage, s)
}
