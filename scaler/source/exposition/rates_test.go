package exposition

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/metapilot/metapilot/scaler/model"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func answer(t *testing.T, after time.Duration, text string) *Answer {
	t.Helper()
	r, err := some.sum(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return r.answer(noon.Add(after))
}

func TestRatesComeFromTwoAnswers(t *testing.T) {
	older := answer(t, 0, "asked_total{code=\"200\"} 5\nasked_total{code=\"404\"} 3\nheld{level=\"a\"} 9\nheld{level=\"gone\"} 9\nborn 17\n")
	newer := answer(t, 10*time.Second, "asked_total{code=\"200\"} 25\nasked_total{code=\"404\"} 3\nasked_total{code=\"429\"} 40\nheld{level=\"a\"} 2\nborn 17\n")
	r, err := some.Compare(older, newer)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, family := range []string{"asked_total", "held", "born"} {
		for labels, value := range r.Of(family) {
			got = append(got, fmt.Sprintf("%s %s %g", family, labels[0], value))
		}
	}
	want := []string{"asked_total 200 2", "asked_total 404 0", "asked_total 429 4", "held a 2", "born  17"}
	if !slices.Equal(got, want) || r.Over != 10*time.Second || r.Total("asked_total") != 6 {
		t.Errorf("got %q over %s", got, r.Over)
	}
	if !r.Tells("born") || r.Tells("took_seconds_sum") {
		t.Error("what it tells of is wrong")
	}
}

func TestAnswersThatCannotBeCompared(t *testing.T) {
	restarted := "it was restarted since its metrics were told before"
	for name, tc := range map[string]struct {
		older, newer string
		after        time.Duration
		want         string
	}{
		"a counter fell":                 {"asked_total 5\n", "asked_total 4\n", time.Minute, restarted},
		"the last counter is gone":       {"asked_total{code=\"1\"} 5\n", "held 4\n", time.Minute, restarted},
		"a counter in between is gone":   {"asked_total{code=\"1\"} 5\nasked_total{code=\"2\"} 5\n", "asked_total{code=\"2\"} 5\n", time.Minute, restarted},
		"a counter at the start is gone": {"asked_total{code=\"1\"} 5\nheld 1\n", "asked_total{code=\"2\"} 5\nheld 1\n", time.Minute, restarted},
		"it was born again":              {"born 5\nasked_total 1\n", "born 6\nasked_total 9\n", time.Minute, restarted},
		"it was not born before":         {"asked_total 1\n", "born 6\nasked_total 9\n", time.Minute, restarted},
		"too soon":                       {"held 1\n", "held 1\n", 2 * time.Second, "its metrics were told at times that are 2s apart"},
		"too late":                       {"held 1\n", "held 1\n", 15*time.Minute + time.Second, "its metrics were told at times that are 15m1s apart"},
		"before":                         {"held 1\n", "held 1\n", -time.Minute, "its metrics were told at times that are -1m0s apart"},
		"gauges come and go":             {"held{level=\"a\"} 5\nheld{level=\"c\"} 1\n", "held{level=\"b\"} 1\n", 15 * time.Minute, ""},
		"three seconds":                  {"asked_total 5\n", "asked_total 5\n", 3 * time.Second, ""},
	} {
		got := ""
		if _, err := some.Compare(answer(t, 0, tc.older), answer(t, tc.after, tc.newer)); err != nil {
			got = err.Error()
		}
		if got != tc.want {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
}

// histogram is the text of one, with counts of what took at most 0.1, 0.5 and 1 s, and of all.
func histogram(name string, sum float64, counts ...int) string {
	var b strings.Builder
	for i, le := range []string{"0.1", "0.5", "1", "+Inf"} {
		fmt.Fprintf(&b, "took_seconds_bucket{name=%q,le=%q} %d\n", name, le, counts[i])
	}
	fmt.Fprintf(&b, "took_seconds_sum{name=%q} %g\ntook_seconds_count{name=%q} %d\n", name, sum, name, counts[3])
	return b.String()
}

func TestLatencies(t *testing.T) {
	older := answer(t, 0, histogram("a", 100, 1000, 1000, 1000, 1000)+histogram("quiet", 1, 9, 9, 9, 9))
	newer := answer(t, 10*time.Second, histogram("a", 150, 1050, 1090, 1100, 1100)+histogram("quiet", 1, 9, 9, 9, 9)+
		histogram("new", 40, 0, 0, 0, 20)+histogram("fast", 0.1, 40, 40, 40, 40)+histogram("never", 0, 0, 0, 0, 0))
	r, err := some.Compare(older, newer)
	if err != nil {
		t.Fatal(err)
	}
	got := r.Latencies("took_seconds", true)
	want := map[string]model.Latency{
		"a":    {Count: 10, Mean: 500 * time.Millisecond, P99: 950 * time.Millisecond}, // 99 of 100: nine tenths of the way from 0.5 to 1
		"new":  {Count: 2, Mean: 2 * time.Second, P99: time.Second},                    // slower than the last bound, which is what is known
		"fast": {Count: 4, Mean: 2500 * time.Microsecond, P99: 99 * time.Millisecond},
	}
	for name, l := range got {
		if l != want[name] {
			t.Errorf("%s: got %+v, want %+v", name, l, want[name])
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %v", slices.Sorted(maps.Keys(got)))
	}
}

func TestPercentiles(t *testing.T) {
	inf := math.Inf(1)
	for name, tc := range map[string]struct {
		buckets []bucket
		want    float64
	}{
		"none":                    {nil, 0},
		"nothing in them":         {[]bucket{{1, 0}, {inf, 0}}, 0},
		"all above the last":      {[]bucket{{1, 0}, {5, 0}, {inf, 7}}, 5},
		"some above the last":     {[]bucket{{1, 90}, {5, 90}, {inf, 100}}, 5},
		"in the first":            {[]bucket{{1, 100}, {5, 100}, {inf, 100}}, 0.99},
		"in the second":           {[]bucket{{5, 100}, {1, 0}, {inf, 100}}, 4.96},
		"counts that fall":        {[]bucket{{1, 100}, {5, 20}, {10, 100}, {inf, 101}}, 0.9999},
		"no last one":             {[]bucket{{1, 50}, {5, 100}}, 4.92},
		"exactly at the boundary": {[]bucket{{1, 99}, {5, 100}, {inf, 100}}, 1},
	} {
		if got := percentile(tc.buckets, 0.99); got < tc.want-1e-9 || got > tc.want+1e-9 {
			t.Errorf("%s: got %g, want %g", name, got, tc.want)
		}
	}
}

func TestNoLatencyIsLongerThanAnHour(t *testing.T) {
	for from, want := range map[float64]time.Duration{-1: 0, 0: 0, 0.5: 500 * time.Millisecond, 1e300: time.Hour} {
		if got := seconds(from); got != want {
			t.Errorf("%g: got %s", from, got)
		}
	}
}

// FuzzAnswers: whatever a stranger says, reading it ends without a panic, and what it gives can be compared with itself.
func FuzzAnswers(f *testing.F) {
	f.Add("asked_total{code=\"200\"} 5\n")
	f.Add(histogram("a", 1, 1, 2, 3, 4))
	f.Add("held{level=\"a\\n\"} 1e9 5\n# TYPE held gauge\nheld")
	f.Add("born\xff 1\nheld {}\n{\"held\"} 2\n")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := some.sum(strings.NewReader(text))
		if err != nil {
			if ResultOf(err) == Answered || len(err.Error()) > 2000 {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		older, newer := r.answer(noon), r.answer(noon.Add(time.Minute))
		rates, err := some.Compare(older, newer)
		if err != nil || rates.Total("asked_total") != 0 {
			t.Errorf("%q: compared with itself: %v", text, err)
		}
		for _, l := range rates.Latencies("took_seconds", true) {
			if l.P99 < 0 || l.P99 > time.Hour || l.Mean < 0 || l.Mean > time.Hour {
				t.Errorf("%q: %+v", text, l)
			}
		}
	})
}
