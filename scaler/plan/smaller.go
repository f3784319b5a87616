package plan

import (
	"fmt"
	"strings"

	"github.com/metapilot/metapilot/scaler/model"
)

// lessens notes what became of a step down.
func (c *conclusion) lessens(d *draft, last *model.Verdict) {
	if c.less == nil {
		c.less = map[model.Resource]string{}
	}
	next := d.size(c.o.Size)
	if next == c.o.Size {
		c.less[d.resource] = last.Says
		return
	}
	step := fmt.Sprintf("%s -> %s saves %s", model.Short(d.resource, d.o.Size.Steered(d.resource)), model.Short(d.resource, next.Steered(d.resource)),
		SavingOf(c.o, c.o.Size, next))
	if last.Held {
		c.less[d.resource] = fmt.Sprintf("%s, and waits (%s): %s", step, last.Guard, last.Says)
		return
	}
	c.less[d.resource] = step + ": " + d.reason
}

// smaller says of each resource by how much it could be smaller, or why it could not.
func (c *conclusion) smaller() string {
	if c.p.Down == model.Off {
		return "mode.down is Off"
	}
	memory, cpu := c.whyNot(model.Memory), c.whyNot(model.CPU)
	if memory == cpu {
		return memory
	}
	return "memory: " + memory + "; cpu: " + cpu
}

// whyNot is what keeps one resource from shrinking, or what became of its step down.
func (c *conclusion) whyNot(r model.Resource) string {
	if step := c.less[r]; step != "" {
		return step
	}
	says := ""
	for i := range c.plan.Proposals {
		switch one := &c.plan.Proposals[i]; {
		case one.Resource != r:
		case one.Floor && one.Value >= c.o.Size.Steered(r):
			return one.Says
		case one.Value > c.o.Size.Steered(r):
			return "more of it is called for"
		case one.Less:
			says = "something else is done first"
		case strings.HasSuffix(one.Estimator, "-profile"):
			says = one.Says
		}
	}
	return says
}

// Saving is what a smaller size leaves to others, over all pods of a component.
type Saving struct {
	Pods             int
	Requests, Limits model.Amounts
}

// SavingOf is what the component's pods have less of with another size.
func SavingOf(o *model.Observed, from, to model.Size) Saving {
	s := Saving{Pods: o.Live()}
	n := int64(s.Pods)
	s.Requests = model.Amounts{CPU: n * (from.Requests.CPU - to.Requests.CPU), Memory: n * (from.Requests.Memory - to.Requests.Memory)}
	s.Limits = model.Amounts{CPU: n * (from.Limits.CPU - to.Limits.CPU), Memory: n * (from.Limits.Memory - to.Limits.Memory)}
	return s
}

// String says it in cores and GiB.
func (s Saving) String() string {
	var parts []string
	if s.Requests.CPU > 0 {
		parts = append(parts, fmt.Sprintf("%.2f cores", float64(s.Requests.CPU)/1000))
	}
	if s.Requests.Memory > 0 {
		parts = append(parts, fmt.Sprintf("%.2f GiB", gib(s.Requests.Memory)))
	}
	if s.Limits.Memory > 0 {
		parts = append(parts, fmt.Sprintf("%.2f GiB of memory limits", gib(s.Limits.Memory)))
	}
	pods := "pods"
	if s.Pods == 1 {
		pods = "pod"
	}
	return fmt.Sprintf("%s in %d %s", strings.Join(parts, ", "), s.Pods, pods)
}

func gib(bytes int64) float64 { return float64(bytes) / (1 << 30) }
