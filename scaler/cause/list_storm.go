package cause

import (
	"fmt"
	"slices"
	"strings"

	"github.com/metapilot/metapilot/scaler/model"
)

// A storm is that much work of one flow schema. Kubernetes reckons one seat for a request, for a list one for each hundred objects, and for a change one
// for each ten that watch it, at most ten (k8s.io/apiserver, util/flowcontrol/request), so that wide requests are long lists as a rule. A level has few
// schemas, mostly one, so its share within the level says nothing: it is judged over all levels, and by the work of each request. The numbers are ours.
const (
	stormWork  = 10 // seats that are asked for in a second: a list of a thousand objects, each second
	stormShare = 60 // percent of what all flow schemas ask for
	stormWidth = 3  // seats for each request: on average more than two hundred objects
)

// listStorm: most of what the API server does is lists of much by the clients of one flow schema.
func listStorm(s *sight) model.Cause {
	flows, total, strained := s.flows()
	if len(flows) == 0 {
		return none
	}
	top := slices.MaxFunc(flows, func(a, b model.Flow) int {
		if a.Work != b.Work {
			return compare(a.Work, b.Work)
		}
		return strings.Compare(b.Schema, a.Schema)
	})
	asked := top.Requests + top.Rejected
	if asked <= 0 || !s.over(top.Work, stormWork) || !s.over(top.Work*100, total*stormShare) || !s.over(top.Work, asked*stormWidth) {
		return none
	}
	c := model.Cause{
		Confidence: likely - 5, CPU: model.CannotHelp,
		Says: fmt.Sprintf("most of the API server's work comes through flow schema %s (priority level %s), in requests as wide as lists of many objects", short(top.Schema), short(top.Level)),
		Helps: "find the client in the audit log by that flow schema; let it watch instead of listing again, or list by pages; until then give it " +
			"a priority level of its own with few seats. More CPU would only be used up by it",
		Evidence: []string{fmt.Sprintf("%s asks for %.1f of %.1f seats in a second with %.1f requests: %.1f seats each",
			top.Schema, top.Work, total, asked, top.Work/asked)},
	}
	if strained {
		c.Confidence = sure
	}
	return c
}

// flows are those of all API servers together, what they ask for, and whether an API server is strained.
func (s *sight) flows() (all []model.Flow, total float64, strained bool) {
	s.servers(func(pod *model.Pod, r *model.Reading) {
		used := s.cpu(pod)
		strained = strained || used.known && s.over(float64(used.least), float64(s.p.CPU.Above)) || pod.Throttled >= throttled
		for i := range r.APIServer.Levels {
			strained = strained || r.APIServer.Levels[i].Rejected > turnedAway
		}
		for _, f := range r.APIServer.Flows {
			total += f.Work
			at := slices.IndexFunc(all, func(o model.Flow) bool { return o.Schema == f.Schema && o.Level == f.Level })
			if at < 0 {
				all = append(all, f)
				continue
			}
			all[at].Requests, all[at].Work, all[at].Rejected = all[at].Requests+f.Requests, all[at].Work+f.Work, all[at].Rejected+f.Rejected
		}
	})
	return all, total, strained
}

func compare(a, b float64) int {
	if a < b {
		return -1
	}
	return 1
}
