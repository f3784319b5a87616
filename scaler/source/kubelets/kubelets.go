// Package kubelets sees how much containers are throttled by their CPU limit, as the kubelets of their nodes tell it.
//
// It owns the counters of the containers that somebody looks at, and the token with which kubelets are asked, which is worth nothing else. Nodes on which
// no such container has a CPU limit are not asked: without one, nothing is throttled.
package kubelets

import (
	"context"
	"crypto/tls"
	"fmt"
	"maps"
	"net"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/scaler/model"
	"github.com/metapilot/metapilot/scaler/source"
	"github.com/metapilot/metapilot/scaler/source/exposition"
)

// Name of the source, as its questions are counted.
const Name = "kubelets"

const (
	fresh     = 5 * time.Minute // older ones say nothing about now
	kept      = 16              // of each container
	unhurried = time.Minute     // a node is asked often for so long after the last of its containers was in trouble
	forgotten = 10 * time.Minute
)

// Source asks the kubelets of nodes, each in its turn.
type Source struct {
	nodes client.Reader
	token *Token
	trust *tls.Config
	clock clock.WithTicker
	turns *exposition.Turns[string]

	mu         sync.RWMutex
	containers map[key]*container
	troubled   map[string]time.Time // when one of a node's containers was in trouble last
}

var _ source.Source = (*Source)(nil)

// New makes the source. Nodes may come from a cache; trust is of the kubelets' serving certificates.
func New(nodes client.Reader, token *Token, trust *tls.Config, clock clock.WithTicker, purse *exposition.Purse) *Source {
	return &Source{
		nodes: nodes, token: token, trust: trust, clock: clock, turns: exposition.NewTurns[string](clock, purse),
		containers: map[key]*container{}, troubled: map[string]time.Time{},
	}
}

// Start asks until the context ends. What is told is seen when a component is looked at next.
func (s *Source) Start(ctx context.Context, _ func()) error {
	go s.forget(ctx)
	s.turns.Serve(ctx, s.ask)
	return nil
}

// forget drops what nobody has looked at for a while.
func (s *Source) forget(ctx context.Context) {
	ticker := s.clock.NewTicker(forgotten)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C():
			s.mu.Lock()
			maps.DeleteFunc(s.containers, func(_ key, c *container) bool { return now.Sub(c.looked) > forgotten })
			maps.DeleteFunc(s.troubled, func(_ string, at time.Time) bool { return now.Sub(at) > forgotten })
			s.mu.Unlock()
		}
	}
}

// Look adds how much the containers were throttled. A container without a limit is not.
func (s *Source) Look(c source.Component, o *model.Observed) {
	trouble := exposition.Troubled(o)
	for i, pod := range c.Pods {
		switch seen := &o.Pods[i]; {
		case seen.Actual.Limits.CPU == 0:
			seen.Throttled = 0
		case seen.Running && seen.Node != "":
			seen.Throttling = s.look(key{pod.Namespace, pod.Name, c.Container}, seen.Node, trouble, o.Now)
			if n := len(seen.Throttling); n > 0 {
				seen.Throttled = seen.Throttling[n-1].Percent
			}
		}
	}
}

// look gives out what is known of a container, and has its node asked. What was given out is never changed.
func (s *Source) look(k key, node string, trouble bool, now time.Time) []model.Throttle {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.containers[k]
	if c == nil {
		c = &container{}
		s.containers[k] = c
	}
	c.looked = now
	if trouble || c.throttled() {
		s.troubled[node] = now
	}
	s.turns.Want(node, node, now.Sub(s.troubled[node]) < unhurried)
	if n := len(c.shares); n == 0 || now.Sub(c.shares[n-1].At) > fresh {
		return nil
	}
	return c.shares[:len(c.shares):len(c.shares)]
}

// ask asks the kubelet of a node.
func (s *Source) ask(ctx context.Context, node string) (int64, error) {
	q, err := s.question(ctx, node)
	var answer *exposition.Answer
	var size int64
	if err == nil {
		answer, size, err = s.wanted().Ask(ctx, q, s.clock.Now)
	}
	exposition.Count(Name, err)
	if err == nil {
		s.keep(answer)
	}
	return size, err
}

// question is where the kubelet is, and how it knows us.
func (s *Source) question(ctx context.Context, name string) (q exposition.Question, err error) {
	var node corev1.Node
	if err := s.nodes.Get(ctx, client.ObjectKey{Name: name}, &node); err != nil {
		return q, exposition.Faultf(exposition.Unequipped, "reading Node %s: %v", name, err)
	}
	address := addressOf(&node)
	if address == "" {
		return q, exposition.Faultf(exposition.Unequipped, "Node %s has no internal address", name)
	}
	if q.Bearer, err = s.token.get(ctx, s.clock.Now()); err != nil {
		return q, exposition.Faultf(exposition.Unequipped, "%v", err)
	}
	q.URL, q.Trust = "https://"+address+"/metrics/cadvisor", s.trust
	return q, nil
}

// defaultPort is the kubelet's, where the node does not tell (k8s.io/kubernetes/pkg/cluster/ports).
const defaultPort = 10250

func addressOf(node *corev1.Node) string {
	port := node.Status.DaemonEndpoints.KubeletEndpoint.Port
	if port == 0 {
		port = defaultPort
	}
	for _, a := range node.Status.Addresses {
		if a.Type == corev1.NodeInternalIP {
			return net.JoinHostPort(a.Address, strconv.Itoa(int(port)))
		}
	}
	return ""
}

// Families of cAdvisor (github.com/google/cadvisor/lib/metrics).
const (
	periods   = "container_cpu_cfs_periods_total"
	throttled = "container_cpu_cfs_throttled_periods_total"
)

// wanted are the counters of the containers that somebody looks at.
func (s *Source) wanted() exposition.Wanted {
	by := []string{"namespace", "pod", "container"}
	foreign := func(label func(string) string) bool {
		s.mu.RLock()
		defer s.mu.RUnlock()
		return s.containers[key{label("namespace"), label("pod"), label("container")}] == nil
	}
	return exposition.Want(
		exposition.Family{Name: periods, Kind: exposition.Counter, By: by, Skip: foreign},
		exposition.Family{Name: throttled, Kind: exposition.Counter, By: by, Skip: foreign},
	)
}

// keep takes what a kubelet told of containers.
func (s *Source) keep(a *exposition.Answer) {
	told := map[exposition.Labels]count{}
	for labels, n := range a.Of(periods) {
		told[labels] = count{at: a.At, periods: n}
	}
	for labels, n := range a.Of(throttled) {
		c := told[labels]
		c.throttled = n
		told[labels] = c
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for labels, n := range told {
		if c := s.containers[key(labels)]; c != nil && n.periods > 0 {
			c.add(n)
		}
	}
}

// key is namespace, pod and container.
type key [3]string

func (k key) String() string { return fmt.Sprintf("%s/%s/%s", k[0], k[1], k[2]) }
