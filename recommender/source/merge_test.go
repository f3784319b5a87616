package source

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/metapilot/metapilot/recommender/model"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// memory that etcd-0 used some time ago.
func memory(ago time.Duration, amount float64) Reading {
	return Reading{"tc-one", "etcd-0", "etcd", model.Memory, noon.Add(-ago), amount}
}

func told(name string, readings ...Reading) Told { return Told{name, Answer{Readings: readings}} }

func of(pod string, r Reading) Reading {
	r.Pod = pod
	return r
}

func cpu(ago time.Duration, amount float64) Reading {
	r := memory(ago, amount)
	r.Resource = model.CPU
	return r
}

func TestMerge(t *testing.T) {
	for name, tc := range map[string]struct {
		told []Told
		want string
	}{
		"nobody tells anything": {[]Told{told("first"), told("second")}, ""},
		"the first one wins, although the second is newer": {
			[]Told{told("first", memory(time.Minute, 1)), told("second", memory(0, 2))}, "first etcd-0 memory 1",
		},
		"just fresh enough": {
			[]Told{told("first", memory(2*time.Minute, 1)), told("second", memory(0, 2))}, "first etcd-0 memory 1",
		},
		"the first one has fallen behind": {
			[]Told{told("first", memory(2*time.Minute+time.Second, 1)), told("second", memory(time.Minute, 2))}, "second etcd-0 memory 2",
		},
		"the clock of the first one is a little ahead": {
			[]Told{told("first", memory(-time.Minute, 1)), told("second", memory(0, 2))}, "first etcd-0 memory 1",
		},
		"the first one tells of the future": {
			[]Told{told("first", memory(-61*time.Second, 1)), told("second", memory(2*time.Minute, 2))}, "second etcd-0 memory 2",
		},
		"none is fresh: the newest": {
			[]Told{told("first", memory(time.Hour, 1)), told("second", memory(10*time.Minute, 2)), told("third", memory(20*time.Minute, 3))},
			"second etcd-0 memory 2",
		},
		"none is fresh, of the same age: the first": {
			[]Told{told("first", memory(time.Hour, 1)), told("second", memory(time.Hour, 2))}, "first etcd-0 memory 1",
		},
		"each resource by itself": {
			[]Told{told("first", cpu(time.Hour, 1), memory(0, 2)), told("second", cpu(0, 3), memory(0, 4))},
			"second etcd-0 cpu 3, first etcd-0 memory 2",
		},
		"what only one knows": {
			[]Told{told("first", memory(0, 1)), told("second", of("etcd-1", memory(time.Hour, 2)))},
			"first etcd-0 memory 1, second etcd-1 memory 2",
		},
		"a lie does not hide the truth, and is told": {
			[]Told{told("first", memory(0, math.NaN()), cpu(0, -1)), told("second", memory(0, 2), cpu(0, 3))},
			"first etcd-0 memory NaN, first etcd-0 cpu -1, second etcd-0 memory 2, second etcd-0 cpu 3",
		},
		"nothing but a lie": {[]Told{told("first", memory(0, math.Inf(1)))}, "first etcd-0 memory +Inf"},
		"one source says two things of one container": {
			[]Told{told("first", memory(0, 1), memory(time.Minute, 2))}, "first etcd-0 memory 1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, k := range Merge(noon, 2*time.Minute, tc.told) {
				got = append(got, fmt.Sprintf("%s %s %s %g", k.Source, k.Pod, k.Resource, k.Amount))
			}
			if all := strings.Join(got, ", "); all != tc.want {
				t.Errorf("chosen are\n%s, want\n%s", all, tc.want)
			}
		})
	}
}

func TestMergeOfTenThousandContainers(t *testing.T) {
	var readings []Reading
	for i := range 10_000 {
		readings = append(readings, of(fmt.Sprint(i), cpu(0, 1)), of(fmt.Sprint(i), memory(0, 1)))
	}
	if known := Merge(noon, time.Minute, []Told{told("first", readings...), told("second", readings...)}); len(known) != 20_000 {
		t.Errorf("%d readings are known, want 20000", len(known))
	}
}

// meeting is a source that answers only when another one has been asked too.
type meeting struct {
	name string
	here chan<- struct{}
	both <-chan struct{}
}

func (m meeting) Name() string { return m.name }

func (m meeting) Read(ctx context.Context, namespaces []string) Answer {
	m.here <- struct{}{}
	select {
	case <-m.both:
		return Answer{Fault: m.name + " of " + strings.Join(namespaces, " ")}
	case <-ctx.Done():
		return Answer{Fault: "was left alone"}
	}
}

func TestAllSourcesAreAskedAtOnce(t *testing.T) {
	here, both := make(chan struct{}), make(chan struct{})
	go func() {
		<-here
		<-here
		close(both)
	}()
	got := Ask(t.Context(), []Source{meeting{"first", here, both}, meeting{"second", here, both}}, []string{"tc-one", "tc-two"})
	want := []string{"first: first of tc-one tc-two", "second: second of tc-one tc-two"}
	if !slices.EqualFunc(got, want, func(t Told, s string) bool { return t.Source+": "+t.Answer.Fault == s }) {
		t.Errorf("they said %v, want %v", got, want)
	}
}
