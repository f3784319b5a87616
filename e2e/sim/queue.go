package sim

import (
	"fmt"
	"time"

	downs "github.com/metapilot/metapilot/scaler/fleet"
	"github.com/metapilot/metapilot/scaler/model"
)

// queue is what the scaler knows of the whole fleet: who waits to be made smaller, and what has been.
type queue struct {
	policy downs.Policy
	past   downs.Past
	turns  map[string]model.Turn // by component; lost when the scaler is restarted, and reckoned anew from what is told
	made   []downs.Event         // steps that were really made
}

// newQueue has budgets so small that they matter in a small fleet.
func newQueue() queue {
	p := downs.Defaults()
	p.GroupBy = "half"
	p.Fleet.Downs, p.PerGroup.Downs = downs.Budget{Count: 4, Within: time.Hour}, downs.Budget{Count: 3, Within: 2 * time.Hour}
	p.Fleet.Regrets, p.PerGroup.Regrets = downs.Budget{Count: 3, Within: 6 * time.Hour}, downs.Budget{Count: 2, Within: 6 * time.Hour}
	return queue{policy: p, turns: map[string]model.Turn{}}
}

// reckon tells everybody's turn.
func (f *fleet) reckon() {
	var waiting []downs.Candidate
	for _, t := range f.tenants {
		for _, c := range t.components {
			if c.waits != nil {
				waiting = append(waiting, *c.waits)
			}
		}
	}
	q := &f.queue
	s := downs.Plan(f.now, &q.policy, &q.past, waiting)
	q.turns = make(map[string]model.Turn, len(s.Places))
	for i := range s.Places {
		q.turns[s.Places[i].Component] = s.Places[i].Turn
	}
}

// wait is what the status says of a step down that waits for its turn.
func (c *component) wait(o *model.Observed, p *model.Plan) {
	if p.Lower == (model.Size{}) || p.Lower == c.size || p.DryRun {
		c.waits = nil
		return
	}
	since := o.Now
	if c.waits != nil {
		since = c.waits.Since
	}
	saved := model.Amounts{CPU: o.Size.Requests.CPU - p.Lower.Requests.CPU, Memory: o.Size.Requests.Memory - p.Lower.Requests.Memory}
	c.waits = &downs.Candidate{
		Key: downs.Key{Component: c.name}, Group: c.group, Since: since, Saving: saved, Risk: downs.RiskOf(&downs.Step{Observed: o, To: p.Lower}).Points,
	}
}

// record counts a step down, or that one was taken back.
func (q *queue) record(c *component, p *model.Plan, now time.Time) {
	event := downs.Event{At: now, Group: c.group}
	if p.Decision == model.Down && !p.DryRun {
		q.past.Downs, c.down = append(q.past.Downs, event), len(q.past.Downs)
	}
	if c.told.Regretted.Equal(now) {
		q.past.Regrets = append(q.past.Regrets, event)
	}
}

// stored is what the record's status tells then: when its step down was made, which a death of the scaler may have put off.
func (q *queue) stored(c *component, now time.Time) {
	q.past.Downs[c.down].At = now
	delete(q.turns, c.name)
}

// judgeTurn looks at a step down that is about to be made: how many there are in the fleet and its group, and whether too many were taken back.
func (f *fleet) judgeTurn(c *component) string {
	q := &f.queue
	q.made = append(q.made, downs.Event{At: f.now, Group: c.group})
	group, _ := q.policy.Of(c.group)
	switch {
	case f.count(q.made, q.policy.Fleet.Downs, "") > q.policy.Fleet.Downs.Count:
		return fmt.Sprintf("which is more than %s in the fleet", q.policy.Fleet.Downs)
	case f.count(q.made, group.Downs, c.group) > group.Downs.Count:
		return fmt.Sprintf("which is more than %s in %s", group.Downs, c.group)
	case f.count(q.past.Regrets, group.Regrets, c.group) > group.Regrets.Count:
		return fmt.Sprintf("although more than %s were taken back in %s", group.Regrets, c.group)
	}
	return ""
}

// count is how many there are within a budget's time, of a group or of all.
func (f *fleet) count(events []downs.Event, b downs.Budget, group string) (n int) {
	for _, e := range events {
		if f.now.Sub(e.At) < b.Within && (group == "" || e.Group == group) {
			n++
		}
	}
	return n
}
