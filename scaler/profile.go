package scaler

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler/model"
)

// watchProfiles watches and indexes WorkloadProfiles, if there are any: a scaler without them grows what has to grow, and shrinks nothing.
func (r *Reconciler) watchProfiles(m ctrl.Manager, b *builder.Builder) error {
	var err error
	if r.profiles, err = installed(m, "WorkloadProfile"); !r.profiles {
		return err
	}
	b.Watches(&v1alpha1.WorkloadProfile{}, handler.EnqueueRequestsFromMapFunc(r.scalersOfPart), builder.WithPredicates(telling))
	return m.GetFieldIndexer().IndexField(context.Background(), &v1alpha1.WorkloadProfile{}, byTarget, func(o client.Object) []string {
		ref := &o.(*v1alpha1.WorkloadProfile).Spec.TargetRef
		return []string{ref.Kind + "/" + ref.Name}
	})
}

// installed tells whether the meta cluster has a kind of ours.
func installed(m ctrl.Manager, kind string) (bool, error) {
	_, err := m.GetRESTMapper().RESTMapping(schema.GroupKind{Group: v1alpha1.GroupVersion.Group, Kind: kind}, v1alpha1.GroupVersion.Version)
	switch {
	case apimeta.IsNoMatchError(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("looking for the kind %s: %w", kind, err)
	}
	return true, nil
}

// telling passes writes of a profile that decisions may rest on; a recommender writes many others. Its last sample is looked at with those of the pods.
var telling = predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
	before, isProfile := e.ObjectOld.(*v1alpha1.WorkloadProfile)
	after, stillIs := e.ObjectNew.(*v1alpha1.WorkloadProfile)
	return !isProfile || !stillIs || !reflect.DeepEqual(tells(before), tells(after))
}}

// tells is all that decisions rest on but the times of samples.
func tells(p *v1alpha1.WorkloadProfile) (all []model.Profile) {
	for i := range p.Status.Containers {
		one := profileOf(p, p.Status.Containers[i].Name)
		one.LastSample, one.Memory.Recent = time.Time{}, nil // a leak can wait for the next look
		all = append(all, one)
	}
	return all
}

// profile of a component's workload.
func (r *Reconciler) profile(ctx context.Context, c *component) (model.Profile, error) {
	if !r.profiles {
		return model.Profile{Unknown: "the kind WorkloadProfile was not installed when the cluster-scaler started"}, nil
	}
	var list v1alpha1.WorkloadProfileList
	target := client.MatchingFields{byTarget: c.kind + "/" + c.name}
	if err := r.Client.List(ctx, &list, client.InNamespace(c.home), target, client.UnsafeDisableDeepCopy); err != nil {
		return model.Profile{}, err
	}
	switch all := list.Items; len(all) {
	case 0:
		return model.Profile{Unknown: fmt.Sprintf("there is no WorkloadProfile of %s %s", c.kind, c.name)}, nil
	case 1:
		return profileOf(&all[0], c.container), nil
	default:
		slices.SortFunc(all, func(a, b v1alpha1.WorkloadProfile) int { return strings.Compare(a.Name, b.Name) })
		return model.Profile{Unknown: fmt.Sprintf("WorkloadProfiles %s and %s are both about %s %s: delete one", all[0].Name, all[1].Name, c.kind, c.name)}, nil
	}
}

// profileOf is what a WorkloadProfile says of a container.
func profileOf(p *v1alpha1.WorkloadProfile, container string) model.Profile {
	i := slices.IndexFunc(p.Status.Containers, func(c v1alpha1.ContainerProfile) bool { return c.Name == container })
	if i < 0 {
		return model.Profile{Unknown: fmt.Sprintf("WorkloadProfile %s says nothing of container %s yet", p.Name, container)}
	}
	c := &p.Status.Containers[i]
	known := model.Profile{
		Name: p.Name, Frozen: frozen(p), Algorithm: p.Status.Algorithm, LastSample: timeOf(p.Status.LastSample),
		CPU: recommendation(model.CPU, &c.CPU), Memory: recommendation(model.Memory, &c.Memory),
	}
	known.Memory.Recent = peaksOf(c.Memory.Recent)
	return known
}

// frozen is why a profile does not go on; empty if it does.
func frozen(p *v1alpha1.WorkloadProfile) string {
	for i := range p.Status.Conditions {
		if c := &p.Status.Conditions[i]; !well(*c) {
			return fmt.Sprintf("%s: %s", c.Reason, c.Message)
		}
	}
	return ""
}

// well: a condition of a profile is none of those that keep it from going on.
func well(c metav1.Condition) bool {
	switch c.Type {
	case v1alpha1.StalledCondition:
		return c.Status == metav1.ConditionFalse
	case v1alpha1.ReadyCondition, v1alpha1.TargetFoundCondition:
		return c.Status == metav1.ConditionTrue
	}
	return true
}

func recommendation(of model.Resource, r *v1alpha1.ResourceProfile) model.Recommendation {
	return model.Recommendation{
		Target: amountOf(of, r.Target), Lower: amountOf(of, r.Lower), Upper: amountOf(of, r.Upper), Uncapped: amountOf(of, r.Uncapped),
		Since: timeOf(r.Since), Gaps: int64(r.GapsPercent), Says: r.Reason, Peak: peakOf(of, r),
	}
}

// peakOf a week: the most of memory, for a limit below it is a kill. Of CPU the 95th percentile of peaks of three hours, which leaves out two of them:
// programs that start take more than they need, and a request does not stop them.
func peakOf(of model.Resource, r *v1alpha1.ResourceProfile) (peak int64) {
	for i := range r.Usage {
		switch u := &r.Usage[i]; {
		case u.Window != week:
		case of == model.CPU:
			peak = amountOf(of, &u.P95)
		default:
			peak = amountOf(of, &u.Max)
		}
	}
	return peak
}

// peaksOf are the peaks of half hours in bytes; what makes no sense was not seen.
func peaksOf(recent []int64) (all []int64) {
	for _, mib := range recent {
		if mib < 0 || mib > mostOf>>20 {
			mib = -1
		}
		all = append(all, max(mib<<20, -1))
	}
	return all
}

// week is the longest window that profiles tell of.
const week = "168h"

// mostOf anything is what no node has: 8 PiB, and as many thousandths of a core.
const mostOf = 1 << 53

// amountOf is what is written; what is not, or makes no sense, is none.
func amountOf(of model.Resource, q *resource.Quantity) (amount int64) {
	switch {
	case q == nil:
		return 0
	case of == model.CPU:
		amount = q.MilliValue()
	default:
		amount = q.Value()
	}
	if amount < 0 || amount > mostOf {
		return 0
	}
	return amount
}

// spellsOf are those that the last look has left.
func spellsOf(idle *v1alpha1.Idle) (s model.Spells) {
	if idle == nil {
		return s
	}
	for r, one := range map[model.Resource]*v1alpha1.IdleResource{model.CPU: idle.CPU, model.Memory: idle.Memory} {
		if one != nil {
			*s.Of(r) = model.Idle{Since: one.Since.Time, Seen: one.Seen.Time, Highest: amountOf(r, &one.Highest)}
		}
	}
	return s
}
