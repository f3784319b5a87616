package profile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"sync"
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
	r.recall(ctx, profiles)
	used := r.ask(ctx, profiles)
	r.past = archive{until: r.Clock.Now().Add(r.Options.Period / 2)} // the rest is for what is used now
	due, missing := r.attendAll(ctx, profiles, used, vpas)
	problem = errors.Join(problem, missing, r.writeAll(ctx, due))
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

// written is a profile that was fed, on its way to be told.
type written struct {
	profile *v1alpha1.WorkloadProfile
	target  target
	history *history
	vpas    []*vpav1.VerticalPodAutoscaler
}

// attendAll feeds the profiles one after the other. Kills that are told of meanwhile go first.
func (r *Recommender) attendAll(ctx context.Context, profiles []*v1alpha1.WorkloadProfile, used usage, vpas map[string][]*vpav1.VerticalPodAutoscaler) (due []written, problem error) {
	for _, p := range profiles {
		r.alive()
		select {
		case pod := <-r.suspects:
			r.rescue(ctx, pod)
		default:
		}
		t, err := r.attend(ctx, p, used)
		problem = errors.Join(problem, err)
		due = append(due, written{p, t, r.history(p), vpas[about(p.Namespace, p.Spec.TargetRef)]})
	}
	return due, problem
}

// writeAll saves and tells what is due, several at a time: each touches its own history alone.
func (r *Recommender) writeAll(ctx context.Context, due []written) error {
	problems := make([]error, len(due))
	var all sync.WaitGroup
	next := make(chan int)
	for range r.Workers {
		all.Go(func() {
			for i := range next {
				problems[i] = r.write(ctx, due[i])
			}
		})
	}
	for i := range due {
		next <- i
	}
	close(next)
	all.Wait()
	return errors.Join(problems...)
}

func (r *Recommender) write(ctx context.Context, w written) error {
	r.alive()
	ctx, cancel := context.WithTimeout(ctx, 2*brief)
	defer cancel()
	for _, v := range w.vpas {
		w.history.inherit(w.profile, v)
	}
	problem := r.finish(ctx, w.profile, w.target, w.history)
	for _, v := range w.vpas {
		advice := w.history.advise(r.Clock.Now(), w.profile, r.choose(w.profile, w.target))
		problem = errors.Join(problem, r.serve(ctx, v, w.target, w.history, advice))
	}
	return problem
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

// attend feeds one profile with what was used.
func (r *Recommender) attend(ctx context.Context, p *v1alpha1.WorkloadProfile, used usage) (target, error) {
	bounded, cancel := context.WithTimeout(ctx, brief)
	defer cancel()
	t, err := r.find(bounded, p)
	if err != nil {
		t.fault = fault{"Unreadable", fmt.Sprintf("%v: nothing of this profile changes until it can be read", err)}
	}
	if t.fault.reason != "" {
		return t, err
	}
	h := r.history(p)
	r.absorb(ctx, p, h, t.pods)
	if r.fill(ctx, p, t, h) {
		r.feed(h, t, used)
	}
	h.learn()
	h.clean(t)
	return t, nil
}

// feed counts what the pods of a target have used.
func (r *Recommender) feed(h *history, t target, used usage) {
	now := r.Clock.Now()
	for _, pod := range t.pods {
		for _, one := range used[client.ObjectKeyFromObject(pod)] {
			if !t.has(one.Container) {
				continue // whoever says so is mistaken
			}
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
	sum.Write([]byte(uid))
	return period - time.Duration(sum.Sum32()%1024)*period/4096
}

// learned tells of kills.
func (r *Recommender) learned(p *v1alpha1.WorkloadProfile, h *history, taught []string) {
	kills.Add(float64(len(taught)))
	for _, name := range taught {
		f := h.containers[name].Floor()
		r.Recorder.Eventf(p, nil, corev1.EventTypeWarning, "OOMKilled", "Learn", "container %s of %s was killed for want of memory at %s: at least %s is recommended",
			name, named(p.Spec.TargetRef), amount(model.Memory, f.Limit), amount(model.Memory, f.Need))
	}
}

func labelsOf(pod *corev1.Pod) labels.Set { return pod.Labels }
