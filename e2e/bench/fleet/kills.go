package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/api/v1alpha1"
)

// perSweep is how many containers are killed while the scaler goes once through all tenants.
const perSweep = 20

// mourner waits for the sizes of those that were killed.
type mourner struct {
	mu     sync.Mutex
	killed map[string]time.Time // by the tenant's name
	waits  []float64            // seconds from the kill until the size was seen in spec.sizing
}

// kills has containers killed at random times while the scaler looks at all tenants, each of another tenant, and returns how many seconds it took
// from each kill until its size was written.
func (r *run) kills(ctx context.Context, count int, sweep time.Duration) ([]float64, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	m := &mourner{killed: map[string]time.Time{}}
	if err := m.watch(ctx, r.plane); err != nil {
		return nil, err
	}
	whom := rand.New(rand.NewPCG(1, 2)).Perm(r.tenants) //nolint:gosec // a seed, so that it is the same again
	for whom = whom[:min(count, len(whom))]; len(whom) > 0; {
		if _, err := r.metrics.next(ctx); err != nil {
			return nil, err
		}
		some := whom[:min(perSweep, len(whom))]
		whom = whom[len(some):]
		if err := m.kill(ctx, r.plane, some, sweep); err != nil {
			return nil, err
		}
	}
	return m.end(ctx)
}

// kill some, spread over a sweep.
func (m *mourner) kill(ctx context.Context, p *plane, some []int, sweep time.Duration) error {
	problems := make(chan error, len(some))
	for _, i := range some {
		go func() {
			if err := wait(ctx, rand.N(sweep)); err != nil { //nolint:gosec // nobody's secret
				problems <- err
				return
			}
			problems <- m.killOne(ctx, p, i)
		}()
	}
	for range some {
		if err := <-problems; err != nil {
			return err
		}
	}
	return nil
}

// killOne tells what a kubelet tells of a container that was killed at its limit and started again. The time counts from before it is told.
func (m *mourner) killOne(ctx context.Context, p *plane, i int) error {
	c := components[i%len(components)]
	pod := &corev1.Pod{}
	if err := p.client.Get(ctx, types.NamespacedName{Namespace: homeOf(i), Name: c.Pod}, pod); err != nil {
		return err
	}
	s := &pod.Status.ContainerStatuses[0]
	s.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{Reason: "OOMKilled", ExitCode: 137, ContainerID: s.ContainerID, StartedAt: s.State.Running.StartedAt, FinishedAt: metav1.Now()}
	s.RestartCount++
	s.ContainerID = fmt.Sprintf("%s-%d", s.ContainerID, s.RestartCount)
	s.State.Running.StartedAt = metav1.Now()
	m.mu.Lock()
	m.killed[nameOf(i)] = time.Now()
	m.mu.Unlock()
	return p.client.Status().Update(ctx, pod)
}

// watch sees sizes as they are written: nothing else changes the generation of a TenantCluster here.
func (m *mourner) watch(ctx context.Context, p *plane) error {
	watcher, err := client.NewWithWatch(p.env.Config, client.Options{Scheme: p.client.Scheme()})
	if err != nil {
		return err
	}
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("TenantClusterList"))
	if err := p.client.List(ctx, list, client.InNamespace(fleet), client.Limit(1)); err != nil {
		return err
	}
	w, err := watcher.Watch(ctx, list, client.InNamespace(fleet), &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: list.ResourceVersion}})
	if err != nil {
		return err
	}
	go func() {
		defer w.Stop()
		for event := range w.ResultChan() {
			if o, ok := event.Object.(client.Object); ok && o.GetGeneration() > 1 {
				m.mended(o.GetName(), time.Now())
			}
		}
	}()
	return nil
}

func (m *mourner) mended(tenant string, at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if killed, waits := m.killed[tenant]; waits {
		m.waits = append(m.waits, at.Sub(killed).Seconds())
		delete(m.killed, tenant)
	}
}

// patience is how long is waited for the last sizes.
const patience = time.Minute

func (m *mourner) end(ctx context.Context) ([]float64, error) {
	for deadline := time.Now().Add(patience); ; {
		left, waits := m.left()
		switch {
		case len(left) == 0:
			return waits, nil
		case time.Now().After(deadline):
			return nil, fmt.Errorf("no size was written within %s of kills in %s", patience, strings.Join(left, ", "))
		}
		if err := wait(ctx, 100*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

func (m *mourner) left() (left []string, waits []float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name := range m.killed {
		left = append(left, name)
	}
	return left, m.waits
}
