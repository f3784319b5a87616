package sourcetest

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/metapilot/metapilot/recommender/model"
	"github.com/metapilot/metapilot/recommender/source"
)

var name = regexp.MustCompile(`^[a-z]([a-z0-9-]*[a-z0-9])?$`)

func hasName(t *testing.T, k Kind) {
	if got := k.ask(t, k.Serve(nil)).Name(); !name.MatchString(got) {
		t.Errorf("its name is %q, want one like metrics-server", got)
	}
}

func tellsAll(t *testing.T, k Kind) {
	mustTell(t, k.ask(t, k.Serve(two())).Read(t.Context(), []string{"tc-one", "tc-two"}), two())
}

func tellsOnlyWanted(t *testing.T, k Kind) {
	mustTell(t, k.ask(t, k.Serve(two())).Read(t.Context(), []string{"tc-two"}), two()[4:])
}

func asksForNothing(t *testing.T, k Kind) {
	s := k.ask(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("it asks for %s", r.URL) }))
	mustTell(t, s.Read(t.Context(), nil), nil)
}

// tellsNoZero may or may not call it a fault that the CPU of one and the memory of the other are not known: not every server says so.
func tellsNoZero(t *testing.T, k Kind) {
	some := []source.Reading{two()[1], two()[2]}
	got := k.ask(t, k.Serve(some)).Read(t.Context(), []string{"tc-one"})
	got.Fault = ""
	mustTell(t, got, some)
}

func tellsLies(t *testing.T, k Kind) {
	lies := []source.Reading{Of("tc-one", "etcd-0", 0, model.CPU, -5), Of("tc-one", "etcd-0", 0, model.Memory, 1<<60)}
	mustTell(t, k.ask(t, k.Serve(lies)).Read(t.Context(), []string{"tc-one"}), lies)
}

func tellsMany(t *testing.T, k Kind) {
	many, namespaces := make([]source.Reading, 0, 20_000), make([]string, 0, 1000)
	for n := range 1000 {
		namespaces = append(namespaces, fmt.Sprintf("tc-of-a-user-with-a-long-name-%d", n))
		for p := range 10 {
			pod := fmt.Sprintf("kube-apiserver-7d4b9c6f5-%d", p)
			many = append(many, Of(namespaces[n], pod, 0, model.CPU, float64(n)), Of(namespaces[n], pod, 0, model.Memory, float64(p)))
		}
	}
	mustTell(t, k.ask(t, k.Serve(many)).Read(t.Context(), namespaces), many)
}

func tellsSeveral(t *testing.T, k Kind) {
	s := k.ask(t, k.Serve(two()))
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { mustTell(t, s.Read(t.Context(), []string{"tc-one"}), two()[:4]) })
	}
	all.Wait()
}

// tellsHistory of two pods over an hour and a half, asked for in part. The order is compared too.
func tellsHistory(t *testing.T, k Kind) {
	var past, want []source.Reading
	for _, pod := range []string{"etcd-0", "etcd-1"} {
		for at := time.Duration(0); at <= 90*time.Minute; at += 5 * time.Minute {
			for r := range model.Resources {
				past = append(past, Of("tc-one", pod, at, r, 100+at.Minutes()), Of("tc-two", pod, at, r, 7))
				if at >= 10*time.Minute && at <= 80*time.Minute {
					want = append(want, Of("tc-one", pod, at, r, 100+at.Minutes()))
				}
			}
		}
	}
	h := k.historian(t, k.Serve(past))
	got := h.History(t.Context(), "tc-one", Noon.Add(10*time.Minute), Noon.Add(80*time.Minute))
	mustTell(t, got, want)
	mustBeInOrder(t, got.Readings)
	mustTell(t, h.History(t.Context(), "tc-one", Noon.Add(8*time.Minute), Noon.Add(82*time.Minute)), want) // the same times again
	mustTell(t, h.History(t.Context(), "tc-one", Noon.Add(time.Hour), Noon), nil)
}

// historian skips the test of a source that knows no past.
func (k Kind) historian(t *testing.T, h http.Handler) source.Historian {
	t.Helper()
	s, knows := k.ask(t, h).(source.Historian)
	if !knows {
		t.Skip("it knows no past")
	}
	return s
}

func mustBeInOrder(t *testing.T, readings []source.Reading) {
	t.Helper()
	for container, of := range byContainer(readings) {
		if !slices.IsSortedFunc(of, func(a, b source.Reading) int { return a.At.Compare(b.At) }) {
			t.Errorf("the readings of %s are not in order of time: %v", container, of)
		}
	}
}

func byContainer(readings []source.Reading) map[string][]source.Reading {
	all := map[string][]source.Reading{}
	for _, r := range readings {
		key := fmt.Sprintf("%s/%s/%s %s", r.Namespace, r.Pod, r.Container, r.Resource)
		all[key] = append(all[key], r)
	}
	return all
}
