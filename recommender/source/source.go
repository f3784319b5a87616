// Package source is what tells how much containers use: one folder for each source.
//
// It owns the contract between sources and the recommender. A source tells what it was told, with its faults, and never judges an amount: which
// samples count is the model's matter. What a source cannot tell is missing from its answer and never a zero.
//
// To add a source: implement Source in a folder of its own, and Historian if it knows the past; run Contract of package sourcetest against a real server of its
// kind; name it in the list of cmd/workload-recommender.
package source

import (
	"context"
	"time"

	"github.com/metapilot/metapilot/recommender/model"
)

// Source tells what is used now.
type Source interface {
	// Name is what flags, statuses and metrics call it.
	Name() string
	// Read asks what all containers use now. It returns when the context ends, with what it has by then.
	Read(ctx context.Context) Answer
}

// Historian is a source that knows the past.
type Historian interface {
	Source
	// History asks for what the containers of one namespace have used, in steps of at most five minutes. Readings of a container come in order
	// of time.
	History(ctx context.Context, namespace string, from, to time.Time) Answer
}

// Answer is what a source was told.
type Answer struct {
	Readings []Reading
	// Fault is why there may be more that is not in Readings: no answer, a part of one, one that makes no sense. It is in a person's words, and names what to look at;
	// empty if nothing is missing.
	Fault string
}

// Reading is one amount of one container.
type Reading struct {
	Namespace, Pod, Container string
	Resource                  model.Resource
	At                        time.Time
	Amount                    float64 // thousandths of a core or bytes, just as it was told
}
