package programs

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/metapilot/metapilot/scaler/model"
	"github.com/metapilot/metapilot/scaler/source/exposition"
)

// apiServerOf is what an API server says. Without rates it is what changes slowly alone.
func apiServerOf(a *exposition.Answer, r *exposition.Rates) *model.APIServer {
	s := &model.APIServer{Objects: objectsOf(a)}
	if r == nil {
		return s
	}
	for labels, rate := range r.Of(requests) {
		s.Requests += rate
		if labels[0] == "429" {
			s.Rejected += rate
		}
	}
	s.Levels, s.Flows, s.Webhooks = levelsOf(r), flowsOf(r), webhooksOf(r)
	s.Storage = r.Latencies(storage, false)[""]
	return s
}

// objectsOf are the objects that are stored, by resource and group, such as deployments.apps. -1 is a server's word for one that it could not count.
func objectsOf(a *exposition.Answer) map[string]int64 {
	family := objects
	if !a.Tells(objects) {
		family = objectsOnce
	}
	if !a.Tells(family) {
		return nil
	}
	all := map[string]int64{}
	for labels, count := range a.Of(family) {
		if count > 0 {
			all[strings.TrimSuffix(labels[0]+"."+labels[1], ".")] = int64(count)
		}
	}
	return all
}

func levelsOf(r *exposition.Rates) []model.PriorityLevel {
	all := map[string]*model.PriorityLevel{}
	level := func(labels exposition.Labels) *model.PriorityLevel {
		if all[labels[0]] == nil {
			all[labels[0]] = &model.PriorityLevel{Name: labels[0]}
		}
		return all[labels[0]]
	}
	for labels, value := range r.Of(seats) {
		level(labels).Seats = value
	}
	for labels, value := range r.Of(executing) {
		level(labels).Executing = value
	}
	for labels, value := range r.Of(queued) {
		level(labels).Queued = value
	}
	reasons := map[string]map[string]float64{}
	for labels, rate := range r.Of(turnedAway) {
		if rate == 0 {
			continue
		}
		level(labels).Rejected += rate
		if reasons[labels[0]] == nil {
			reasons[labels[0]] = map[string]float64{}
		}
		reasons[labels[0]][labels[2]] += rate
	}
	var sorted []model.PriorityLevel
	for _, name := range slices.Sorted(maps.Keys(all)) {
		all[name].Reason = most(reasons[name])
		sorted = append(sorted, *all[name])
	}
	return sorted
}

// most is the name with the largest number, the first one of several.
func most(numbers map[string]float64) (name string) {
	for _, candidate := range slices.Sorted(maps.Keys(numbers)) {
		if numbers[candidate] > numbers[name] {
			name = candidate
		}
	}
	return name
}

// flowsOf are those through which something came, most work first.
func flowsOf(r *exposition.Rates) []model.Flow {
	all := map[exposition.Labels]*model.Flow{}
	flow := func(labels exposition.Labels) *model.Flow {
		labels[2] = "" // the reason of a rejection
		if all[labels] == nil {
			all[labels] = &model.Flow{Level: labels[0], Schema: labels[1]}
		}
		return all[labels]
	}
	for labels, rate := range r.Of(dispatched) {
		flow(labels).Requests = rate
	}
	for labels, rate := range r.Of(work) {
		flow(labels).Work = rate
	}
	for labels, rate := range r.Of(turnedAway) {
		flow(labels).Rejected += rate
	}
	var sorted []model.Flow
	for _, f := range all {
		if f.Requests > 0 || f.Work > 0 || f.Rejected > 0 {
			sorted = append(sorted, *f)
		}
	}
	slices.SortFunc(sorted, func(a, b model.Flow) int {
		return cmp.Or(cmp.Compare(b.Work, a.Work), cmp.Compare(b.Rejected, a.Rejected), cmp.Compare(a.Level, b.Level), cmp.Compare(a.Schema, b.Schema))
	})
	return sorted
}

// webhooksOf are those that were called.
func webhooksOf(r *exposition.Rates) []model.Webhook {
	rejected := map[string]float64{}
	for _, family := range [...]string{refusals, ignored} {
		for labels, rate := range r.Of(family) {
			rejected[labels[0]] += rate
		}
	}
	latencies := r.Latencies(webhooks, true)
	var all []model.Webhook
	for _, name := range slices.Sorted(maps.Keys(latencies)) {
		if l := latencies[name]; l.Count > 0 {
			all = append(all, model.Webhook{Name: name, Calls: l.Count, Latency: l, Rejected: rejected[name]})
		}
	}
	return all
}
