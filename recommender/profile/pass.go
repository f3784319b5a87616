package profile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/recommender/model"
)

// pass feeds and fills every profile once. What goes wrong with one keeps nobody else from theirs.
func (r *Recommender) pass(ctx context.Context) {
	begun := r.Clock.Now()
	profiles, rivals, err := r.profiles(ctx)
	if err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Reading profiles from the cache failed")
		return
	}
	vpas, err := r.autoscalers(ctx)
	problem := errors.Join(err, r.adopt(ctx, vpas, append(rivals, profiles...)))
	used := r.ask(ctx, profiles)
	r.past = archive{until: begun.Add(r.Options.Period)}
	for _, p := range profiles {
		problem = errors.Join(problem, r.attend(ctx, p, used, vpas[about(p.Namespace, p.Spec.TargetRef)]))
	}
	for _, p := range rivals {
		problem = errors.Join(problem, r.refuse(ctx, p))
	}
	r.forget(append(profiles, rivals...))
	maps.DeleteFunc(r.told, func(types.UID, testimony) bool { return len(r.told) > mostTold })
	if problem != nil && ctx.Err() == nil {
		ctrl.LoggerFrom(ctx).Error(problem, "Some profiles could not be brought up to date; they are tried again in the next pass")
	}
	passSeconds.Observe(r.Clock.Since(begun).Seconds())
	known.Set(float64(len(profiles)))
}

// profiles are those that are worked on, and those whose workload has an older one already.
func (r *Recommender) profiles(ctx context.Context, of ...client.ListOption) (work, rivals []*v1alpha1.WorkloadProfile, err error) {
	var list v1alpha1.WorkloadProfileList
	if err := r.Client.List(ctx, &list, append(of, client.UnsafeDisableDeepCopy)...); err != nil {
		return nil, nil, err
	}
	first := map[string]*v1alpha1.WorkloadProfile{}
	for i := range list.Items {
		p := &list.Items[i]
		if !p.DeletionTimestamp.IsZero() {
			continue
		}
		target := about(p.Namespace, p.Spec.TargetRef)
		switch rival := first[target]; {
		case rival == nil:
			first[target] = p
		case older(p, rival):
			first[target], rivals = p, append(rivals, rival)
		default:
			rivals = append(rivals, p)
		}
	}
	work = slices.SortedFunc(maps.Values(first), func(a, b *v1alpha1.WorkloadProfile) int { // those of a namespace share the answer about its past
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return work, rivals, nil
}

// mostTold is how many pods' events are kept, before they are asked for anew.
const mostTold = 1000

func older(a, b *v1alpha1.WorkloadProfile) bool {
	if x, y := a.CreationTimestamp.Time, b.CreationTimestamp.Time; !x.Equal(y) {
		return x.Before(y)
	}
	return a.Name < b.Name
}

func (r *Recommender) history(p *v1alpha1.WorkloadProfile) *history {
	h := r.histories[p.UID]
	if h == nil {
		h = newHistory()
		r.histories[p.UID] = h
	}
	return h
}

// forget drops the histories of profiles that were removed. Those that are refused keep theirs.
func (r *Recommender) forget(profiles []*v1alpha1.WorkloadProfile) {
	there := map[types.UID]bool{}
	for _, p := range profiles {
		there[p.UID] = true
	}
	maps.DeleteFunc(r.histories, func(uid types.UID, _ *history) bool { return !there[uid] })
}

// attend feeds one profile with what was used, and fills it.
func (r *Recommender) attend(ctx context.Context, p *v1alpha1.WorkloadProfile, used usage, vpas []*vpav1.VerticalPodAutoscaler) error {
	t, err := r.find(ctx, p)
	if err != nil {
		t.fault = fault{"Unreadable", fmt.Sprintf("%v: nothing of this profile changes until it can be read", err)}
	}
	h, now := r.history(p), r.Clock.Now()
	if t.fault.reason == "" {
		if fresh := h.absorb(now, t.pods, r.events(ctx)); fresh > 0 {
			r.learned(p, h)
		}
		if r.fill(ctx, p, t, h) {
			r.feed(h, t, used)
		}
		h.learn()
		h.clean(now)
	}
	err = errors.Join(err, r.finish(ctx, p, t, h))
	for _, v := range vpas {
		err = errors.Join(err, r.serve(ctx, v, t, h, h.advise(now, p, r.choose(p, t))))
	}
	return err
}

// feed counts what the pods of a target have used.
func (r *Recommender) feed(h *history, t target, used usage) {
	now := r.Clock.Now()
	for _, pod := range t.pods {
		for _, one := range used[client.ObjectKeyFromObject(pod)] {
			fault := h.add(now, one.Source, one.Reading)
			count(one.Source, fault)
		}
	}
}

// finish saves and tells, if it is time to.
func (r *Recommender) finish(ctx context.Context, p *v1alpha1.WorkloadProfile, t target, h *history) error {
	now := r.Clock.Now()
	if h.kills > 0 || now.Sub(h.checkpoint.saved) >= apart(p.UID, r.Options.Save) {
		r.save(ctx, p, h)
	}
	return r.tell(ctx, p, t, h)
}

// apart spreads what is due in a period by up to a quarter, so that not all profiles are written at once.
func apart(uid types.UID, period time.Duration) time.Duration {
	sum := fnv.New32a()
	sum.Write([]byte(uid)) //nolint:errcheck // a hash takes everything
	return period - time.Duration(sum.Sum32()%1024)*period/4096
}

// learned tells of a kill.
func (r *Recommender) learned(p *v1alpha1.WorkloadProfile, h *history) {
	kills.Add(float64(h.kills))
	for _, name := range h.names() {
		if f := h.containers[name].Floor(); f.Need > 0 && f.Slots == 0 {
			r.Recorder.Eventf(p, nil, corev1.EventTypeWarning, "OOMKilled", "Learn", "container %s of %s was killed for want of memory at %s: at least %s is recommended",
				name, named(p.Spec.TargetRef), amount(model.Memory, f.Limit), amount(model.Memory, f.Need))
		}
	}
}

func labelsOf(pod *corev1.Pod) labels.Set { return pod.Labels }
