package cause

import (
	"fmt"
	"time"

	"github.com/metapilot/metapilot/scaler/model"
)

// young is for how long a component counts as just born. Ours: the hour in which its clients come, and its caches fill.
const young = time.Hour

// tooSmallFromBirth: it was killed or held back in its first hour, and had never been larger. That is no load that came: its first size was wrong.
func tooSmallFromBirth(s *sight) model.Cause {
	o := s.o
	if o.Born.IsZero() || !o.Lowered.At.IsZero() || !o.Shrunk.IsZero() {
		return none
	}
	c := model.Cause{
		Says:  "it was too small from the beginning: it had trouble within an hour of its birth, and had never been larger",
		Helps: "a larger preset, or bounds.min, for the next one of its kind; this one grows",
	}
	if k := o.Kills; killedYoung(o, s.p) {
		c.Confidence, c.Memory = sure, model.Helps
		c.Evidence = append(c.Evidence, fmt.Sprintf("%s was killed at %s, %s after its birth", k[0].Pod, model.Short(model.Memory, k[0].Limit), k[0].At.Sub(o.Born).Round(time.Second)))
	}
	for i := range o.Pods {
		if pod := &o.Pods[i]; throttledYoung(o, pod) {
			c.Confidence, c.CPU = max(c.Confidence, likely), model.Helps
			c.Evidence = append(c.Evidence, fmt.Sprintf("%s is throttled in %d%% of the scheduler's periods", pod.Name, pod.Throttled))
		}
	}
	if c.Confidence == 0 {
		return none
	}
	c.Evidence = lines(c.Evidence)
	return c
}

// killedYoung: the first of its recent kills was in its first hour and before it ever grew, and the last one matters still.
func killedYoung(o *model.Observed, p *model.Policy) bool {
	if len(o.Kills) == 0 {
		return false
	}
	first, last := o.Kills[0].At, o.Kills[len(o.Kills)-1].At
	return !first.Before(o.Born) && first.Sub(o.Born) <= young && (o.Grown.IsZero() || !o.Grown.Before(first)) && o.Now.Sub(last) <= p.RepeatWithin
}

func throttledYoung(o *model.Observed, pod *model.Pod) bool {
	return o.Now.Sub(o.Born) <= young && o.Grown.IsZero() && pod.Throttled >= throttled && !pod.Terminating
}
