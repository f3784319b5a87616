package estimator

import (
	"fmt"
	"slices"
	"time"

	"github.com/metapilot/metapilot/scaler/model"
)

// Regret proposes what a component had before it was made smaller, of all that was taken, at the first sign that it was wrong: an OOM kill, use above a
// source's threshold, a pod that is not ready. It says nothing otherwise, so it is not one of All.
func Regret(o *model.Observed, p *model.Policy) (all []model.Proposal) {
	if _, watched := Watched(o, p); !watched {
		return nil
	}
	s := signOf(o, p)
	if s.says == "" {
		return nil
	}
	before := &o.Lowered.From
	for _, r := range [...]model.Resource{model.CPU, model.Memory} {
		if value := before.Steered(r); o.Lowered.Took(r, o.Size) {
			all = append(all, model.Proposal{
				Estimator: "regret", Resource: r, Value: value, Proven: before.Requests.Of(r), Urgent: true, Back: true,
				Source: s.source, Signal: s.at, Pod: s.pod,
				Says: fmt.Sprintf("regret: %s, after it was made smaller at %s", s.says, o.Lowered.At.UTC().Format(time.TimeOnly)),
			})
		}
	}
	return all
}

// Watched tells whether the last step down is watched, and until when; until is zero as long as its pods have not got it.
func Watched(o *model.Observed, p *model.Policy) (until time.Time, watched bool) {
	down := &o.Lowered
	since := down.Had
	switch {
	case down.At.IsZero() || !down.Took(model.CPU, o.Size) && !down.Took(model.Memory, o.Size):
		return time.Time{}, false
	case since.IsZero() && down.To != o.Size: // something else has come since, for other reasons
		since = o.Carried.At
	case since.IsZero():
		return time.Time{}, true
	}
	until = since.Add(p.Watch)
	return until, o.Now.Before(until)
}

// sign that a step down was wrong.
type sign struct {
	says, source, pod string
	at                time.Time
}

func signOf(o *model.Observed, p *model.Policy) sign {
	for _, k := range slices.Backward(o.Kills) {
		if !k.At.Before(o.Lowered.At.Truncate(time.Second)) { // kubelets tell whole seconds
			return sign{fmt.Sprintf("%s was OOM-killed at %s", k.Pod, model.Short(model.Memory, k.Limit)), "oom", k.Pod, k.At}
		}
	}
	if s := strained(o, model.Memory, p.Memory); s.says != "" && o.Lowered.Took(model.Memory, o.Size) {
		return s
	}
	if s := strained(o, model.CPU, p.CPU); s.says != "" {
		return s
	}
	if s := choked(o, p); s.says != "" && o.Lowered.Took(model.CPU, o.Size) {
		return s
	}
	if s := unwell(o); s.says != "" || !p.Probe {
		return s
	}
	return unanswered(o)
}

// strained: a pod has begun to use so much that the source calls for more. CPU counts after a step of memory, too: a collector of garbage with less
// memory takes more of it. Memory does not after a step of CPU: nothing needs more of it for that.
func strained(o *model.Observed, r model.Resource, source model.Utilization) sign {
	have := o.Size.Steered(r)
	if !source.Enabled || have == 0 || o.Metrics != "" {
		return sign{}
	}
	pod, need := hungriest(o, r, source, have)
	if need.used == 0 {
		return sign{}
	}
	if need.since.Before(o.Lowered.At) { // readings are told late, so it may have begun before the step
		need.since = o.Lowered.At
	}
	if pod.Usage[len(pod.Usage)-1].At.Sub(need.since) < source.For && need.projected == 0 {
		return sign{}
	}
	return sign{fmt.Sprintf("%s %s, and has %s", pod.Name, need.says(r), model.Short(r, have)), string(r), pod.Name, need.since}
}

// choked: a pod is throttled by its smaller limit so that the source calls for more.
func choked(o *model.Observed, p *model.Policy) sign {
	pod, percent, since := mostThrottled(o, p)
	if pod == nil || !p.Throttling.Enabled || o.Size.Limits.CPU == 0 || since.Before(o.Lowered.At) {
		return sign{}
	}
	return sign{fmt.Sprintf("%s is kept from running by its CPU limit in %d%% of the time", pod.Name, percent), "throttling", pod.Name, since}
}

const (
	// patience is for how long a pod may not be ready until that is put down to its new size.
	patience = time.Minute
	// replacing is for how long so where pods are replaced, of which each begins by not being ready.
	replacing = 10 * time.Minute
)

// unwell: a pod has not been ready for some time since.
func unwell(o *model.Observed) sign {
	wait := patience
	if o.Replaced || o.Restarting {
		wait = replacing
	}
	for i := range o.Pods {
		pod := &o.Pods[i]
		since := pod.Turned
		if since.Before(o.Lowered.At) {
			since = o.Lowered.At
		}
		if !pod.Ready && !pod.Terminating && o.Now.Sub(since) >= wait {
			return sign{pod.Name + " is not ready since " + since.UTC().Format(time.TimeOnly), "ready", pod.Name, since}
		}
	}
	return sign{}
}

// unanswered: the tenant has not answered for some time, since a moment after its pods had the smaller size. What failed before the step, or long
// after it, is not put down to it.
func unanswered(o *model.Observed) sign {
	probe, had := &o.Probe, later(o.Lowered.At, o.Lowered.Had)
	begun := probe.Failing && !probe.Since.Before(o.Lowered.At) && probe.Since.Sub(had) <= patience
	if !begun || probe.At.Sub(probe.Since) < patience {
		return sign{}
	}
	return sign{"the tenant's probe fails since " + probe.Since.UTC().Format(time.TimeOnly) + ": " + probe.Says, "probe", "", probe.Since}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
