package exposition

import (
	"bufio"
	"compress/gzip"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"
)

// stranger serves what a handler writes.
func stranger(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s.URL
}

func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }
}

var some = Want(append(Histogram("took_seconds", "name"),
	Family{Name: "asked_total", Kind: Counter, By: []string{"code"}, Skip: func(label func(string) string) bool { return label("verb") == "WATCH" }},
	Family{Name: "born", Kind: Birth},
	Family{Name: "held", By: []string{"level"}},
)...)

func ask(t *testing.T, url string) (*Answer, int64, error) {
	t.Helper()
	return some.Ask(t.Context(), Question{URL: url}, time.Now)
}

func TestSumsAreOfTheWantedFamiliesByTheWantedLabels(t *testing.T) {
	text := `# HELP asked_total how often
# TYPE asked_total counter
asked_total{code="200",verb="GET"} 5
asked_total{code="200",verb="LI}ST"} 7 1700000000000
asked_total{code="200",verb="WATCH"} 1000
asked_total{code="429",verb="GET"} 0
asked_total_too{code="200"} 99
other{code="200"} NaN
held{level="a\"\\b"} 1.5
held 2
`
	a, size, err := ask(t, stranger(t, says(text)))
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, family := range []string{"asked_total", "held", "born"} {
		got += fmt.Sprintf("%s %t:", family, a.Tells(family))
		for labels, value := range a.Of(family) {
			got += fmt.Sprintf(" %q=%g", labels[0], value)
		}
		got += "\n"
	}
	want := "asked_total true: \"200\"=12\nheld true: \"\"=2 \"a\\\"\\\\b\"=1.5\nborn false:\n"
	if got != want || size != int64(len(text)) || a.Total("held") != 3.5 {
		t.Errorf("got\n%swant\n%sof %d bytes, total %g", got, want, size, a.Total("held"))
	}
}

// one line that is wanted, one of many.
func one(i int) string { return fmt.Sprintf("asked_total{code=\"200\",verb=\"V%d\"} 1\n", i) }

// filler is what is not looked at.
var filler = strings.Repeat("apiserver_something_bucket{le=\"0.5\",resource=\"configmaps\",verb=\"LIST\"} 12345\n", 1000)

func forEver(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			fmt.Fprint(w, text)
		}
	}
}

// numbered writes so many lines.
func numbered(lines int, line func(int) string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := range lines {
			fmt.Fprint(w, line(i))
		}
	}
}

func TestStrangersCostWhatTheyMayAndNoMore(t *testing.T) {
	for name, tc := range map[string]struct {
		serve  http.HandlerFunc
		result Result
		says   string
	}{
		"200 MB": {func(w http.ResponseWriter, _ *http.Request) {
			for sent := 0; sent < 200<<20; sent += len(filler) {
				if _, err := io.WriteString(w, filler); err != nil {
					return
				}
			}
		}, TooLarge, "its metrics are larger than 32 MiB"},
		"200 MB, as it says": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "209715200")
		}, TooLarge, "its metrics are larger than 32 MiB"},
		"for ever":          {forEver(filler), TooLarge, "its metrics are larger than 32 MiB"},
		"one line for ever": {forEver("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"), TooLarge, "its metrics are larger than 32 MiB"},
		"one wanted line for ever": {func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "asked_total{code=\"")
			forEver("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")(w, r)
		}, Unreadable, "a line of asked_total is longer than 64 KiB"},
		"too many samples": {numbered(200_001, one), TooLarge, "its metrics have more than 200000 samples of what is looked at"},
		"too many sums":    {numbered(4097, func(i int) string { return fmt.Sprintf("asked_total{code=\"%d\"} 1\n", i) }), TooLarge, "its metrics have more than 4096 different values of what is looked at, or 256 KiB of labels"},
		"long labels": {numbered(30, func(i int) string {
			return fmt.Sprintf("asked_total{code=\"%d%s\"} 1\n", i, strings.Repeat("x", 10_000))
		}), TooLarge, "its metrics have more than 4096 different values of what is looked at, or 256 KiB of labels"},
		"a bomb": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			for range 200 {
				fmt.Fprint(z, filler)
			}
			z.Close()
		}, Unreadable, "its metrics are compressed, which was not asked for"},
		"half of it": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, "held 1\n")
		}, Unreachable, `its metrics cannot be asked: "unexpected EOF"`},
		"half a line":        {says("held 1\nasked_total{code=\"200\"} 1"), Unreadable, "its metrics end in the middle of a line"},
		"not a number":       {says("held NaN\n"), Unreadable, "its metrics say NaN of held"},
		"endless":            {says("held +Inf\n"), Unreadable, "its metrics say +Inf of held"},
		"endless together":   {says("held{x=\"1\"} 1e308\nheld{x=\"2\"} 1e308\n"), Unreadable, "its metrics say 1e+308 of held"},
		"less than none":     {says("asked_total{code=\"200\"} -1\n"), Unreadable, "its metrics say -1 of asked_total"},
		"born before time":   {says("born -1\n"), Unreadable, "its metrics say -1 of born"},
		"twice":              {says("held 1\nheld 2\n"), Unreadable, "its metrics tell a sample of held twice"},
		"twice with labels":  {says("held{level=\"a\"} 1\nheld{level=\"a\"} 1 17\n"), Unreadable, "its metrics tell a sample of held twice"},
		"another tongue":     {says("held{level=\"a\" 1\n"), Unreadable, "its metrics cannot be read: "},
		"a page":             {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }, Refused, "it answers the question for its metrics with HTTP 404"},
		"too many questions": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) }, Refused, "it turned away our own question for its metrics, too (HTTP 429)"},
		"somebody else": {func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/elsewhere" {
				http.Redirect(w, r, "/elsewhere", http.StatusFound)
			}
		}, Refused, "it answers the question for its metrics with HTTP 302"},
		"hung up": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, Unreachable, "its metrics cannot be asked: "},
	} {
		t.Run(name, func(t *testing.T) {
			a, size, err := ask(t, stranger(t, tc.serve))
			if a != nil || err == nil || ResultOf(err) != tc.result || !strings.HasPrefix(err.Error(), tc.says) {
				t.Errorf("got %v and %v (%s), want %s: %s", a, err, ResultOf(err), tc.result, tc.says)
			}
			if len(err.Error()) > 300 || size > mostBytes+longestLine {
				t.Errorf("it cost %d bytes, and says %d", size, len(err.Error()))
			}
		})
	}
}

func TestSlowStrangersAreLeftInTime(t *testing.T) {
	for name, serve := range map[string]http.HandlerFunc{
		"one byte after the other": func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				fmt.Fprint(w, "h")
				w.(http.Flusher).Flush()
				time.Sleep(10 * time.Millisecond)
			}
		},
		"no answer": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"headers alone": func(w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		},
	} {
		t.Run(name, func(t *testing.T) {
			q := Question{URL: stranger(t, serve), Within: 300 * time.Millisecond}
			if _, _, err := some.Ask(t.Context(), q, time.Now); ResultOf(err) != Late || err.Error() != "its metrics were not told within 300ms" {
				t.Errorf("got %v (%s)", err, ResultOf(err))
			}
		})
	}
}

func TestNobodyThere(t *testing.T) {
	s := httptest.NewServer(says(""))
	s.Close()
	if _, _, err := ask(t, s.URL); ResultOf(err) != Unreachable || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("got %v (%s)", err, ResultOf(err))
	}
}

func TestAnotherCertificateIsNotTrusted(t *testing.T) {
	s := httptest.NewTLSServer(says("held 1\n"))
	t.Cleanup(s.Close)
	s.Config.ErrorLog = nil
	_, _, err := some.Ask(t.Context(), Question{URL: s.URL, Trust: &tls.Config{MinVersion: tls.VersionTLS12}}, time.Now)
	if ResultOf(err) != Untrusted || !strings.HasPrefix(err.Error(), "the certificate for its metrics is another one: ") {
		t.Errorf("got %v (%s)", err, ResultOf(err))
	}
	trust := s.Client().Transport.(*http.Transport).TLSClientConfig
	if a, _, err := some.Ask(t.Context(), Question{URL: s.URL, Trust: trust}, time.Now); err != nil || a.Total("held") != 1 {
		t.Errorf("got %v, %v", a, err)
	}
}

func TestQuestionsSayWhoAsks(t *testing.T) {
	got := make(chan *http.Request, 1)
	url := stranger(t, func(_ http.ResponseWriter, r *http.Request) { got <- r })
	if _, _, err := some.Ask(t.Context(), Question{URL: url, Bearer: "t"}, time.Now); err != nil {
		t.Fatal(err)
	}
	if r := <-got; r.Header.Get("Authorization") != "Bearer t" || r.Header.Get("Accept-Encoding") != "" || r.UserAgent() != "metapilot-cluster-scaler" || !r.Close {
		t.Errorf("got %v", r.Header)
	}
	if _, _, err := ask(t, url); err != nil {
		t.Fatal(err)
	}
	if r := <-got; r.Header.Get("Authorization") != "" {
		t.Errorf("got %v", r.Header)
	}
}

// endless gives one line again and again, so that reading it shows what a reader keeps.
type endless struct{ i, most int }

func (e *endless) Read(p []byte) (int, error) {
	if e.i >= e.most {
		return 0, io.EOF
	}
	e.i++
	return copy(p, fmt.Sprintf("asked_total{code=\"200\",verb=\"V%d\"} 1\n", e.i)), nil
}

func TestMemoryOfAnAnswerIsBounded(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	r, err := some.sum(bufio.NewReaderSize(&endless{most: mostSamples}, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 16<<20 {
		t.Errorf("%d samples hold %d KiB while they are read", mostSamples, grown>>10)
	}
	a := r.answer(time.Now())
	if a.Total("asked_total") != mostSamples || len(a.sums) != 1 {
		t.Errorf("got %g in %d sums", a.Total("asked_total"), len(a.sums))
	}
}

func TestAQuestionEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	url := stranger(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	if _, _, err := some.Ask(ctx, Question{URL: url}, time.Now); ResultOf(err) != Unreachable {
		t.Errorf("got %v (%s)", err, ResultOf(err))
	}
}
