package scaler

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/lru"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler/model"
	"github.com/metapilot/metapilot/scaler/record"
)

// beside tells each component of a target about the pods of the others: an API server may wait for etcd.
func beside(views []view) {
	for i := range views {
		o := &views[i].observed
		o.Beside = map[string][]model.Pod{}
		for j := range views {
			if i != j {
				o.Beside[views[j].component.name] = views[j].observed.Pods
			}
		}
	}
}

func typesOf(causes []v1alpha1.Cause) (types []string) {
	for i := range causes {
		types = append(types, causes[i].Type)
	}
	return types
}

const (
	mostCauses = 4  // as many as the status takes
	noise      = 20 // percent of confidence by which a cause is still as sure as it was
)

// saysCauses is what the status says of causes: what it said before, if that says the same.
func (v *view) saysCauses() []v1alpha1.Cause {
	now := record.Causes(v.plan.Causes)
	now = now[:min(len(now), mostCauses)]
	for i := range now {
		now[i].Evidence = nil // which is another one at every look
	}
	if before := v.before.Causes; sameCauses(before, now) {
		return before
	}
	return now
}

// sameCauses tells whether both tell of the same ones, in any order and about as sure.
func sameCauses(before, now []v1alpha1.Cause) bool {
	if len(before) != len(now) {
		return false
	}
	for i := range now {
		n := &now[i]
		if !slices.ContainsFunc(before, func(b v1alpha1.Cause) bool {
			return b.Type == n.Type && b.Says == n.Says && b.Helps == n.Helps && max(b.ConfidencePercent-n.ConfidencePercent, n.ConfidencePercent-b.ConfidencePercent) < noise
		}) {
			return false
		}
	}
	return true
}

const (
	sameCause   = time.Hour // in which nobody is told a second time
	announcings = 10_000    // that are kept in mind
)

func announced() *lru.Cache { return lru.New(announcings) }

// announceCauses tells people of causes that the status did not tell of before; what comes and goes is told once an hour.
func (r *Reconciler) announceCauses(cs *v1alpha1.ClusterScaler, t target, views []view) {
	for i := range views {
		v := &views[i]
		known, now := typesOf(v.before.Causes), v.observed.Now
		for _, c := range v.saysCauses() {
			key := [3]string{string(cs.UID), v.component.name, c.Type}
			if last, told := r.announced.Get(key); slices.Contains(known, c.Type) || told && now.Sub(last.(time.Time)) < sameCause {
				continue
			}
			r.announced.Add(key, now)
			r.event(cs, t, nil, v.component.name, kindOfCause(v.plan.Causes, c.Type), c.Type, c.Says+". What would help: "+c.Helps)
		}
	}
}

// kindOfCause is a warning, unless the scaler helps.
func kindOfCause(all []model.Cause, of string) string {
	i := slices.IndexFunc(all, func(c model.Cause) bool { return c.Type == of })
	if i >= 0 && (all[i].CPU == model.Helps || all[i].Memory == model.Helps) {
		return corev1.EventTypeNormal
	}
	return corev1.EventTypeWarning
}
