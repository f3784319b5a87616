// Package prometheus asks a Prometheus, or what speaks its HTTP API, for what the cAdvisor of the kubelets has measured.
//
// It owns the queries. It never asks without naming namespaces, never follows a redirect, where its token would go along, never takes a sample
// that is missing for a zero, and chooses among several series of one container only to say that it did.
package prometheus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/metapilot/metapilot/recommender/model"
	"github.com/metapilot/metapilot/recommender/source"
)

// Name of the source.
const Name = "prometheus"

const (
	// step of history; the model keeps a day of peaks in steps of this length.
	step = 5 * time.Minute
	// chunk is how much of history one query asks for: 288 points of a series, where Prometheus refuses more than 11,000. A namespace of a hundred
	// containers is some 900 KiB.
	chunk = 24 * time.Hour
	// perQuery is how many namespaces one query names: it stays below 20 kB, and a query that fails takes no more with it.
	perQuery = 300
)

// Source is the source.
type Source struct {
	api    *client
	words  language
	labels Labels
}

var _ source.Historian = (*Source)(nil)

// New makes the source. It reads the files that the options name, and asks nobody yet.
func New(o Options) (*Source, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	api, err := newClient(o)
	if err != nil {
		return nil, err
	}
	return &Source{api, language{o.Labels, o.Matchers, o.Window}, o.Labels}, nil
}

// Name is Name.
func (*Source) Name() string { return Name }

// Read asks by instant queries. They leave the time to Prometheus: one whose clock differs from ours is then seen by the model, and not hidden.
func (s *Source) Read(ctx context.Context, namespaces []string) source.Answer {
	var all collected
	wanted := slices.Compact(slices.Sorted(slices.Values(namespaces)))
	for some := range slices.Chunk(wanted, perQuery) {
		for r := range model.Resources {
			all.add(s.now(ctx, r, some))
		}
	}
	for r := range model.Resources {
		if all.counts[r] == 0 && len(all.faults) == 0 && len(wanted) > 0 {
			all.fault(s.words.advise(r))
		}
	}
	return all.answer()
}

func (s *Source) now(ctx context.Context, r model.Resource, namespaces []string) ([]source.Reading, error) {
	series, err := s.api.instant(ctx, s.words.now(r, namespaces))
	told := s.fold(series, namespaces)
	for i := range told.containers {
		told.containers[i].newest()
	}
	return told.readings(r), errors.Join(err, told.fault())
}

// History asks by range queries, day by day, the oldest first, both resources of a day before the next one. The times are whole steps, so that
// asking again tells nothing twice.
func (s *Source) History(ctx context.Context, namespace string, from, to time.Time) source.Answer {
	var all collected
	start := from.Truncate(step)
	if start.Before(from) {
		start = start.Add(step)
	}
	for ; !start.After(to); start = start.Add(chunk) {
		end := start.Add(chunk - step)
		if end.After(to) {
			end = to.Truncate(step)
		}
		for r := range model.Resources {
			all.add(s.past(ctx, r, namespace, start, end))
		}
	}
	return all.answer()
}

// past asks for less at a time when there is too much for one answer.
func (s *Source) past(ctx context.Context, r model.Resource, namespace string, from, to time.Time) ([]source.Reading, error) {
	series, err := s.api.past(ctx, s.words.past(r, namespace), from, to)
	if steps := to.Sub(from) / step; errors.Is(err, errTooLarge) && steps > 0 {
		middle := from.Add(steps / 2 * step)
		older, first := s.past(ctx, r, namespace, from, middle)
		newer, second := s.past(ctx, r, namespace, middle.Add(step), to)
		return append(older, newer...), errors.Join(first, second)
	}
	if err != nil {
		err = unanswered{err}
	}
	told := s.fold(series, []string{namespace})
	return told.readings(r), errors.Join(err, told.fault())
}

// unanswered is what is wrong with an answer that may be another one the next time.
type unanswered struct{ error }

// collected is what several queries have brought.
type collected struct {
	readings []source.Reading
	counts   [model.Resources]int
	partial  bool
	faults   []string // without those that were told before: what is wrong with one query is mostly wrong with all
}

func (c *collected) add(readings []source.Reading, err error) {
	c.readings = append(c.readings, readings...)
	for _, r := range readings {
		c.counts[r.Resource]++
	}
	if err != nil {
		c.partial = c.partial || errors.As(err, new(unanswered))
		for line := range strings.Lines(err.Error()) {
			c.fault(strings.TrimSpace(line))
		}
	}
}

func (c *collected) fault(words string) {
	if !slices.Contains(c.faults, words) {
		c.faults = append(c.faults, words)
	}
}

// inFull is how many faults are told, before the others are counted.
const inFull = 2

func (c *collected) answer() source.Answer {
	words := strings.Join(c.faults[:min(inFull, len(c.faults))], "; ")
	if more := len(c.faults) - inFull; more > 0 {
		words += fmt.Sprintf("; and %d more faults", more)
	}
	return source.Answer{Readings: c.readings, Fault: words, Partial: c.partial}
}
