package estimator

import (
	"fmt"
	"time"

	"github.com/metapilot/metapilot/scaler/model"
)

// leastGain is what a throttled container gets more at least, in percent: what it would use is not seen, for its limit hides it.
const leastGain = 25

// Throttling proposes a larger CPU request where the limit, which grows with it, keeps a container from running: by the share of time in which it does.
// Without a limit nothing is throttled, and other estimators see what is used.
func Throttling(o *model.Observed, p *model.Policy) model.Proposal {
	have := o.Size.Requests.CPU
	switch {
	case !p.Throttling.Enabled:
		return abstain(model.CPU, "its source is switched off")
	case o.Size.Limits.CPU == 0:
		return abstain(model.CPU, "the container has no CPU limit, so nothing throttles it")
	case have == 0:
		return abstain(model.CPU, "the container has no CPU request, so that its limit would not grow with it")
	}
	pod, percent, since := mostThrottled(o, p)
	if pod == nil {
		return abstain(model.CPU, "no pod is throttled so much for long enough")
	}
	return model.Proposal{
		Resource: model.CPU, Value: have * (100 + max(percent, leastGain)) / 100, Source: "throttling", Signal: since, Pod: pod.Name,
		Says: fmt.Sprintf("%s is kept from running by its CPU limit of %s in %d%% of the time since %s",
			pod.Name, model.Short(model.CPU, o.Size.Limits.CPU), percent, since.UTC().Format(time.TimeOnly)),
	}
}

// mostThrottled is the pod that is throttled most, of those that are for long enough.
func mostThrottled(o *model.Observed, p *model.Policy) (pod *model.Pod, percent int64, since time.Time) {
	for i := range o.Pods {
		n := len(o.Pods[i].Throttling)
		if n == 0 || o.Pods[i].Terminating {
			continue
		}
		last := o.Pods[i].Throttling[n-1]
		began := throttledSince(o, &o.Pods[i], p.Throttling.Above)
		if !began.IsZero() && last.At.Sub(began) >= p.Throttling.For && last.Percent > percent {
			pod, percent, since = &o.Pods[i], last.Percent, began
		}
	}
	return pod, percent, since
}

// throttledSince is since when it was throttled more than so much, without a break; zero if it is not. What was before the last change of its size was
// another limit.
func throttledSince(o *model.Observed, pod *model.Pod, above int64) (since time.Time) {
	changed := o.Grown
	if o.Shrunk.After(changed) {
		changed = o.Shrunk
	}
	for i := len(pod.Throttling) - 1; i >= 0; i-- {
		t := &pod.Throttling[i]
		began := t.At.Add(-t.Over)
		if t.Percent <= above || began.Before(changed) {
			break
		}
		since = began
	}
	return since
}
