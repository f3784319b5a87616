package cause

import (
	"fmt"

	"github.com/metapilot/metapilot/scaler/model"
)

// cpuBound: a pod uses nearly all the CPU that it has asked for, for as long as the policy wants that, or its limit holds it back.
func cpuBound(s *sight) model.Cause {
	c := model.Cause{
		Says: "it uses the CPU that it has asked for, or is held back by its CPU limit", Helps: "more CPU", CPU: model.Helps,
	}
	for i := range s.o.Pods {
		pod := &s.o.Pods[i]
		used, held := s.cpu(pod), s.over(float64(pod.Throttled), throttled-1)
		busy := used.known && s.over(float64(used.least), float64(s.p.CPU.Above))
		if !busy && !held || pod.Terminating {
			continue
		}
		if c.Confidence = max(c.Confidence, likely-5); held || used.least >= 100 {
			c.Confidence = sure - 5
		}
		if busy {
			c.Evidence = append(c.Evidence, fmt.Sprintf("%s uses %d%% to %d%% of its request of %s", pod.Name, used.least, used.most, model.Short(model.CPU, pod.Actual.Requests.CPU)))
		}
		if held {
			c.Evidence = append(c.Evidence, fmt.Sprintf("%s is throttled in %d%% of the scheduler's periods", pod.Name, pod.Throttled))
		}
	}
	if c.Confidence == 0 {
		return none
	}
	c.Evidence = lines(c.Evidence)
	return c
}
