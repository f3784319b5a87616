package profile

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/recommender/source"
	"github.com/metapilot/metapilot/recommender/source/oom"
)

// Recommender is the loop that fills all profiles. One works at a time, and it alone touches what it remembers.
type Recommender struct {
	Client   client.Client // reads come from the cache
	Live     client.Reader
	Recorder events.EventRecorder
	Clock    clock.WithTicker
	Sources  []source.Source // the first one that knows an amount is believed
	Options  Options
	Workers  int // profiles that are written at the same time

	histories map[types.UID]*history // of profiles
	faults    map[string]string      // of the sources, at the last pass
	suspects  chan *corev1.Pod       // that tell of a kill
	past      archive
	told      map[types.UID]testimony   // of pods that have ended in a doubtful way
	recalled  int                       // how often it was asked what happened while nobody watched
	evicted   map[types.UID][]oom.Kill  // what was told of that, by profile, until it is learned from
	beat      atomic.Pointer[time.Time] // the last sign of life; nil while the loop does not work
}

// testimony is what events say of a pod at one of its versions.
type testimony struct {
	version string
	events  []*corev1.Event
	asked   bool
}

// Options are the settings of the loop.
type Options struct {
	Algorithm string        // of workloads that name none
	Period    time.Duration // between two passes
	Save      time.Duration // between two checkpoints of a profile
	Tell      time.Duration // between two statuses of a profile that change nothing but figures
}

// SetupWithManager registers the loop, which begins when this program leads.
func (r *Recommender) SetupWithManager(m ctrl.Manager) error {
	r.histories, r.faults = map[types.UID]*history{}, map[string]string{}
	r.suspects, r.told = make(chan *corev1.Pod, 1024), map[types.UID]testimony{}
	pods, err := m.GetCache().GetInformer(context.Background(), &corev1.Pod{}) // registering waits for nothing
	if err != nil {
		return err
	}
	if _, err := pods.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    r.suspect,
		UpdateFunc: func(_, o any) { r.suspect(o) },
		DeleteFunc: r.suspect, // a pod that was evicted may be gone before it is looked at
	}); err != nil {
		return err
	}
	return errors.Join(m.AddHealthzCheck("loop", r.Healthy), m.Add(r))
}

// suspect hands a pod that may have been killed to the loop. What does not fit is found by the next pass, which looks at every pod.
func (r *Recommender) suspect(o any) {
	if gone, ok := o.(cache.DeletedFinalStateUnknown); ok {
		o = gone.Obj
	}
	pod, ok := o.(*corev1.Pod)
	if !ok || !harmed(pod) {
		return
	}
	select {
	case r.suspects <- pod:
	default:
	}
}

// harmed: something of the pod has ended by a signal that memory may be the cause of, or the kubelet has evicted it.
func harmed(pod *corev1.Pod) bool {
	return pod.Status.Reason == evicted || slices.ContainsFunc(ends(pod), func(end *corev1.ContainerStateTerminated) bool {
		return end.Reason == oomKilled || end.ExitCode == killed
	})
}

// doubtful: something has ended by a signal, and nobody says why.
func doubtful(pod *corev1.Pod) bool {
	return slices.ContainsFunc(ends(pod), func(end *corev1.ContainerStateTerminated) bool {
		return end.Reason != oomKilled && end.ExitCode == killed
	})
}

func ends(pod *corev1.Pod) (all []*corev1.ContainerStateTerminated) {
	for _, s := range pod.Status.ContainerStatuses {
		for _, end := range []*corev1.ContainerStateTerminated{s.State.Terminated, s.LastTerminationState.Terminated} {
			if end != nil {
				all = append(all, end)
			}
		}
	}
	return all
}

const (
	evicted   = "Evicted" // k8s.io/kubernetes/pkg/kubelet/eviction
	oomKilled = "OOMKilled"
	killed    = 137 // 128 + SIGKILL
)

// events are those of a pod that has ended in a doubtful way, and whether they could be asked for. They are asked for again only when its status is
// another one.
func (r *Recommender) events(ctx context.Context) func(*corev1.Pod) ([]*corev1.Event, bool) {
	return func(pod *corev1.Pod) ([]*corev1.Event, bool) {
		have, known := r.told[pod.UID]
		switch {
		case !doubtful(pod):
			return nil, true
		case !known || have.version != pod.ResourceVersion:
			have = r.question(ctx, pod)
			r.told[pod.UID] = have
		}
		return have.events, have.asked
	}
}

func (r *Recommender) question(ctx context.Context, pod *corev1.Pod) testimony {
	ctx, cancel := context.WithTimeout(ctx, brief)
	defer cancel()
	said := testimony{version: pod.ResourceVersion, asked: true}
	var list corev1.EventList
	if err := r.Live.List(ctx, &list, client.InNamespace(pod.Namespace), client.MatchingFields{"involvedObject.uid": string(pod.UID)}, client.Limit(page)); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Events of a killed pod cannot be read, so its end is not judged", "pod", client.ObjectKeyFromObject(pod))
		return testimony{} // of no version, so that it is asked again
	}
	for i := range list.Items {
		said.events = append(said.events, &list.Items[i])
	}
	return said
}

// brief is how long one question to the API server may take: others wait behind it.
const brief = 5 * time.Second

// NeedLeaderElection is so that one history is kept and not two.
func (r *Recommender) NeedLeaderElection() bool { return true }

// Start works until the context ends, and then saves what it knows.
func (r *Recommender) Start(ctx context.Context) error {
	defer r.beat.Store(nil)
	for {
		r.alive()
		err := r.restore(ctx)
		if err == nil {
			break
		}
		ctrl.LoggerFrom(ctx).Error(err, "Histories cannot be restored; nothing is recommended until they are")
		select {
		case <-ctx.Done():
			return nil
		case <-r.Clock.After(again):
		}
	}
	defer r.leave(ctx)
	ticker := r.Clock.NewTicker(r.Options.Period)
	defer ticker.Stop()
	for {
		r.pass(ctx)
		if !r.rest(ctx, ticker.C()) {
			return nil
		}
	}
}

// again is how long to wait before what failed is tried again.
const again = 5 * time.Second

// rest looks after kills until it is time for the next pass; false if it is time to end.
func (r *Recommender) rest(ctx context.Context, tick <-chan time.Time) bool {
	for {
		r.alive()
		select {
		case <-ctx.Done():
			return false
		case <-tick:
			return true
		case pod := <-r.suspects:
			r.rescue(ctx, pod)
		}
	}
}

// rescue learns at once what a pod tells of its end, so that not even a restart right after it loses that.
func (r *Recommender) rescue(ctx context.Context, pod *corev1.Pod) {
	profiles, _, err := r.profiles(ctx, client.InNamespace(pod.Namespace))
	if err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Looking for the profile of a killed pod failed", "pod", client.ObjectKeyFromObject(pod))
		return
	}
	for _, p := range profiles {
		t, err := r.find(ctx, p)
		if err != nil || t.object == nil || !t.selector.Matches(labelsOf(pod)) || !owns(t.object, pod) {
			continue
		}
		h := r.history(p)
		taught := r.absorb(ctx, p, h, with(t.pods, pod))
		if len(taught) == 0 {
			continue
		}
		if err := r.finish(ctx, p, t, h); err != nil {
			ctrl.LoggerFrom(ctx).Error(err, "A kill is learned from and not told yet", "profile", client.ObjectKeyFromObject(p))
		}
	}
}

// absorb learns from all kills that are told of at once, for an older one teaches nothing after a newer one.
func (r *Recommender) absorb(ctx context.Context, p *v1alpha1.WorkloadProfile, h *history, pods []*corev1.Pod) []string {
	taught := h.absorb(r.Clock.Now(), pods, r.events(ctx), r.evicted[p.UID]...)
	delete(r.evicted, p.UID)
	r.learned(p, h, taught)
	return taught
}

// with a pod that may be gone from the cache already, or be newer there.
func with(pods []*corev1.Pod, pod *corev1.Pod) []*corev1.Pod {
	if slices.ContainsFunc(pods, func(one *corev1.Pod) bool { return one.UID == pod.UID }) {
		return pods
	}
	return append(slices.Clone(pods), pod)
}

// leave saves all histories, in the time that a pod has to end.
func (r *Recommender) leave(ended context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ended), farewell)
	defer cancel()
	profiles, _, err := r.profiles(ctx)
	if err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Histories were not saved at the end")
	}
	work := make(chan *v1alpha1.WorkloadProfile)
	var all sync.WaitGroup
	for range savers {
		all.Go(func() {
			for p := range work {
				r.save(ctx, p, r.histories[p.UID])
			}
		})
	}
	for _, p := range profiles {
		if r.histories[p.UID] != nil {
			work <- p
		}
	}
	close(work)
	all.Wait()
}

const (
	farewell = 20 * time.Second // of the 30 s that Kubernetes gives a pod to end
	savers   = 16
)
