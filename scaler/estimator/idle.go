package estimator

import (
	"fmt"
	"time"

	"github.com/metapilot/metapilot/scaler/model"
)

// NextIdle is for how long a resource was seen to be too large, this look included, from what the last look left: all that is recommended and used of
// it is below the policy's share of the size.
//
// Unknown is not idle. A look that knows nothing leaves the spell as it is, for no longer than blink; what a short blindness took of a spell is not
// counted. So a restart of the scaler loses nothing, and a clock that jumps begins anew.
func NextIdle(o *model.Observed, p *model.Policy, r model.Resource) model.Idle {
	was := *o.Idle.Of(r)
	since := o.Now.Sub(was.Seen)
	switch {
	case !p.Profile:
		return model.Idle{}
	case blank(o, p):
		if since > blink || since < 0 {
			return model.Idle{}
		}
		return was
	case busy(o, p, r) != "":
		return model.Idle{}
	}
	target := o.Profile.Of(r).Worth()
	if since > blink || since < 0 || contradicted(o, &was, r) || was.Highest*100 >= o.Size.Steered(r)*p.Below {
		return model.Idle{Since: o.Now, Seen: o.Now, Highest: target}
	}
	if since > noted+late {
		was.Since = was.Since.Add(since)
	}
	if seen := o.Now.Truncate(noted); seen.After(was.Seen) {
		was.Seen = seen
	}
	was.Highest = max(was.Highest, target)
	return was
}

const (
	// noted is how often it is noted that a spell goes on: each time is a write of status for each tenant.
	noted = 3 * time.Minute
	// late is how long a look may be overdue for no reason to worry.
	late = 2 * time.Minute
	// blink is for how long nothing may be known of a spell that goes on.
	blink = 10 * time.Minute
)

// blank: the look tells nothing of what is needed, because nobody knows what is used, or nobody can use what does not answer.
func blank(o *model.Observed, p *model.Policy) bool {
	return Blind(o) != "" || p.Probe && o.Probe.Failing
}

// contradicted: since the spell began, a kill or a step that was taken back has shown that it rests on too little.
func contradicted(o *model.Observed, was *model.Idle, r model.Resource) bool {
	n := len(o.Kills)
	return o.Regretted.After(was.Since) || r == model.Memory && n > 0 && o.Kills[n-1].At.After(was.Since)
}

// Blind is why nobody knows what all pods use and need now; empty if that is known.
func Blind(o *model.Observed) string {
	if o.Metrics != "" {
		return "usage is not known: " + o.Metrics
	}
	live := 0
	for i := range o.Pods {
		switch pod := &o.Pods[i]; {
		case pod.Terminating:
			continue
		case len(pod.Usage) == 0:
			return "usage of " + pod.Name + " is not known"
		}
		live++
	}
	if live == 0 {
		return "it has no pods"
	}
	return o.Profile.Doubt(o.Now)
}

// busy is why a resource is not too large; empty if it is.
func busy(o *model.Observed, p *model.Policy, r model.Resource) string {
	have, known := o.Size.Steered(r), o.Profile.Of(r)
	need := known.Needs()
	switch {
	case have == 0:
		return "the container has neither request nor limit of it"
	case known.Target == 0:
		return nothing(o, r)
	case need*100 >= have*p.Below:
		return fmt.Sprintf("%d%% of it may be needed, says WorkloadProfile %s, and it shrinks below %d%%", need*100/have, o.Profile.Name, p.Below)
	case peak(o.Pods, r)*100 >= have*p.Below:
		return fmt.Sprintf("more than %d%% of it was used a moment ago", p.Below)
	}
	return ""
}

func nothing(o *model.Observed, r model.Resource) string {
	why := "WorkloadProfile " + o.Profile.Name + " recommends nothing of it"
	if says := o.Profile.Of(r).Says; says != "" {
		why += ": " + says
	}
	return why
}
