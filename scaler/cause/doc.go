// Package cause finds out why a component is in trouble: one file for each cause, one line for each in All.
//
// It owns the rules from what was seen to what is wrong and what would help, and the thresholds, each with its source. It never decides about a size, and
// what is not known makes no cause: neither zero nor silence of a source is taken for an answer.
package cause

import (
	"cmp"
	"slices"

	"github.com/metapilot/metapilot/scaler/model"
)

// Cause is a kind of trouble and how it is recognised.
//
// How to add one: write a file with a function that looks at a sight and returns the cause, or nothing if it is not seen; add its line to All; write
// testdata/<cause>.txt with a case that has it, one that has not quite enough of it, and one without its evidence; add its row to docs/spec/causes.md.
// Words have no numbers, which belong into Evidence, and a confidence is one of the three below or a step between them: what is told is not written anew
// at every look. CPU is CannotHelp only if that is certain: growth of CPU by utilisation is held then.
type Cause struct {
	Type string
	find func(*sight) model.Cause // of no confidence if it is not seen
}

// All causes, in the order in which those of the same confidence are told.
var All = []Cause{
	{"SeatsFull", seatsFull},
	{"ListStorm", listStorm},
	{"SlowWebhook", slowWebhook},
	{"SlowDisk", slowDisk},
	{"QuotaNear", quotaNear},
	{"TooSmallFromBirth", tooSmallFromBirth},
	{"CPUBound", cpuBound},
	{"Leak", leak},
}

// How sure a rule is.
const (
	sure   = 90 // what was measured is the cause itself
	likely = 75 // it was measured, and something else may do the same
	maybe  = 60 // something that it leads to was seen
)

// Find are the causes that are seen, the surest first.
func Find(o *model.Observed, p *model.Policy) (found []model.Cause) {
	if !p.Causes {
		return nil
	}
	for _, c := range All {
		one := c.find(&sight{o: o, p: p, told: o.Told(c.Type)})
		if one.Confidence == 0 {
			continue
		}
		one.Type = c.Type
		found = append(found, one)
	}
	slices.SortStableFunc(found, func(a, b model.Cause) int { return cmp.Compare(b.Confidence, a.Confidence) })
	return found
}

var none = model.Cause{}
