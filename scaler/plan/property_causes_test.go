package plan

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/metapilot/metapilot/scaler/model"
)

// readings are what programs may say of themselves, also in pieces and long ago.
func (d dice) readings(o *model.Observed, p *model.Policy) {
	if p.Causes = !d.one(10); d.one(3) {
		return
	}
	o.Born = start.Add(-d.span(4 * time.Hour))
	o.Beside = map[string][]model.Pod{}
	for i := range o.Pods {
		pod := &o.Pods[i]
		pod.Throttled = []int64{-1, -1, 0, d.Int64N(101)}[d.IntN(4)]
		pod.Reading = d.reading()
		if d.one(2) {
			o.Beside["etcd"] = append(o.Beside["etcd"], model.Pod{Name: fmt.Sprint("etcd-", i), Reading: d.reading()})
		}
	}
	for _, known := range []string{"SeatsFull", "ListStorm", "CPUBound"} {
		if d.one(4) {
			o.Causes = append(o.Causes, known)
		}
	}
	for range d.IntN(49) {
		o.Profile.Memory.Recent = append(o.Profile.Memory.Recent, d.Int64N(2*o.Size.Steered(model.Memory))-1)
	}
}

func (d dice) reading() (r model.Reading) {
	r = model.Reading{At: start.Add(-d.span(6 * time.Minute)), Over: d.span(2 * time.Minute)}
	if d.one(8) {
		r.Unknown = "no answer"
	}
	if !d.one(3) {
		r.APIServer = &model.APIServer{Requests: d.rate(), Rejected: d.rate(), Storage: d.latency()}
		for i := range d.IntN(3) {
			level := fmt.Sprint("level-", i)
			r.APIServer.Levels = append(r.APIServer.Levels, model.PriorityLevel{Name: level, Seats: d.rate(), Executing: d.rate(), Queued: d.rate(), Rejected: d.rate()})
			r.APIServer.Flows = append(r.APIServer.Flows, model.Flow{Level: level, Schema: "schema", Requests: d.rate(), Work: d.rate(), Rejected: d.rate()})
			r.APIServer.Webhooks = append(r.APIServer.Webhooks, model.Webhook{Name: fmt.Sprint("hook-", i), Calls: d.rate(), Latency: d.latency()})
		}
	}
	if d.one(2) {
		r.Etcd = &model.Etcd{Fsync: d.latency(), Commit: d.latency(), Size: d.Int64N(2 << 30), Used: d.Int64N(2 << 30), Quota: d.Int64N(3 << 30)}
	}
	return r
}

// rate is often none.
func (d dice) rate() float64 { return max(0, d.Float64()*60-20) }

func (d dice) latency() model.Latency {
	return model.Latency{Count: d.rate(), P99: d.span(3 * time.Second), Mean: d.span(time.Second)}
}

// Causes hold nothing but CPU, nothing urgent, and nothing without one that says so; and they take nothing from memory that grows.
func checkCauses(t *testing.T, o *model.Observed, p *model.Policy, plan *model.Plan) {
	for _, v := range plan.Verdicts {
		if v.Guard != "cause" || !v.Held {
			continue
		}
		urgent := slices.ContainsFunc(plan.Proposals, func(one model.Proposal) bool {
			return one.Urgent && one.Resource == v.Resource && one.Value > plan.From.Steered(v.Resource)
		})
		certain := slices.ContainsFunc(plan.Causes, func(c model.Cause) bool { return c.CPU == model.CannotHelp })
		if v.Resource != model.CPU || urgent || !certain || !p.Causes {
			t.Errorf("growth of %s is held for a cause; urgent %t, causes %+v", v.Resource, urgent, plan.Causes)
		}
	}
	without := *p
	without.Causes = false
	if other := Decide(o, &without); other.To.Limits.Memory > plan.From.Limits.Memory && plan.To.Limits.Memory != other.To.Limits.Memory {
		t.Errorf("memory grows to %d without causes, and to %d with %+v", other.To.Limits.Memory, plan.To.Limits.Memory, plan.Causes)
	}
	checkRanks(t, plan.Causes)
}

// The surest comes first, each has words, and none is told twice.
func checkRanks(t *testing.T, causes []model.Cause) {
	seen := map[string]bool{}
	for i, c := range causes {
		if seen[c.Type] || c.Says == "" || c.Helps == "" || len(c.Evidence) == 0 || c.Confidence > 100 || i > 0 && c.Confidence > causes[i-1].Confidence {
			t.Errorf("cause %d is %+v", i, c)
		}
		seen[c.Type] = true
	}
}

// Unknown evidence makes no cause: without readings, usage and kills there is none.
func TestNothingKnownIsNoCause(t *testing.T) {
	for seed := range uint64(500) {
		o, p := randomCase(seed)
		o.Kills, o.Beside, o.Profile = nil, nil, model.Profile{Unknown: "there is none"}
		for i := range o.Pods {
			o.Pods[i].Usage, o.Pods[i].Reading, o.Pods[i].Throttled = nil, model.Reading{}, -1
		}
		if plan := Decide(o, p); len(plan.Causes) > 0 {
			t.Fatalf("seed %d: %+v", seed, plan.Causes)
		}
	}
}

// Draws that show no cause prove nothing: each of those that generators reach has to come, and to hold.
func TestCausesComeInRandomCases(t *testing.T) {
	seen, holds := map[string]int{}, 0
	for seed := range uint64(3000) {
		o, p := randomCase(seed)
		plan := Decide(o, p)
		for _, c := range plan.Causes {
			seen[c.Type]++
		}
		if plan.Held != nil && plan.Held.Guard == "cause" {
			holds++
		}
	}
	for _, want := range []string{"SeatsFull", "ListStorm", "SlowWebhook", "SlowDisk", "QuotaNear", "CPUBound", "TooSmallFromBirth"} {
		if seen[want] == 0 {
			t.Errorf("%s never came in %v", want, seen)
		}
	}
	if holds == 0 {
		t.Error("no growth was ever held for a cause")
	}
}
