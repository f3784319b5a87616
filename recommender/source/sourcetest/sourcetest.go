// Package sourcetest is the contract of package source as a test that every source runs.
//
// It owns what holds for all sources, and what a server of any kind can do wrong over HTTP. What only one kind can do wrong is tested beside that
// source. It asserts nothing about elapsed time: a source that does not end with its context hangs until go test ends it.
package sourcetest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/metapilot/metapilot/recommender/model"
	"github.com/metapilot/metapilot/recommender/source"
)

// Kind is a kind of source, and what stands in for the server that it asks.
type Kind struct {
	// Serve speaks as a server of this kind that was told these readings. Of several readings of one container the last one is that of now.
	Serve func([]source.Reading) http.Handler
	// New is a source that asks the server at the URL.
	New func(t *testing.T, url string) source.Source
}

// Noon is when the readings of the contract begin. It is a whole five minutes, so that sources with steps tell it as it is.
var Noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// clauses of the contract.
var clauses = []struct {
	name  string
	holds func(*testing.T, Kind)
}{
	{"it has a name", hasName},
	{"it tells each amount of each container as it was told", tellsAll},
	{"it tells of no other namespace", tellsOnlyWanted},
	{"it asks for nothing if no namespace is wanted", asksForNothing},
	{"what it was not told is missing and no zero", tellsNoZero},
	{"it does not judge amounts", tellsLies},
	{"ten thousand containers are an ordinary answer", tellsMany},
	{"it can be asked by several at a time", tellsSeveral},
	{"it tells what is wrong with its server, and goes on when nothing is", tellsFaults},
	{"it ends with its context", endsWithContext},
	{"its history is in order and within its bounds", tellsHistory},
	{"its history tells what is wrong with its server", tellsFaultsOfHistory},
}

// Contract holds a source to all of them.
func Contract(t *testing.T, k Kind) {
	t.Helper()
	for _, c := range clauses {
		t.Run(c.name, func(t *testing.T) { c.holds(t, k) })
	}
}

// ask starts a server and a source that asks it.
func (k Kind) ask(t *testing.T, h http.Handler) source.Source {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return k.New(t, server.URL)
}

// Of is what a container of a pod used at a time after Noon.
func Of(namespace, pod string, after time.Duration, r model.Resource, amount float64) source.Reading {
	return source.Reading{Namespace: namespace, Pod: pod, Container: "etcd", Resource: r, At: Noon.Add(after), Amount: amount}
}

// two namespaces, of which the first has two pods.
func two() []source.Reading {
	return []source.Reading{
		Of("tc-one", "etcd-0", 0, model.CPU, 137), Of("tc-one", "etcd-0", 0, model.Memory, 123_456_789),
		Of("tc-one", "etcd-1", 0, model.CPU, 1_500), Of("tc-one", "etcd-1", 0, model.Memory, 1<<30),
		Of("tc-two", "etcd-0", 0, model.CPU, 0), Of("tc-two", "etcd-0", 0, model.Memory, 4096),
	}
}

// Lines are readings as text, sorted. CPU is told to a thousandth of a thousandth of a core: sources have units of their own.
func Lines(readings []source.Reading) []string {
	lines := make([]string, 0, len(readings))
	for _, r := range readings {
		lines = append(lines, line(r))
	}
	slices.Sort(lines)
	return lines
}

func line(r source.Reading) string {
	return fmt.Sprintf("%s/%s/%s %s %.3f at %s", r.Namespace, r.Pod, r.Container, r.Resource, r.Amount, r.At.UTC().Format(time.RFC3339))
}

// mustTell compares regardless of order, and wants no fault.
func mustTell(t *testing.T, got source.Answer, want []source.Reading) {
	t.Helper()
	if got.Fault != "" {
		t.Errorf("it tells a fault: %s", got.Fault)
	}
	if have, want := Lines(got.Readings), Lines(want); !slices.Equal(have, want) {
		t.Errorf("it tells %d readings\n%s\nwant %d\n%s", len(have), few(have), len(want), few(want))
	}
}

// Equal compares as text does, regardless of order.
func Equal(a, b []source.Reading) bool { return slices.Equal(Lines(a), Lines(b)) }

// few lines of many.
func few(lines []string) string {
	return fmt.Sprintf("%q", lines[:min(len(lines), 20)])
}
