package profile

import (
	"context"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/internal/conditions"
	"github.com/metapilot/metapilot/recommender/estimator"
	"github.com/metapilot/metapilot/recommender/model"
)

// tell writes what is known of a workload, if a recommendation or a condition has changed, or if the figures are old. Of a target that is not there
// nothing but the conditions changes.
func (r *Recommender) tell(ctx context.Context, p *v1alpha1.WorkloadProfile, t target, h *history) error {
	now := r.Clock.Now()
	after := p.DeepCopy()
	s := &after.Status
	choice := r.choose(p, t)
	var advice []advised
	if t.fault.reason == "" {
		advice = h.advise(now, p, choice)
	}
	for _, c := range r.conditions(h, t, choice, advice) {
		c.ObservedGeneration = p.Generation
		apimeta.SetStatusCondition(&s.Conditions, c)
	}
	news := !equality.Semantic.DeepEqual(s.Conditions, p.Status.Conditions) || p.Generation != p.Status.ObservedGeneration || h.differs(advice)
	if !news && now.Sub(h.told) < apart(p.UID, r.Options.Tell) {
		return nil
	}
	s.ObservedGeneration, s.Sources = p.Generation, r.sources(h)
	if t.fault.reason == "" {
		h.describe(s, now, t, choice, advice)
	}
	if err := client.IgnoreNotFound(r.Client.Status().Patch(ctx, after, client.MergeFrom(p), client.FieldOwner(Owner))); err != nil {
		return fmt.Errorf("writing the status of WorkloadProfile %s: %w", client.ObjectKeyFromObject(p), err)
	}
	h.told = now
	h.publish(advice)
	return nil
}

// refuse says of a profile that an older one is about the same workload.
func (r *Recommender) refuse(ctx context.Context, p *v1alpha1.WorkloadProfile) error {
	message := fmt.Sprintf("an older WorkloadProfile is about %s already: delete one of the two", named(p.Spec.TargetRef))
	after := p.DeepCopy()
	after.Status.ObservedGeneration = p.Generation
	apimeta.SetStatusCondition(&after.Status.Conditions, conditions.IsNot(v1alpha1.ReadyCondition, "TargetTaken", message))
	apimeta.SetStatusCondition(&after.Status.Conditions, conditions.Is(v1alpha1.StalledCondition, "TargetTaken", message))
	if equality.Semantic.DeepEqual(after.Status, p.Status) {
		return nil
	}
	return client.IgnoreNotFound(r.Client.Status().Patch(ctx, after, client.MergeFrom(p), client.FieldOwner(Owner)))
}

// choice is the algorithm that a profile gets.
type choice struct {
	algorithm estimator.Algorithm
	unknown   string // what was asked for instead, and who has; empty if it is known
}

func (r *Recommender) choose(p *v1alpha1.WorkloadProfile, t target) choice {
	name, who := p.Spec.Algorithm, "spec.algorithm"
	if name == "" && t.object != nil {
		name, who = t.object.GetAnnotations()[v1alpha1.AlgorithmAnnotation], fmt.Sprintf("the annotation %s of %s", v1alpha1.AlgorithmAnnotation, named(p.Spec.TargetRef))
	}
	fallback, _ := estimator.Named(r.Options.Algorithm)
	if name == "" {
		return choice{algorithm: fallback}
	}
	if a, ok := estimator.Named(name); ok {
		return choice{algorithm: a}
	}
	return choice{fallback, fmt.Sprintf("%s says %q, and there is no such algorithm: write one of %s; until then %s recommends, and nothing is decreased",
		who, name, strings.Join(estimator.Names(), ", "), fallback.Name)}
}

// conditions are those of a profile that is worked on.
func (r *Recommender) conditions(h *history, t target, c choice, advice []advised) []metav1.Condition {
	return []metav1.Condition{
		conditionFor(v1alpha1.TargetFoundCondition, t.fault, "Found", "the workload is there"),
		conditionFor(v1alpha1.AlgorithmKnownCondition, fault{"UnknownAlgorithm", c.unknown}, "Known", c.algorithm.Name+" recommends"),
		conditionFor(v1alpha1.SourcesAnswerCondition, fault{"Faulty", r.accusations()}, "Answer", "all sources answer in full"),
		checkpointCondition(h.checkpoint),
		readiness(t, advice),
		stalled(t),
	}
}

// conditionFor a fault that has a message.
func conditionFor(kind string, f fault, reason, message string) metav1.Condition {
	if f.message != "" {
		return conditions.IsNot(kind, f.reason, f.message)
	}
	return conditions.Is(kind, reason, message)
}

// accusations are the faults of all sources, in their order.
func (r *Recommender) accusations() string {
	var all []string
	for _, s := range r.Sources {
		if f := r.faults[s.Name()]; f != "" {
			all = append(all, s.Name()+": "+f)
		}
	}
	return strings.Join(all, "; ")
}

func checkpointCondition(c checkpoint) metav1.Condition {
	switch {
	case c.trouble.reason == "DamagedCheckpoint" && !c.locked:
		return conditions.Is(v1alpha1.CheckpointSavedCondition, c.trouble.reason, c.trouble.message)
	case c.trouble.reason != "":
		return conditions.IsNot(v1alpha1.CheckpointSavedCondition, c.trouble.reason, c.trouble.message)
	case c.saved.IsZero():
		return conditions.IsNot(v1alpha1.CheckpointSavedCondition, "NotYet", "nothing was saved yet")
	}
	return conditions.Is(v1alpha1.CheckpointSavedCondition, "Saved", "a restart loses nothing that is older than the checkpoint")
}

func readiness(t target, advice []advised) metav1.Condition {
	if t.fault.reason != "" {
		return conditions.IsNot(v1alpha1.ReadyCondition, t.fault.reason, t.fault.message)
	}
	var missing []string
	for _, a := range advice {
		for resource, l := range a.limited {
			if l.Target == 0 {
				missing = append(missing, a.container+" "+model.Resource(resource).String())
			}
		}
	}
	switch {
	case len(advice) == 0:
		return conditions.IsNot(v1alpha1.ReadyCondition, "NothingSeen", "no source has told of any of its pods yet")
	case len(missing) > 0:
		return conditions.IsNot(v1alpha1.ReadyCondition, "NothingSeen", "no source has told yet of "+strings.Join(missing, ", "))
	}
	return conditions.Is(v1alpha1.ReadyCondition, "Recommends", "every container has a recommendation")
}

// stalled until somebody changes the profile; what may come back by itself is waited for.
func stalled(t target) metav1.Condition {
	if t.fault.reason == "UnknownKind" {
		return conditions.Is(v1alpha1.StalledCondition, t.fault.reason, t.fault.message)
	}
	return conditions.IsNot(v1alpha1.StalledCondition, "Works", "nobody has to do anything")
}

// sources are all that are asked, and what this workload has from them.
func (r *Recommender) sources(h *history) (all []v1alpha1.ProfileSource) {
	for _, s := range r.Sources {
		one := v1alpha1.ProfileSource{Name: s.Name(), Fault: r.faults[s.Name()]}
		if at := h.newest[s.Name()]; !at.IsZero() {
			one.LastSample = timeOf(at)
		}
		all = append(all, one)
	}
	return all
}

func timeOf(at time.Time) *metav1.Time {
	t := metav1.NewTime(at.Truncate(time.Second))
	return &t
}
