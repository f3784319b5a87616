package prometheus

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/metapilot/metapilot/recommender/model"
	"github.com/metapilot/metapilot/recommender/source"
	"github.com/metapilot/metapilot/recommender/source/sourcetest"
)

// heard keeps what a server was asked.
type heard struct {
	http.Handler
	mu       sync.Mutex
	requests []*http.Request
	forms    []url.Values
}

func (h *heard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	r.ParseForm() //nolint:errcheck // the handler finds out again
	h.requests, h.forms = append(h.requests, r), append(h.forms, r.Form)
	h.mu.Unlock()
	h.Handler.ServeHTTP(w, r)
}

func (h *heard) all(key string) (values []string) {
	for _, f := range h.forms {
		values = append(values, f.Get(key))
	}
	return values
}

func TestQueries(t *testing.T) {
	for name, tc := range map[string]struct {
		options Options
		ask     func(*Source) source.Answer
		want    []string
	}{
		"now": {
			Options{}, func(s *Source) source.Answer { return s.Read(t.Context(), []string{"tc-two", "tc-one", "tc-two"}) },
			[]string{
				`max without (cpu, id, image, instance, name, node) (rate(container_cpu_usage_seconds_total` +
					`{namespace=~"tc-one|tc-two",pod!="",container!="",container!="POD"}[120s]))`,
				`max without (cpu, id, image, instance, name, node) (max_over_time(container_memory_working_set_bytes` +
					`{namespace=~"tc-one|tc-two",pod!="",container!="",container!="POD"}[120s]))`,
			},
		},
		"the past": {
			Options{}, func(s *Source) source.Answer { return s.History(t.Context(), "tc-one", noon, noon) },
			[]string{
				`max without (cpu, id, image, instance, name, node) (max_over_time(rate(container_cpu_usage_seconds_total` +
					`{namespace=~"tc-one",pod!="",container!="",container!="POD"}[120s])[300s:60s]))`,
				`max without (cpu, id, image, instance, name, node) (max_over_time(container_memory_working_set_bytes` +
					`{namespace=~"tc-one",pod!="",container!="",container!="POD"}[300s]))`,
			},
		},
		"labels, matchers and window of one's own": {
			Options{Labels: Labels{"kubernetes_namespace", "pod_name", "name"}, Matchers: `cluster="a b",job=~"x|\"y"`, Window: time.Minute},
			func(s *Source) source.Answer { return s.Read(t.Context(), []string{"tc-one"}) },
			[]string{
				`max without (cpu, id, image, instance, node) (rate(container_cpu_usage_seconds_total` +
					`{kubernetes_namespace=~"tc-one",pod_name!="",name!="",name!="POD",cluster="a b",job=~"x|\"y"}[60s]))`,
				`max without (cpu, id, image, instance, node) (max_over_time(container_memory_working_set_bytes` +
					`{kubernetes_namespace=~"tc-one",pod_name!="",name!="",name!="POD",cluster="a b",job=~"x|\"y"}[60s]))`,
			},
		},
		"a namespace that is none stays text": {
			Options{}, func(s *Source) source.Answer { return s.Read(t.Context(), []string{`.*"} or {x="`}) },
			[]string{
				`max without (cpu, id, image, instance, name, node) (rate(container_cpu_usage_seconds_total` +
					`{namespace=~"\\.\\*\"\\} or \\{x=\"",pod!="",container!="",container!="POD"}[120s]))`,
				`max without (cpu, id, image, instance, name, node) (max_over_time(container_memory_working_set_bytes` +
					`{namespace=~"\\.\\*\"\\} or \\{x=\"",pod!="",container!="",container!="POD"}[120s]))`,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := &heard{Handler: serve(nil)}
			told(t, server, tc.options, tc.ask)
			if got := server.all("query"); !slices.Equal(got, tc.want) {
				t.Errorf("it asks\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tc.want, "\n"))
			}
			if times := slices.Compact(server.all("time")); !slices.Equal(times, []string{""}) {
				t.Errorf("it asks for the times %q, want that of Prometheus", times)
			}
		})
	}
}

func TestManyNamespacesAreAskedForInParts(t *testing.T) {
	var all []string
	for i := range 601 {
		all = append(all, fmt.Sprintf("tc-%d", i))
	}
	server := &heard{Handler: serve(nil)}
	told(t, server, Options{}, func(s *Source) source.Answer { return s.Read(t.Context(), all) })
	if len(server.forms) != 6 {
		t.Errorf("there are %d queries, want 6", len(server.forms))
	}
}

func TestHistoryIsAskedForDayByDay(t *testing.T) {
	server := &heard{Handler: serve(nil)}
	from := noon.Add(-49*time.Hour - time.Second)
	told(t, server, Options{}, func(s *Source) source.Answer { return s.History(t.Context(), "tc-one", from, noon.Add(time.Second)) })
	var got []string
	for i, start := range server.all("start") {
		got = append(got, hours(start)+" to "+hours(server.all("end")[i]))
	}
	want := []string{"-49h0m0s to -25h5m0s", "-25h0m0s to -1h5m0s", "-1h0m0s to 0s"}
	if !slices.Equal(slices.Compact(got), want) || len(got) != 6 {
		t.Errorf("it asks for %q, want each of %q twice", got, want)
	}
	if steps := slices.Compact(server.all("step")); !slices.Equal(steps, []string{"300s"}) {
		t.Errorf("its steps are %q, want 300s", steps)
	}
}

// hours before noon.
func hours(unix string) string {
	seconds, _ := strconv.ParseInt(unix, 10, 64)
	return time.Unix(seconds, 0).Sub(noon).String()
}

func matrix(series ...string) http.Handler {
	return saying(http.StatusOK, asJSON, strings.Replace(vector(series...), "vector", "matrix", 1))
}

// many values of etcd-0, each with the seconds after noon.
func many(more string, values ...string) string {
	var pairs []string
	for _, v := range values {
		amount, after, _ := strings.Cut(v, "@")
		seconds, _ := strconv.Atoi(after)
		pairs = append(pairs, fmt.Sprintf("[%d,%q]", noon.Unix()+int64(seconds), amount))
	}
	return fmt.Sprintf(`{"metric":{"namespace":"tc-one","pod":"etcd-0","container":"etcd"%s},"values":[%s]}`, more, strings.Join(pairs, ","))
}

func TestHistoryOfOneContainer(t *testing.T) {
	for name, tc := range map[string]struct {
		server http.Handler
		want   []string
		fault  bool
	}{
		"nothing": {matrix(), nil, false},
		"lies, and in no order, are told as they are": {
			matrix(many("", "1@600", "NaN@300", "-3@900")),
			[]string{"etcd-0/etcd memory 1 at 600", "etcd-0/etcd memory NaN at 300", "etcd-0/etcd memory -3 at 900"}, false,
		},
		"a pod that has moved, with labels of its node": {
			matrix(many(`,"rack":"b"`, "3@600", "4@900"), many(`,"rack":"a"`, "1@0", "2@300")),
			[]string{"etcd-0/etcd memory 1 at 0", "etcd-0/etcd memory 2 at 300", "etcd-0/etcd memory 3 at 600", "etcd-0/etcd memory 4 at 900"}, false,
		},
		"two clusters at once": {
			matrix(many(`,"cluster":"b"`, "3@0", "1@300", "9@600"), many(`,"cluster":"a"`, "2@0", "2@300")),
			[]string{"etcd-0/etcd memory 3 at 0", "etcd-0/etcd memory 2 at 300", "etcd-0/etcd memory 9 at 600"}, true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			lines, fault := told(t, tc.server, Options{}, func(s *Source) source.Answer {
				got := s.History(t.Context(), "tc-one", noon, noon.Add(time.Hour))
				if got.Partial {
					t.Error("it is told to be asked again, and everything was answered")
				}
				return got
			})
			if !slices.Equal(lines, tc.want) || (fault != "") != tc.fault {
				t.Errorf("it tells %q, %q; want %q and a fault: %t", lines, fault, tc.want, tc.fault)
			}
		})
	}
}

// A namespace with more than fits into one answer is asked for in shorter parts, and nothing is lost or told twice.
func TestHistoryTooLargeForOneAnswer(t *testing.T) {
	var past []source.Reading
	for at := time.Duration(0); at < 24*time.Hour; at += step {
		for r := range model.Resources {
			past = append(past, sourcetest.Of("tc-one", "etcd-0", at, r, 1000+at.Minutes()))
		}
	}
	server := &heard{Handler: serve(past)}
	var got source.Answer
	ask := func(s *Source) source.Answer {
		got = s.History(t.Context(), "tc-one", noon, noon.Add(24*time.Hour-step))
		return got
	}
	if _, fault := told(t, server, Options{MaxAnswer: 1500}, ask); fault != "" {
		t.Errorf("it tells a fault: %s", fault)
	}
	if have, want := sourcetest.Lines(got.Readings), sourcetest.Lines(past); !slices.Equal(have, want) {
		t.Errorf("it tells %d readings, want %d", len(have), len(want))
	}
	_, fault := told(t, server, Options{MaxAnswer: 100}, ask)
	if want := "the Prometheus at URL answers with more than the largest answer of 100 bytes: raise it, or narrow the matchers"; fault != want {
		t.Errorf("it says %q, want %q", fault, want)
	}
}

// What came before the context ended is told.
func TestHistoryUntilItsContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	answered, past := 0, serve([]source.Reading{sourcetest.Of("tc-one", "etcd-0", 0, model.CPU, 5)})
	server := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if answered++; answered > 1 {
			cancel()
		}
		past.ServeHTTP(w, r)
	})
	var got source.Answer
	lines, fault := told(t, server, Options{}, func(s *Source) source.Answer {
		got = s.History(ctx, "tc-one", noon, noon.Add(48*time.Hour))
		return got
	})
	if !got.Partial {
		t.Error("nobody would ask for the rest")
	}
	if !slices.Equal(lines, []string{"etcd-0/etcd cpu 5 at 0"}) || !strings.Contains(fault, "did not answer in time") {
		t.Errorf("it tells %q, %q", lines, fault)
	}
}
