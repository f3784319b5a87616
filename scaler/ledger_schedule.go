package scaler

import (
	"context"
	"maps"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler/fleet"
	"github.com/metapilot/metapilot/scaler/model"
)

const (
	// reckoning is how often the schedule is looked at: it is made anew if anything is different.
	reckoning = time.Second
	// unused is for how long a turn waits for its component, which may be looked at only with all others.
	unused = 5 * time.Minute
	// unconfirmed is how long a record may take to come back through the watch; without one nothing was done.
	unconfirmed = 5 * time.Minute
)

// run makes the schedule until the context ends, and wakes those whose turn has come.
func (l *ledger) run(ctx context.Context, now func() time.Time, synced func() bool, turn chan<- event.GenericEvent, stopped func(fleet.Stop)) error {
	tick := time.NewTicker(reckoning)
	defer tick.Stop()
	for {
		if synced() {
			open, began := l.reckon(now())
			for _, s := range began {
				stopped(s)
			}
			for _, k := range open {
				select {
				case turn <- event.GenericEvent{Object: &v1alpha1.ClusterScaler{ObjectMeta: metav1.ObjectMeta{Namespace: k.Namespace, Name: k.Name}}}:
				case <-ctx.Done():
				}
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// reckon makes the schedule anew if it has to be, and tells whose turn has come with it and what it stops. All of it but the copying is done while others
// may go on to read and decide; what they use up meanwhile makes it void.
func (l *ledger) reckon(now time.Time) (open []fleet.Key, began []fleet.Stop) {
	l.mu.Lock()
	l.expire(now)
	if l.began && !l.dirty && (l.schedule.Next.IsZero() || now.Before(l.schedule.Next)) {
		l.mu.Unlock()
		return nil, nil
	}
	past, candidates, policy, uses := l.past(), l.waiting(now), l.policy, l.uses
	l.dirty = false
	l.mu.Unlock()

	s := fleet.Plan(now, &policy, &past, candidates)

	l.mu.Lock()
	defer l.mu.Unlock()
	if l.uses != uses {
		l.dirty = true
		return nil, nil
	}
	began = l.begins(s.Stops, now)
	l.schedule, l.began = s, true
	countFleet(&s)
	return l.grant(now), began
}

// expire drops what counts no longer.
func (l *ledger) expire(now time.Time) {
	old := func(d deed) bool { return now.Sub(d.at) > counted && now.Sub(d.regret) > counted }
	maps.DeleteFunc(l.downs, func(_ types.NamespacedName, d deed) bool { return old(d) })
	maps.DeleteFunc(l.moves, func(_ types.NamespacedName, d deed) bool { return old(d) })
	maps.DeleteFunc(l.dry, func(_ fleet.Key, t rehearsal) bool { return now.Sub(t.last) > counted })
	maps.DeleteFunc(l.missed, func(_ fleet.Key, at time.Time) bool { return now.Sub(at) > counted })
	n := len(l.taken)
	l.taken = slices.DeleteFunc(l.taken, func(d deed) bool { return now.Sub(d.at) > unconfirmed })
	l.dirty = l.dirty || len(l.taken) < n
	for k, at := range l.opened {
		if now.Sub(at) > unused {
			l.missed[k], l.dirty = now, true
			delete(l.opened, k)
		}
	}
}

// past is what budgets count.
func (l *ledger) past() (p fleet.Past) {
	for _, d := range l.downs {
		group := l.group(d.key)
		p.Downs = append(p.Downs, fleet.Event{At: d.at, Group: group})
		if !d.regret.IsZero() {
			p.Regrets = append(p.Regrets, fleet.Event{At: d.regret, Group: group})
		}
	}
	for k, t := range l.dry {
		p.Dry = append(p.Dry, fleet.Event{At: t.first, Group: l.group(k)})
	}
	for _, d := range l.taken {
		switch one := (fleet.Event{At: d.at, Group: l.group(d.key)}); {
		case d.down && d.dry:
			p.Dry = append(p.Dry, one)
		case d.down:
			p.Downs = append(p.Downs, one)
		}
	}
	return p
}

// waiting are the candidates but for those that have taken their turn.
func (l *ledger) waiting(now time.Time) (all []fleet.Candidate) {
	taken := map[fleet.Key]deed{}
	for _, d := range l.taken {
		taken[d.key] = d
	}
	for k, c := range l.candidates {
		d, took := taken[k]
		if took && !d.dry {
			continue
		}
		c.Group, c.Missed = l.group(k), l.missed[k]
		c.Told = c.DryRun && (took || l.toldOf(k, c.size, now))
		all = append(all, c.Candidate)
	}
	return all
}

// grant makes the schedule's turns those that are told, and returns the new ones.
func (l *ledger) grant(now time.Time) (open []fleet.Key) {
	before := l.turns
	l.turns = make(map[fleet.Key]model.Turn, len(l.schedule.Places))
	opened := map[fleet.Key]time.Time{}
	for i := range l.schedule.Places {
		p := &l.schedule.Places[i]
		l.turns[p.Key] = p.Turn
		if !p.Turn.Open {
			continue
		}
		if !p.Told {
			opened[p.Key] = now
			if at, was := l.opened[p.Key]; was {
				opened[p.Key] = at
			}
		}
		if !before[p.Key].Open {
			open = append(open, p.Key)
		}
	}
	l.opened = opened
	return open
}

// begins are the stops that there were not before. What was so long before the start was told by the scaler that took the last step back.
func (l *ledger) begins(stops []fleet.Stop, now time.Time) (first []fleet.Stop) {
	for _, s := range stops {
		if toldBefore := !l.began && now.Sub(s.Since) > time.Minute; toldBefore {
			continue
		}
		if !slices.ContainsFunc(l.schedule.Stops, func(o fleet.Stop) bool { return o.Fleet == s.Fleet && o.Group == s.Group }) {
			first = append(first, s)
		}
	}
	return first
}
