package plan

import (
	"fmt"
	"slices"
	"time"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/internal/units"
	"github.com/metapilot/metapilot/scaler/model"
)

var start = time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)

// What the source of usage keeps, and how old a reading may be (scaler/source/utilization).
const (
	samplePeriod = 15 * time.Second
	keptSamples  = 64
	staleAfter   = 2 * time.Minute
)

// world is one component with all that decisions about it rest on; commands of a scenario change it.
type world struct {
	o       model.Observed
	spec    v1alpha1.ClusterScalerSpec
	usage   map[string][]model.Sample // by pod, of the container that runs now
	refuses map[string]string         // pods whose node does not give them another size: Deferred or Infeasible
	fault   string                    // of the metrics API
	silent  time.Duration             // since when the profile has no sample
	says    map[string]*model.Reading // by pod, as of now
	plan    model.Plan                // the last one

	groupMoves  int // of its group within groupWithin
	groupWithin time.Duration
}

func newWorld() *world {
	return &world{o: model.Observed{Now: start}, usage: map[string][]model.Sample{}, refuses: map[string]string{}, says: map[string]*model.Reading{}}
}

// build makes another component with a past of its own, its pods well and in their size. Time and nodes stay.
func (w *world) build(name string, pods int, quorum bool, size model.Size) {
	w.usage, w.refuses, w.says = map[string][]model.Sample{}, map[string]string{}, map[string]*model.Reading{}
	w.o = model.Observed{Now: w.o.Now, Component: name, Quorum: quorum, Size: size, Nodes: w.o.Nodes}
	w.o.Profile.Unknown = "there is no WorkloadProfile of it"
	w.o.BySize.Unknown = "its API servers have not told yet what they store"
	w.o.Windows.Says = "spec.maintenance has none"
	w.o.Turn.Open = true
	for i := range pods {
		w.o.Pods = append(w.o.Pods, model.Pod{
			Name: fmt.Sprintf("%s-%d", name, i), Size: size, Actual: size, Running: true, Ready: true, Placed: true,
		})
	}
}

func (w *world) pod(name string) *model.Pod {
	i := slices.IndexFunc(w.o.Pods, func(p model.Pod) bool { return p.Name == name })
	if i < 0 {
		return nil
	}
	return &w.o.Pods[i]
}

// look gives what the sources would tell now.
func (w *world) look() *model.Observed {
	o := w.o
	o.Pods, o.Metrics = slices.Clone(w.o.Pods), w.fault
	o.Profile.LastSample = o.Now.Add(-w.silent)
	fresh := false
	for i := range o.Pods {
		if r := w.says[o.Pods[i].Name]; r != nil {
			o.Pods[i].Reading = *r
			o.Pods[i].Reading.At = o.Now
		}
		usage := w.usage[o.Pods[i].Name]
		usage = usage[max(0, len(usage)-keptSamples):]
		if n := len(usage); n > 0 && o.Now.Sub(usage[n-1].At) <= staleAfter {
			o.Pods[i].Usage, fresh = usage, true
		}
	}
	if o.Metrics == "" && !fresh {
		o.Metrics = "no reading of its pods yet"
	}
	return &o
}

func (w *world) decide() *model.Plan {
	policy := PolicyOf(&w.spec, w.o.Component)
	policy.GroupMoves, policy.GroupWithin = w.groupMoves, w.groupWithin
	w.plan = Decide(w.look(), &policy)
	w.o.Idle, w.o.Causes = w.plan.Idle, nil
	for i := range w.plan.Causes {
		w.o.Causes = append(w.o.Causes, w.plan.Causes[i].Type)
	}
	return &w.plan
}

// kill is what the kernel does to a container at its limit, and the kubelet after it.
func (w *world) kill(pod *model.Pod, limit int64) {
	w.o.Kills = append(w.o.Kills, model.Kill{Pod: pod.Name, Container: fmt.Sprint(pod.Name, len(w.o.Kills)), At: w.o.Now, Limit: limit})
	delete(w.usage, pod.Name)
}

// apply carries the last plan out, so that the next decision sees its result.
func (w *world) apply() {
	carryOut(&w.o, &w.plan)
	w.kubelet()
}

// kubelet gives containers the size that their pods have, or says why not.
func (w *world) kubelet() {
	for i := range w.o.Pods {
		pod := &w.o.Pods[i]
		if why := w.refuses[pod.Name]; why != "" && pod.Size != pod.Actual {
			pod.Pending, pod.Says = why, "the node has too little memory"
			continue
		}
		pod.Actual, pod.Pending, pod.Says = pod.Size, "", ""
	}
	if down := &w.o.Lowered; down.Had.IsZero() && !slices.ContainsFunc(w.o.Pods, func(p model.Pod) bool { return p.Actual != down.To }) {
		down.Had = w.o.Now
	}
}

// carryOut is the controller, and everybody after it: what is news is written down, and what is meant to be done is done.
func carryOut(o *model.Observed, p *model.Plan) {
	if p.Record() {
		o.Remember(p.Decided(o.Now))
	}
	if p.DryRun {
		return
	}
	switch p.Decision {
	case model.Up:
		o.Grown = o.Now
		resize(o, p.To)
	case model.Down, model.Revert:
		o.Shrunk = o.Now
		resize(o, p.To)
	case model.Restart:
		o.Moves, o.Restarted = append(o.Moves, o.Now), o.Now
		for i := range o.Pods {
			o.Pods[i].GoMemLimit = units.GoMemLimit(o.Pods[i].Size.Limits.Memory)
		}
	case model.Stay, model.Hold:
	}
}

func resize(o *model.Observed, size model.Size) {
	o.Size = size
	for i := range o.Pods {
		o.Pods[i].Size = size
	}
}
