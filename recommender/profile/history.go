package profile

import (
	"cmp"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/metapilot/metapilot/recommender/estimator"
	"github.com/metapilot/metapilot/recommender/model"
	"github.com/metapilot/metapilot/recommender/source"
	"github.com/metapilot/metapilot/recommender/source/oom"
)

// history is what is known of one workload.
type history struct {
	containers map[string]*model.Container
	newest     map[string]time.Time // sample of each source
	last       time.Time            // newest of all samples
	fillings   int                  // how often the past was asked for since the last sample, in vain
	checkpoint checkpoint
	told       time.Time               // when the status was written last
	kills      int                     // that were learned and are not saved yet
	published  targets                 // nil until the status was read
	lent       map[types.UID]time.Time // when it was written in VPA's form, by VerticalPodAutoscaler
}

func newHistory() *history {
	return &history{containers: map[string]*model.Container{}, newest: map[string]time.Time{}, lent: map[types.UID]time.Time{}}
}

func (h *history) container(name string) *model.Container {
	c, ok := h.containers[name]
	if !ok {
		c = model.NewContainer()
		h.containers[name] = c
	}
	return c
}

// names of its containers, in order.
func (h *history) names() []string { return slices.Sorted(maps.Keys(h.containers)) }

// samples that it rests on.
func (h *history) samples() (all int64) {
	for _, c := range h.containers {
		for r := range model.Resources {
			all += int64(c.Usage(r).Samples())
		}
	}
	return all
}

// add counts what a source has told of a container, and says what is wrong with it.
func (h *history) add(now time.Time, from string, r source.Reading) model.Fault {
	fault := h.container(r.Container).Add(now, r.Resource, model.Sample{Replica: r.Pod, At: r.At, Amount: r.Amount})
	if fault != model.None && fault != model.ClockJump {
		return fault
	}
	if r.At.After(h.newest[from]) {
		h.newest[from] = r.At
	}
	if r.At.After(h.last) {
		h.last, h.fillings = r.At, 0
	}
	return fault
}

// replay counts the past, and has auto learn from it as it would have at the time.
func (h *history) replay(now time.Time, from string, past []source.Reading) {
	slices.SortStableFunc(past, func(a, b source.Reading) int { return cmp.Compare(a.At.UnixNano(), b.At.UnixNano()) })
	var slot time.Time
	for _, r := range past {
		if next := r.At.Truncate(model.Slot); next.After(slot) {
			slot = next
			h.learn()
		}
		h.add(now, from, r)
	}
	h.learn()
}

func (h *history) learn() {
	for _, c := range h.containers {
		estimator.Learn(c)
	}
}

// clean forgets containers that the workload has no longer, when others were seen for as long after them as any of their history counts.
func (h *history) clean(t target) {
	before := h.samples()
	maps.DeleteFunc(h.containers, func(name string, c *model.Container) bool {
		end := max(c.Usage(model.CPU).End(), c.Usage(model.Memory).End())
		return end > 0 && !t.has(name) && h.last.Sub(time.Unix(end, 0)) > forgotten
	})
	h.checkpoint.samples -= before - h.samples() // this is no loss
}

// forgotten is twice what rings keep, and 14 half-lives of VPA's histograms.
const forgotten = 2 * model.Week * model.Long

// absorb learns from the kills that pods tell of, and from others that are known. It tells in which containers something was learned.
func (h *history) absorb(now time.Time, pods []*corev1.Pod, events func(*corev1.Pod) ([]*corev1.Event, bool), all ...oom.Kill) (taught []string) {
	for _, pod := range pods {
		if harmed(pod) {
			all = append(all, h.killsOf(pod, events)...)
		}
	}
	slices.SortStableFunc(all, func(a, b oom.Kill) int { return a.At.Compare(b.At) })
	for _, k := range all {
		if h.container(k.Container).OOM(now, k.Kill) == model.None {
			taught = append(taught, k.Container)
		}
	}
	h.kills += len(taught)
	return taught
}

// killsOf a pod; without events nobody can tell whether what ended with 137 was killed for want of memory, so that waits.
func (h *history) killsOf(pod *corev1.Pod, events func(*corev1.Pod) ([]*corev1.Event, bool)) []oom.Kill {
	told, asked := events(pod)
	return oom.OfPod(pod, func(container string) model.Sample {
		if c, ok := h.containers[container]; ok && asked {
			return c.LastMemory(pod.Name)
		}
		return model.Sample{}
	}, told)
}
