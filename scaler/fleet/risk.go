package fleet

import (
	"time"

	"github.com/metapilot/metapilot/scaler/model"
)

// Step is what risk is told of: a component as it was seen, and the size that it would have.
type Step struct {
	Observed *model.Observed
	To       model.Size
}

// Risk of a step down, and what it comes from.
type Risk struct {
	Points  int64
	Reasons []string
}

// factor of risk. Its words have no number in them that changes while nothing happens: they are part of a status.
type factor struct {
	says   string
	points func(*Step) int64 // 0 if it has nothing to say
}

// factors of risk, the gravest first. A new one is a function below and a line here, and a line in testdata/risk.txt; docs/spec/fleet.md lists them.
var factors = []factor{
	{"a container was killed within a week", killed},
	{"a step down was taken back within a week", regretted},
	{"it is a member of a quorum", quorum},
	{"memory shrinks, of which too little kills", memory},
	{"it has a single pod", single},
	{"its history is short", young},
	{"its use comes in bursts", bursty},
	{"it is large, so many depend on it", large},
}

// RiskOf a step down.
func RiskOf(s *Step) (r Risk) {
	for _, f := range factors {
		if points := f.points(s); points > 0 {
			r.Points, r.Reasons = r.Points+points, append(r.Reasons, f.says)
		}
	}
	return r
}

const week = 7 * 24 * time.Hour

func killed(s *Step) int64 {
	for _, k := range s.Observed.Kills {
		if s.Observed.Now.Sub(k.At) < week {
			return 4
		}
	}
	return 0
}

func regretted(s *Step) int64 {
	if at := s.Observed.Regretted; !at.IsZero() && s.Observed.Now.Sub(at) < week {
		return 4
	}
	return 0
}

func quorum(s *Step) int64 {
	if s.Observed.Quorum {
		return 3
	}
	return 0
}

func memory(s *Step) int64 {
	if s.takes(model.Memory) {
		return 2
	}
	return 0
}

func (s *Step) takes(r model.Resource) bool { return s.To.Steered(r) < s.Observed.Size.Steered(r) }

// single: nobody takes over while it is too small. How many it should have counts, not how many there are.
func single(s *Step) int64 {
	if s.Observed.Replicas <= 1 {
		return 2
	}
	return 0
}

// young: nothing is known of its week.
func young(s *Step) (points int64) {
	for _, r := range [...]model.Resource{model.CPU, model.Memory} {
		if known := s.Observed.Profile.Of(r).Since; s.takes(r) && s.Observed.Now.Sub(known) < week {
			points = 2
		}
	}
	return points
}

// bursty: a week's peak is far above what is needed most of the time, in percent.
const burst = 200

func bursty(s *Step) int64 {
	for _, r := range [...]model.Resource{model.CPU, model.Memory} {
		if known := s.Observed.Profile.Of(r); s.takes(r) && known.Target > 0 && known.Peak*100 > known.Target*burst {
			return 1
		}
	}
	return 0
}

// What is large, over all pods: more than most control planes need (docs/spec/fleet.md).
var largeFrom = model.Amounts{CPU: 8000, Memory: 32 << 30}

func large(s *Step) int64 {
	pods := int64(max(s.Observed.Replicas, 1))
	size := s.Observed.Size.Requests
	if size.CPU*pods >= largeFrom.CPU || size.Memory*pods >= largeFrom.Memory {
		return 1
	}
	return 0
}
