// Package source is what tells how much containers use: one folder for each source.
//
// It owns the contract between sources and the recommender, and the precedence among several sources. A source tells what it was told, with its
// faults, and never judges an amount: which samples count is the model's matter. What a source cannot tell is missing from its answer and never a
// zero.
//
// # How to add a source
//
//  1. Make a folder here, and in it a type that implements Source, and Historian if it knows the past. A constant Name is what people call it.
//     Its constructor refuses a configuration that cannot work, in words that say what would; it asks nobody yet.
//  2. Ask for no more than the namespaces that are wanted, end with the context, and bound the size of what is read: an answer of ten thousand
//     containers is an ordinary one, and one that never ends must do no harm.
//  3. Whatever is missing from an answer goes into its Fault: not answered, answered in part, or by something else. Say what came instead and what
//     to do about it, for it is read in the status of a WorkloadProfile. Never give a zero, the last amount again, or the time of asking in place
//     of one that is not known.
//  4. Run sourcetest.Contract in a test, on a server that speaks as the real one does; add what only this kind of server can do wrong.
//  5. Name it in the list of cmd/workload-recommender, after those that it shall give way to, and in the docs.
//
// Kills for want of memory are no readings; they have a room of their own, oom.
package source

import (
	"context"
	"sync"
	"time"

	"github.com/metapilot/metapilot/recommender/model"
)

// Source tells what is used now. It may be asked by several at a time.
type Source interface {
	// Name is what flags, statuses and metrics call it: lower case, words joined by dashes.
	Name() string
	// Read asks what the containers of these namespaces use now: at most one reading of each resource of each container, and none of other
	// namespaces. It returns when the context ends, with what it has by then.
	Read(ctx context.Context, namespaces []string) Answer
}

// Historian is a source that knows the past.
type Historian interface {
	Source
	// History asks for what the containers of one namespace have used, from and to included, in steps of at most five minutes; an amount is
	// the highest of its step. Asking again gives the same times. Readings of a container come in the order in which they were told, which is
	// that of time if the source does not lie. What is asked for at once is held at once: ask for the days of a large namespace one by one.
	History(ctx context.Context, namespace string, from, to time.Time) Answer
}

// Answer is what a source was told.
type Answer struct {
	Readings []Reading
	// Fault is why there may be more that is not in Readings, or why not all of them can be right: no answer, a part of one, one that makes
	// no sense. It is in a person's words, and names what to look at; empty if nothing is missing.
	Fault string
	// Partial is that a question was not answered, or not in full, so that asking it again may tell more.
	Partial bool
}

// Reading is one amount of one container.
type Reading struct {
	Namespace, Pod, Container string
	Resource                  model.Resource
	At                        time.Time
	Amount                    float64 // thousandths of a core or bytes, just as it was told
}

// Told is the answer of the source of that name.
type Told struct {
	Source string
	Answer Answer
}

// Ask asks all sources at once, so that a slow one takes no time from the others, and returns their answers in the order of the sources.
func Ask(ctx context.Context, sources []Source, namespaces []string) []Told {
	told := make([]Told, len(sources))
	var all sync.WaitGroup
	for i, s := range sources {
		all.Go(func() { told[i] = Told{s.Name(), s.Read(ctx, namespaces)} })
	}
	all.Wait()
	return told
}
