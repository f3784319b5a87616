package programs

import (
	"context"
	"fmt"
	"maps"
	"net"
	"strconv"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/scaler/model"
	"github.com/metapilot/metapilot/scaler/source"
	"github.com/metapilot/metapilot/scaler/source/exposition"
)

// How old what is told may be.
const (
	fresh = 5 * time.Minute // to be acted on
	slow  = 2 * time.Hour   // of what changes slowly

	forgotten = 10 * time.Minute
)

// Name of the source, as its questions are counted.
const Name = "programs"

// program is a component whose metrics are read.
type program struct {
	wanted exposition.Wanted
	port   int
	secure bool // HTTPS, with the tenant's certificate for us
}

// Programs are the components whose metrics are read, with their ports (operators/tenantcluster/plan). etcd's are served in plain HTTP on a port of
// their own, so that reading them needs no certificate, which would read and write all data as well.
var programs = map[string]program{
	"kube-apiserver": {apiServer, 6443, true},
	"etcd":           {etcd, 2381, false},
}

// Source asks the programs of all tenants, each in its turn.
type Source struct {
	clock       clock.WithTicker
	credentials *credentials
	turns       *exposition.Turns[target]
	programs    map[string]program

	mu    sync.Mutex
	known map[types.UID]*reading
}

// target is a program in a pod.
type target struct {
	pod             types.UID
	component, home string
	ip              string
}

// reading is what a pod's program has told.
type reading struct {
	fault  string // why the last question had no answer
	answer *exposition.Answer
	over   time.Duration // between the last two answers that could be compared; zero if they could not
	said   model.Reading // by them
	rest   model.Reading // what changes slowly, by the last one
	looked time.Time
}

var _ source.Source = (*Source)(nil)

// New makes the source. The reader reads Secrets, and must not be a cache: it would hold all of them.
func New(reader client.Reader, clock clock.WithTicker, purse *exposition.Purse) *Source {
	return &Source{
		clock: clock, credentials: newCredentials(reader), turns: exposition.NewTurns[target](clock, purse), programs: programs,
		known: map[types.UID]*reading{},
	}
}

// Start asks until the context ends. What is told is seen when a component is looked at next, so nothing is woken: there are far too many answers.
func (s *Source) Start(ctx context.Context, _ func()) error {
	go s.forget(ctx)
	s.turns.Serve(ctx, s.ask)
	return nil
}

// forget drops what nobody has looked at for a while, for its pod is gone.
func (s *Source) forget(ctx context.Context) {
	ticker := s.clock.NewTicker(forgotten)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C():
		}
		s.mu.Lock()
		maps.DeleteFunc(s.known, func(_ types.UID, r *reading) bool { return s.clock.Since(r.looked) > forgotten })
		s.mu.Unlock()
	}
}

// ask asks one program.
func (s *Source) ask(ctx context.Context, t target) (int64, error) {
	p := s.programs[t.component]
	q := exposition.Question{URL: "http://" + net.JoinHostPort(t.ip, strconv.Itoa(p.port)) + "/metrics"}
	var answer *exposition.Answer
	var size int64
	err := s.equip(ctx, &q, t, p)
	if err == nil {
		answer, size, err = p.wanted.Ask(ctx, q, s.clock.Now)
	}
	if result := exposition.ResultOf(err); result == exposition.Untrusted || result == exposition.Refused {
		s.credentials.drop(t) // there may be a new one
	}
	exposition.Count(Name, err)
	s.keep(t, answer, err)
	return size, err
}

// equip has the question asked as the tenant's Secret for us says.
func (s *Source) equip(ctx context.Context, q *exposition.Question, t target, p program) (err error) {
	if p.secure {
		q.URL = "https" + q.URL[len("http"):]
		q.Trust, err = s.credentials.of(ctx, t)
	}
	return err
}

// keep takes what was told.
func (s *Source) keep(t target, answer *exposition.Answer, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.known[t.pod]
	if r == nil {
		return // nobody looks at it any more
	}
	if err != nil {
		r.fault = err.Error()
		return
	}
	before := r.answer
	r.answer, r.fault, r.over, r.said = answer, "", 0, model.Reading{At: answer.At}
	r.rest = told(t.component, answer, nil)
	if before == nil {
		r.said.Unknown = "its metrics were told once, and rates need two answers"
		return
	}
	rates, err := s.programs[t.component].wanted.Compare(before, answer)
	if err != nil {
		r.said.Unknown = err.Error()
		return
	}
	r.said = told(t.component, answer, rates)
}

func told(component string, a *exposition.Answer, r *exposition.Rates) model.Reading {
	said := model.Reading{At: a.At}
	if r != nil {
		said.Over = r.Over
	}
	if component == "etcd" {
		said.Etcd = etcdOf(a, r)
	} else {
		said.APIServer = apiServerOf(a, r)
	}
	return said
}

// Look adds what the programs in the pods have told, and has them asked again. It has to come after the sources that see usage and throttling, which
// say who is in trouble.
func (s *Source) Look(c source.Component, o *model.Observed) {
	_, known := s.programs[c.Name]
	for i, pod := range c.Pods {
		switch {
		case c.Tenant.Name == "":
			o.Pods[i].Reading.Unknown = "metrics are read of what belongs to a TenantCluster"
		case !known:
			o.Pods[i].Reading.Unknown = "metrics are read of kube-apiserver and etcd"
		case !o.Pods[i].Running || pod.Status.PodIP == "":
			o.Pods[i].Reading.Unknown = "it does not run"
		default:
			o.Pods[i].Reading = s.look(target{pod.UID, c.Name, c.Home, pod.Status.PodIP}, o)
		}
	}
}

func (s *Source) look(t target, o *model.Observed) model.Reading {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.known[t.pod]
	if r == nil {
		r = &reading{}
		s.known[t.pod] = r
	}
	r.looked = o.Now
	said := r.at(o.Now)
	s.turns.Want(string(t.pod), t, exposition.Troubled(o) || turnsAway(&said))
	return said
}

// turnsAway: it has too little of something for its clients.
func turnsAway(r *model.Reading) bool {
	return r.APIServer != nil && r.APIServer.Rejected > 0
}

// at is what is known at a time.
func (r *reading) at(now time.Time) model.Reading {
	if r.answer == nil {
		return model.Reading{Unknown: orElse(r.fault, "its metrics were not asked yet")}
	}
	age := now.Sub(r.answer.At)
	if age <= fresh && r.said.Unknown == "" {
		return r.said
	}
	said := model.Reading{At: r.answer.At}
	if age <= slow {
		said = r.rest
	}
	said.Unknown = orElse(r.fault, r.said.Unknown)
	if said.Unknown == "" {
		said.Unknown = fmt.Sprintf("its metrics were told %s ago", age.Round(time.Second))
	}
	return said
}

func orElse(said, otherwise string) string {
	if said != "" {
		return said
	}
	return otherwise
}
