package probes

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/scaler/model"
	"github.com/metapilot/metapilot/scaler/source"
)

const (
	limit = 10 * time.Second // of all questions to one tenant together
	// recount is how often the fleet is looked through: for tenants that came or went, and for how many of them fail.
	recount = 5 * time.Second
	// lately a tenant was made smaller: it is asked before the others, and twice as often.
	lately = 10 * time.Minute
)

// Config says how often is asked.
type Config struct {
	Period time.Duration // between two times that a tenant is asked
	Rate   int           // questions in a second to the whole fleet; tenants wait longer than Period where that is too few
}

// Check tells what is wrong with it.
func (c Config) Check() error {
	switch {
	case c.Period != 0 && c.Period < time.Second:
		return fmt.Errorf("--probe-period %s: give at least 1s, or 0 for never", c.Period)
	case c.Rate < 1 || c.Rate > mostRate:
		return fmt.Errorf("--probe-rate %d: give a number from 1 to %d", c.Rate, mostRate)
	}
	return nil
}

// mostRate keeps the gap between two tenants above what a clock tells well, and what is asked at the same time within what a machine has ports for.
const mostRate = 1000

// gap is the time between two tenants.
func (c Config) gap() time.Duration {
	return time.Second * time.Duration(len(questions)) / time.Duration(c.Rate)
}

// parallel is how many tenants may be asked at the same time: as many as it takes to keep the rate if none of them answers.
func (c Config) parallel() int { return int(limit/c.gap()) + 1 }

// stale is how old an answer may be when there are so many tenants: of three times in a row one is enough.
func (c Config) stale(tenants int) time.Duration {
	return 3*max(c.Period, time.Duration(tenants)*c.gap()) + limit
}

// Source asks all tenants that have been usable once.
type Source struct {
	tenants client.Reader
	secrets client.Reader
	clock   clock.WithTicker
	config  Config
	outage  func(model.Fleet)

	mu    sync.Mutex
	known map[types.NamespacedName]*tenant
	order []*tenant
	fleet model.Fleet
}

var _ source.Source = (*Source)(nil)

// New makes the source. It reads TenantClusters from a cache, and Secrets from no cache. Outage is called when one begins or ends.
func New(tenants, secrets client.Reader, clock clock.WithTicker, config Config, outage func(model.Fleet)) *Source {
	return &Source{
		tenants: tenants, secrets: secrets, clock: clock, config: config, outage: outage, known: map[types.NamespacedName]*tenant{},
		fleet: model.Fleet{Asked: true, Tenants: 1, Unknown: 1}, // until they are counted
	}
}

// Start asks until the context ends, one tenant after the other at an even pace, so that ten thousand of them are never asked at once. Nobody is woken:
// what a probe shows is looked at with the next reading of usage.
func (s *Source) Start(ctx context.Context, _ func()) error {
	var work sync.WaitGroup
	defer work.Wait()
	slots := make(chan struct{}, s.config.parallel())
	ticker := s.clock.NewTicker(s.config.gap())
	defer ticker.Stop()
	for last := (time.Time{}); ; {
		if now := s.clock.Now(); now.Sub(last) >= recount {
			s.count(ctx)
			last = now
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C():
		}
		select {
		case slots <- struct{}{}:
		default:
			continue // none of them answers
		}
		if t := s.next(); t == nil {
			<-slots
		} else {
			work.Go(func() {
				defer func() { <-slots }()
				s.ask(ctx, t)
			})
		}
	}
}

// next takes the tenant that has waited longest of those whose time has come, first of all of those that were made smaller lately.
func (s *Source) next() *tenant {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	var first *tenant
	for _, t := range s.order {
		if !t.asking && !t.due.After(now) && (first == nil || t.before(first, now)) {
			first = t
		}
	}
	if first != nil {
		first.asking = true
	}
	return first
}

// ask a tenant everything, and note what comes of it.
func (s *Source) ask(ctx context.Context, t *tenant) {
	start := s.clock.Now()
	a := s.answer(ctx, t)
	if ctx.Err() != nil {
		return // it is not the tenant that has ended it
	}
	count(a)
	s.done(t, start, a)
}

// done notes an answer, and when the next one is due.
func (s *Source) done(t *tenant, start time.Time, a answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t.note(start, a)
	period := s.config.Period
	if t.watched.After(start) {
		period /= 2
	}
	t.asking, t.due = false, start.Add(period*4/5+rand.N(period*2/5+1)) // tenants that came together do not stay together
}

func (s *Source) answer(ctx context.Context, t *tenant) answer {
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	trust, why := t.trusted(bounded, s.secrets, s.clock.Now())
	if why != "" {
		return answer{unknown: why}
	}
	a := interview(bounded, t.address, trust)
	if a != (answer{}) {
		t.papers = papers{} // they may be others by now
	}
	return a
}

// Look adds what is known of the component's tenant and of the fleet.
func (s *Source) Look(c source.Component, o *model.Observed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o.Fleet = s.fleet
	if c.Tenant.Name == "" {
		return // nobody has told how to ask what runs in a plain workload
	}
	t := s.known[c.Tenant]
	if t == nil {
		o.Probe = model.Probe{Asked: true, Unknown: "it was not asked yet"}
		return
	}
	if down := o.Lowered.At; o.Now.Sub(down) < lately && down.Add(lately).After(t.watched) {
		t.watched = down.Add(lately)
		t.due = earlier(t.due, o.Now.Add(s.config.Period/2))
	}
	o.Probe = t.now(o.Now, s.config.stale(len(s.order)))
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// count looks through the fleet.
func (s *Source) count(ctx context.Context) {
	all, err := s.list(ctx)
	if err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Listing TenantClusters from the cache failed")
		return
	}
	s.mu.Lock()
	s.replace(all)
	s.mu.Unlock()
	s.reckon()
}

// reckon how the fleet is now, and tell when an outage begins or ends.
func (s *Source) reckon() {
	s.mu.Lock()
	var failing, unknown int
	now, stale := s.clock.Now(), s.config.stale(len(s.order))
	for _, t := range s.order {
		switch p := t.now(now, stale); {
		case p.Unknown != "":
			unknown++
		case p.Failing:
			failing++
		}
	}
	before := s.fleet
	s.fleet = before.Next(now, len(s.order), failing, unknown)
	after := s.fleet
	s.mu.Unlock()
	measure(&after)
	if before.Outage != after.Outage {
		s.outage(after)
	}
}
