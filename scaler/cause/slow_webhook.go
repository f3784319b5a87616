package cause

import (
	"fmt"
	"time"

	"github.com/metapilot/metapilot/scaler/model"
)

// A webhook is slow when a change through it cannot keep Kubernetes' objective for one object, 99 of 100 within a second (sig-scalability,
// slos/api_call_latency.md), or takes half of that on average, which fewer calls are enough for.
const (
	slowCall  = time.Second
	slowMean  = slowCall / 2
	fewCalls  = 10
	mostSeats = 50 // percent of the taken seats, above which it is the webhook that takes them. Ours
)

// slowWebhook: an admission webhook takes long to answer, and every request that it is asked about with it.
func slowWebhook(s *sight) model.Cause {
	c := model.Cause{CPU: model.CannotHelp, Memory: model.CannotHelp}
	var slow []string
	s.servers(func(pod *model.Pod, r *model.Reading) {
		holds, seats := 0.0, 0.0
		for i := range r.APIServer.Webhooks {
			w := &r.APIServer.Webhooks[i]
			calls := times(r, max(w.Calls, w.Latency.Count))
			byMean := calls >= fewCalls && s.over(w.Latency.Mean.Seconds(), slowMean.Seconds())
			byTail := calls >= enough && s.over(w.Latency.P99.Seconds(), slowCall.Seconds())
			if !byMean && !byTail {
				continue
			}
			if slow, holds = append(slow, short(w.Name)), holds+w.Calls*w.Latency.Mean.Seconds(); byMean {
				c.Confidence = max(c.Confidence, likely+5)
			}
			c.Confidence = max(c.Confidence, maybe+5)
			c.Evidence = append(c.Evidence, fmt.Sprintf("%s asks %s %.1f times in a second: mean %s, p99 %s, %.1f failed or refused",
				pod.Name, short(w.Name), w.Calls, ms(w.Latency.Mean), ms(w.Latency.P99), w.Rejected))
		}
		for i := range r.APIServer.Levels {
			seats += r.APIServer.Levels[i].Executing
		}
		if seats > 0 && holds*100 >= seats*mostSeats { // by Little's law as many requests wait for it at any time
			c.Confidence = sure + 5
		}
	})
	if c.Confidence == 0 {
		return none
	}
	c.Says = "changes wait for admission webhook " + named(slow)
	c.Helps = "repair the webhook or what it asks, lower its timeoutSeconds, or narrow its rules and selectors; nothing that the API server gets makes it faster"
	c.Evidence = lines(c.Evidence)
	return c
}
