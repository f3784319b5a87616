package profile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/recommender/estimator"
	"github.com/metapilot/metapilot/recommender/model"
)

const (
	// RecommenderName is what a VerticalPodAutoscaler's spec.recommenders says to get its recommendation from here.
	RecommenderName = "metapilot"
	// checkpointVersion is model.SupportedCheckpointVersion of VPA v1.7.3.
	checkpointVersion = "v3"
	vpaKind           = "VerticalPodAutoscaler"
)

// autoscalers are the VerticalPodAutoscalers that name us, by their target. Where VPA is not installed there is none.
func (r *Recommender) autoscalers(ctx context.Context) (map[string][]*vpav1.VerticalPodAutoscaler, error) {
	ctx, cancel := context.WithTimeout(ctx, brief) // the cache waits for as long as they cannot be listed
	defer cancel()
	var list vpav1.VerticalPodAutoscalerList
	err := r.Client.List(ctx, &list, client.UnsafeDisableDeepCopy)
	if apimeta.IsNoMatchError(err) {
		return nil, nil
	}
	ours := map[string][]*vpav1.VerticalPodAutoscaler{}
	for i := range list.Items {
		v := &list.Items[i]
		if v.Spec.TargetRef == nil || !v.DeletionTimestamp.IsZero() || !namesUs(v) {
			continue
		}
		key := about(v.Namespace, targetOf(v))
		ours[key] = append(ours[key], v)
	}
	return ours, err
}

func namesUs(v *vpav1.VerticalPodAutoscaler) bool {
	return len(v.Spec.Recommenders) > 0 && v.Spec.Recommenders[0] != nil && v.Spec.Recommenders[0].Name == RecommenderName
}

func targetOf(v *vpav1.VerticalPodAutoscaler) v1alpha1.ProfileTarget {
	ref := v.Spec.TargetRef
	return v1alpha1.ProfileTarget{APIVersion: cmp.Or(ref.APIVersion, "apps/v1"), Kind: ref.Kind, Name: ref.Name}
}

// about is what identifies the workload of a profile.
func about(namespace string, ref v1alpha1.ProfileTarget) string {
	return fmt.Sprint(namespace, " ", ref.APIVersion, " ", ref.Kind, " ", ref.Name)
}

// adopt makes profiles for the targets of VerticalPodAutoscalers that have none: what is known of a workload is known once.
func (r *Recommender) adopt(ctx context.Context, vpas map[string][]*vpav1.VerticalPodAutoscaler, profiles []*v1alpha1.WorkloadProfile) (problem error) {
	has := map[string]bool{}
	for _, p := range profiles {
		has[about(p.Namespace, p.Spec.TargetRef)] = true
	}
	for key, all := range vpas {
		if has[key] {
			continue
		}
		v := all[0]
		err := r.Client.Create(ctx, &v1alpha1.WorkloadProfile{
			ObjectMeta: metav1.ObjectMeta{
				Name: NameFor(v.Spec.TargetRef.Kind, v.Spec.TargetRef.Name), Namespace: v.Namespace, Labels: map[string]string{managedBy: Owner},
				OwnerReferences: []metav1.OwnerReference{{APIVersion: vpav1.SchemeGroupVersion.String(), Kind: vpaKind, Name: v.Name, UID: v.UID}},
			},
			Spec: v1alpha1.WorkloadProfileSpec{TargetRef: targetOf(v)},
		}, client.FieldOwner(Owner))
		problem = errors.Join(problem, client.IgnoreAlreadyExists(err))
	}
	return problem
}

// inherit takes what was recommended before by somebody else for what was published: less is not recommended for want of data.
func (h *history) inherit(p *v1alpha1.WorkloadProfile, v *vpav1.VerticalPodAutoscaler) {
	if v.Status.Recommendation == nil {
		return
	}
	if h.published == nil {
		h.published = published(&p.Status)
	}
	for _, one := range v.Status.Recommendation.ContainerRecommendations {
		before := h.published[one.ContainerName]
		for r := range model.Resources {
			if q, told := one.Target[corev1.ResourceName(r.String())]; told && before[r] == 0 {
				before[r] = number(r, &q)
			}
		}
		h.published[one.ContainerName] = before
	}
}

// serve writes what a VerticalPodAutoscaler gets: the same recommendation, within its own bounds.
func (r *Recommender) serve(ctx context.Context, v *vpav1.VerticalPodAutoscaler, t target, h *history, advice []advised) error {
	now := r.Clock.Now()
	after := v.DeepCopy()
	after.Status.ObservedGeneration = &v.Generation
	if got := recommendation(v, advice); t.fault.reason == "" && got != nil {
		after.Status.Recommendation = got // else what somebody has recommended before is better than nothing
	}
	for _, c := range vpaConditions(t, after.Status.Recommendation) {
		c.ObservedGeneration = v.Generation
		setCondition(&after.Status, c, now)
	}
	var problem error
	if !equality.Semantic.DeepEqual(after.Status, v.Status) {
		problem = client.IgnoreNotFound(r.Client.Status().Patch(ctx, after, client.MergeFrom(v), client.FieldOwner(Owner)))
	}
	if len(advice) > 0 && now.Sub(h.lent[v.UID]) >= apart(v.UID, r.Options.Save) {
		h.lent[v.UID] = now
		problem = errors.Join(problem, r.lend(ctx, v, h, now))
	}
	return problem
}

// recommendation within the policy of a VerticalPodAutoscaler. Containers that it switches off have none.
func recommendation(v *vpav1.VerticalPodAutoscaler, advice []advised) *vpav1.RecommendedPodResources {
	all := &vpav1.RecommendedPodResources{}
	for _, a := range advice {
		policy := policyFor(v.Spec.ResourcePolicy, a.container)
		if policy.Mode != nil && *policy.Mode == vpav1.ContainerScalingModeOff {
			continue
		}
		one := vpav1.RecommendedContainerResources{
			ContainerName: a.container, Target: corev1.ResourceList{}, LowerBound: corev1.ResourceList{},
			UpperBound: corev1.ResourceList{}, UncappedTarget: corev1.ResourceList{},
		}
		for r, l := range a.limited {
			offer(&one, policy, model.Resource(r), l)
		}
		if len(one.Target) > 0 {
			all.ContainerRecommendations = append(all.ContainerRecommendations, one)
		}
	}
	if len(all.ContainerRecommendations) == 0 {
		return nil
	}
	return all
}

func offer(one *vpav1.RecommendedContainerResources, policy vpav1.ContainerResourcePolicy, r model.Resource, l estimator.Limited) {
	name := corev1.ResourceName(r.String())
	if l.Target == 0 || policy.ControlledResources != nil && !slices.Contains(*policy.ControlledResources, name) {
		return
	}
	least, most := policy.MinAllowed[name], policy.MaxAllowed[name]
	within := func(n float64) float64 {
		n = max(n, number(r, &least))
		if highest := number(r, &most); highest > 0 {
			n = min(n, highest)
		}
		return n
	}
	one.Target[name], one.LowerBound[name] = *amount(r, within(l.Target)), *amount(r, within(l.Lower))
	one.UpperBound[name], one.UncappedTarget[name] = *amount(r, within(l.Upper)), *amount(r, l.Uncapped)
}

// policyFor a container is its own, or that of the name *.
func policyFor(p *vpav1.PodResourcePolicy, container string) (found vpav1.ContainerResourcePolicy) {
	if p == nil {
		return found
	}
	for _, c := range p.ContainerPolicies {
		if c.ContainerName == container {
			return c
		}
		if c.ContainerName == vpav1.DefaultContainerResourcePolicy {
			found = c
		}
	}
	return found
}

func vpaConditions(t target, got *vpav1.RecommendedPodResources) []vpav1.VerticalPodAutoscalerCondition {
	provided := vpav1.VerticalPodAutoscalerCondition{Type: vpav1.RecommendationProvided, Status: corev1.ConditionTrue}
	if got == nil {
		provided.Status, provided.Reason, provided.Message = corev1.ConditionFalse, "NothingSeen", "no source has told of any of its pods yet"
	}
	unsupported := vpav1.VerticalPodAutoscalerCondition{Type: vpav1.ConfigUnsupported, Status: corev1.ConditionFalse}
	if t.fault.reason != "" {
		unsupported.Status, unsupported.Reason, unsupported.Message = corev1.ConditionTrue, t.fault.reason, t.fault.message
	}
	matched := vpav1.VerticalPodAutoscalerCondition{Type: vpav1.NoPodsMatched, Status: corev1.ConditionFalse}
	if t.fault.reason == "" && len(t.pods) == 0 {
		matched.Status, matched.Reason, matched.Message = corev1.ConditionTrue, "NoPodsMatched", "the target has no pods"
	}
	return []vpav1.VerticalPodAutoscalerCondition{provided, unsupported, matched}
}

func setCondition(s *vpav1.VerticalPodAutoscalerStatus, c vpav1.VerticalPodAutoscalerCondition, now time.Time) {
	i := slices.IndexFunc(s.Conditions, func(one vpav1.VerticalPodAutoscalerCondition) bool { return one.Type == c.Type })
	c.LastTransitionTime = metav1.NewTime(now.Truncate(time.Second))
	switch {
	case i < 0:
		s.Conditions = append(s.Conditions, c)
	case s.Conditions[i].Status == c.Status:
		c.LastTransitionTime = s.Conditions[i].LastTransitionTime
		s.Conditions[i] = c
	default:
		s.Conditions[i] = c
	}
}

// lend writes the histories in VPA's own form, so that VPA's recommender can take over where this one ends.
func (r *Recommender) lend(ctx context.Context, v *vpav1.VerticalPodAutoscaler, h *history, now time.Time) (problem error) {
	for _, name := range h.names() {
		o := vpaCheckpoint(v, name, h.containers[name], now)
		there := &vpav1.VerticalPodAutoscalerCheckpoint{}
		err := r.Live.Get(ctx, client.ObjectKeyFromObject(o), there)
		switch {
		case apierrors.IsNotFound(err):
			err = r.Client.Create(ctx, o, client.FieldOwner(Owner))
		case err == nil && there.Status.TotalSamplesCount > o.Status.TotalSamplesCount:
			continue // VPA's own, from before, which knows more
		case err == nil:
			o.ResourceVersion = there.ResourceVersion
			err = r.Client.Update(ctx, o, client.FieldOwner(Owner))
		}
		problem = errors.Join(problem, err)
	}
	return problem
}

func vpaCheckpoint(v *vpav1.VerticalPodAutoscaler, container string, c *model.Container, now time.Time) *vpav1.VerticalPodAutoscalerCheckpoint {
	cpu, memory := c.Usage(model.CPU), c.Usage(model.Memory)
	return &vpav1.VerticalPodAutoscalerCheckpoint{
		ObjectMeta: metav1.ObjectMeta{Name: v.Name + "-" + container, Namespace: v.Namespace}, // VPA's own names
		Spec:       vpav1.VerticalPodAutoscalerCheckpointSpec{VPAObjectName: v.Name, ContainerName: container},
		Status: vpav1.VerticalPodAutoscalerCheckpointStatus{
			LastUpdateTime: metav1.NewTime(now), Version: checkpointVersion, CPUHistogram: cpu.Histogram(), MemoryHistogram: memory.Histogram(),
			FirstSampleStart: metav1.Unix(cpu.First(), 0), LastSampleStart: metav1.Unix(cpu.End(), 0), TotalSamplesCount: cpu.Samples(),
		},
	}
}
