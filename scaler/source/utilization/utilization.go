// Package utilization sees what containers use, by the metrics API.
//
// It owns the samples of the last quarter of an hour. A gap is a gap: what is not known is never given as zero.
package utilization

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metricsv1beta1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/scaler/model"
	"github.com/metapilot/metapilot/scaler/source"
)

const (
	kept  = 64              // samples of a container: a quarter of an hour at a sample every 15 s
	stale = 2 * time.Minute // older samples say nothing about now
)

// Source asks the metrics API for all pods at once, every period.
type Source struct {
	reader client.Reader
	clock  clock.WithTicker
	period time.Duration

	mu      sync.RWMutex
	samples map[key][]model.Sample
	fault   string // why the last question was not answered
}

type key struct{ namespace, pod, container string }

var _ source.Source = (*Source)(nil)

// New makes the source. The reader must not be a cache.
func New(reader client.Reader, clock clock.WithTicker, period time.Duration) *Source {
	return &Source{reader: reader, clock: clock, period: period, samples: map[key][]model.Sample{}, fault: "the metrics API was not asked yet"}
}

// Start asks until the context ends. An unanswered question is told by Look and asked again.
func (s *Source) Start(ctx context.Context, wake func()) error {
	ticker := s.clock.NewTicker(s.period)
	defer ticker.Stop()
	for {
		s.ask(ctx)
		wake()
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C():
		}
	}
}

func (s *Source) ask(ctx context.Context) {
	bounded, cancel := context.WithTimeout(ctx, s.period)
	defer cancel()
	var list metricsv1beta1.PodMetricsList
	err := s.reader.List(bounded, &list)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.fault = fmt.Sprintf("the metrics API does not answer: %v", err)
		ctrl.LoggerFrom(ctx).Info("Metrics API does not answer", "error", err.Error())
		return
	}
	s.fault = ""
	for i := range list.Items {
		s.keep(&list.Items[i])
	}
	s.forget(s.clock.Now().Add(-time.Duration(kept) * s.period))
}

func (s *Source) keep(m *metricsv1beta1.PodMetrics) {
	for _, c := range m.Containers {
		k := key{m.Namespace, m.Name, c.Name}
		have := s.samples[k]
		if n := len(have); n > 0 && !m.Timestamp.After(have[n-1].At) {
			continue // the same reading again
		}
		if len(have) == kept {
			have = append(have[:0:0], have[1:]...)
		}
		s.samples[k] = append(have, model.Sample{At: m.Timestamp.Time, CPU: c.Usage.Cpu().MilliValue(), Memory: c.Usage.Memory().Value()})
	}
}

// forget drops containers that nothing was heard of since.
func (s *Source) forget(since time.Time) {
	for k, have := range s.samples {
		if have[len(have)-1].At.Before(since) {
			delete(s.samples, k)
		}
	}
}

// Look adds the samples of the containers that run now, or why there are none.
func (s *Source) Look(c source.Component, o *model.Observed) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	fresh := false
	for i, pod := range c.Pods {
		usage := since(s.samples[key{pod.Namespace, pod.Name, c.Container}], started(pod, c.Container))
		if n := len(usage); n > 0 && o.Now.Sub(usage[n-1].At) <= stale {
			o.Pods[i].Usage, fresh = usage, true
		}
	}
	switch {
	case s.fault != "":
		o.Metrics = s.fault
	case !fresh:
		o.Metrics = "the metrics API has no reading of its pods yet"
	}
}

// started is when the container that runs now was started: what one before it used says nothing about this one.
func started(pod *corev1.Pod, container string) time.Time {
	for _, status := range pod.Status.ContainerStatuses {
		if status.Name == container && status.State.Running != nil {
			return status.State.Running.StartedAt.Time
		}
	}
	return pod.CreationTimestamp.Time
}

// since shares the samples with the source, which never changes what it has given out.
func since(usage []model.Sample, start time.Time) []model.Sample {
	for i := range usage {
		if usage[i].At.After(start) {
			return usage[i:len(usage):len(usage)]
		}
	}
	return nil
}
