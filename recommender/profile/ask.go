package profile

import (
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/recommender/source"
)

// usage is what the sources have told in one pass, by pod.
type usage map[client.ObjectKey][]source.Known

// ask asks all sources at once what the workloads of these profiles use now.
func (r *Recommender) ask(ctx context.Context, profiles []*v1alpha1.WorkloadProfile) usage {
	bounded, cancel := context.WithTimeout(ctx, min(r.Options.Period, patience))
	defer cancel()
	told := source.Ask(bounded, r.Sources, namespacesOf(profiles))
	for _, t := range told {
		r.blame(t.Source, t.Answer.Fault)
	}
	used := usage{}
	for _, one := range source.Merge(r.Clock.Now(), fresh*r.Options.Period, told) {
		pod := client.ObjectKey{Namespace: one.Namespace, Name: one.Pod}
		used[pod] = append(used[pod], one)
	}
	return used
}

// namespacesOf profiles, which are ordered by them.
func namespacesOf(profiles []*v1alpha1.WorkloadProfile) (all []string) {
	for _, p := range profiles {
		if n := len(all); n == 0 || all[n-1] != p.Namespace {
			all = append(all, p.Namespace)
		}
	}
	return all
}

// blame remembers what is wrong with a source's last answer, if anything.
func (r *Recommender) blame(name, fault string) {
	r.faults[name] = fault
	if fault != "" {
		sourceFaults.WithLabelValues(name).Inc()
	}
}

const (
	// patience is how long a source may take to answer.
	patience = 15 * time.Second
	// fresh is how many periods old a reading may be before another source is asked for a newer one.
	fresh = 2
)

// archive is what was asked of the past in one pass.
type archive struct {
	until     time.Time // when the time for such questions is over
	fault     string    // of the last question, if nothing came of it: it would be the same for the next one
	namespace string    // that the answer is about
	from      time.Time
	readings  []source.Reading
	partial   bool // some of the answer is missing
}

// fill reads the past where it is missing, from a source that knows it. It is false while that is to be tried again: samples of now would make
// those of the past out of order.
func (r *Recommender) fill(ctx context.Context, p *v1alpha1.WorkloadProfile, t target, h *history) bool {
	historian, now := r.historian(), r.Clock.Now()
	switch {
	case historian == nil, h.fillings >= tries, now.Sub(h.last) < missed*r.Options.Period:
		return true
	case r.past.fault == "" && now.After(r.past.until):
		return false
	}
	h.fillings++
	from := later(h.last, now.Add(-remembered))
	r.consult(ctx, historian, p.Namespace, from, now)
	switch {
	case r.past.fault != "":
		return h.fillings >= tries
	case r.past.partial && h.fillings < tries:
		return false // what is missing could not be counted any more after what came later
	}
	h.fillings = tries // until there is a sample
	var own []source.Reading
	for _, one := range r.past.readings {
		if one.At.After(from) && t.has(one.Container) && belongs(p, t, one.Pod) {
			own = append(own, one)
		}
	}
	h.replay(now, historian.Name(), own)
	return true
}

// consult asks for the past of a namespace, unless that was done already, or cannot be done now.
func (r *Recommender) consult(ctx context.Context, historian source.Historian, namespace string, from, now time.Time) {
	if r.past.fault != "" || r.past.namespace == namespace && !r.past.from.After(from) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	answer := historian.History(ctx, namespace, from, now)
	r.past.namespace, r.past.from, r.past.readings, r.past.partial = namespace, from, answer.Readings, answer.Partial
	if len(answer.Readings) == 0 {
		r.past.fault = answer.Fault
	}
	if answer.Fault != "" {
		r.blame(historian.Name(), answer.Fault)
	}
}

const (
	missed     = 3                  // periods without a sample are a gap worth asking about
	tries      = 3                  // before the past is given up
	remembered = 8 * 24 * time.Hour // VPA's length of history
	longest    = 30 * time.Second   // for one namespace's past
)

func (r *Recommender) historian() source.Historian {
	for _, s := range r.Sources {
		if h, ok := s.(source.Historian); ok {
			return h
		}
	}
	return nil
}

func belongs(p *v1alpha1.WorkloadProfile, t target, pod string) bool {
	return madeFor(p.Spec.TargetRef, pod) || slices.ContainsFunc(t.pods, func(one *corev1.Pod) bool { return one.Name == pod })
}
