// Package estimator proposes sizes: one file for each way to estimate, one line for each in All.
//
// It owns the arithmetic from what was seen to what would be enough. It never lowers anything but through an estimator that is made for it, and
// never decides whether a proposal is followed.
package estimator

import "github.com/metapilot/metapilot/scaler/model"

// Estimator proposes a size for one resource, or abstains.
type Estimator struct {
	Name    string
	Propose func(*model.Observed, *model.Policy) model.Proposal
}

// All estimators, in the order in which they are shown. Estimators by OOM and by utilisation only raise; profiles alone lower, and not below
// the floor of the cluster's scale.
var All = []Estimator{
	{"oom", OOM},
	{"cpu-utilization", CPU},
	{"memory-utilization", Memory},
	{"cpu-throttling", Throttling},
	{"cpu-profile", CPUProfile},
	{"memory-profile", MemoryProfile},
	{"cpu-size", CPUBySize},
	{"memory-size", MemoryBySize},
}

func abstain(r model.Resource, why string) model.Proposal {
	return model.Proposal{Resource: r, Says: why}
}
