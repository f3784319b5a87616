package sourcetest

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/metapilot/metapilot/recommender/source"
)

// faults are what goes wrong between any source and its server, as a server that has the right answer.
var faults = map[string]func(right http.Handler) http.Handler{
	"broken off":        func(right http.Handler) http.Handler { return brokenOff(right) },
	"half an answer":    func(right http.Handler) http.Handler { return half(right) },
	"a page for people": func(http.Handler) http.Handler { return page(http.StatusOK) },
	"a proxy's page":    func(http.Handler) http.Handler { return page(http.StatusBadGateway) },
	"its server failed": func(http.Handler) http.Handler { return status(http.StatusInternalServerError) },
	"not ready":         func(http.Handler) http.Handler { return status(http.StatusServiceUnavailable) },
	"not allowed":       func(http.Handler) http.Handler { return status(http.StatusForbidden) },
	"not found":         func(http.Handler) http.Handler { return status(http.StatusNotFound) },
	"other JSON":        func(http.Handler) http.Handler { return json(`{"fruit":["apple"]}`) },
	"JSON of no object": func(http.Handler) http.Handler { return json(`7`) },
	"nothing at all":    func(http.Handler) http.Handler { return json(``) },
}

func json(text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, text) //nolint:errcheck // a source that has left has seen enough
	})
}

func page(code int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(code)
		io.WriteString(w, "<html><title>Please sign in</title></html>") //nolint:errcheck // see json
	})
}

func status(code int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "sorry", code) })
}

// recorded is the right answer.
func recorded(right http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	right.ServeHTTP(w, r)
	return w
}

// half is an answer that ends too soon although its length says that it is whole.
func half(right http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := recorded(right, r)
		w.Header().Set("Content-Type", a.Header().Get("Content-Type"))
		w.Write(a.Body.Bytes()[:a.Body.Len()/2]) //nolint:errcheck // see json
	})
}

// brokenOff is a connection that ends in the middle of an answer.
func brokenOff(right http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		half(right).ServeHTTP(w, r)
		http.NewResponseController(w).Flush() //nolint:errcheck // see json
		panic(http.ErrAbortHandler)
	})
}

// stalled is an answer that never goes on, and calls reached once the first half is on its way.
func stalled(right http.Handler, reached func()) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		half(right).ServeHTTP(w, r)
		http.NewResponseController(w).Flush() //nolint:errcheck // see json
		reached()
		<-r.Context().Done()
	})
}

// changing is a server that is mended while it runs.
type changing struct{ http.Handler }

func (c *changing) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.Handler.ServeHTTP(w, r) }

func tellsFaults(t *testing.T, k Kind) {
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			server := &changing{fault(k.Serve(two()))}
			s := k.ask(t, server)
			mustTellFault(t, s.Read(t.Context(), []string{"tc-one"}))
			server.Handler = k.Serve(two())
			mustTell(t, s.Read(t.Context(), []string{"tc-one"}), two()[:4])
		})
	}
	t.Run("nothing known", func(t *testing.T) {
		mustTellFault(t, k.ask(t, k.Serve(nil)).Read(t.Context(), []string{"tc-one"}))
	})
	t.Run("nobody there", func(t *testing.T) {
		mustTellFault(t, k.unreachable(t).Read(t.Context(), []string{"tc-one"}))
	})
}

func tellsFaultsOfHistory(t *testing.T, k Kind) {
	k.historian(t, k.Serve(nil))
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			mustTellFault(t, k.historian(t, fault(k.Serve(two()))).History(t.Context(), "tc-one", Noon, Noon.Add(time.Hour)))
		})
	}
}

func (k Kind) unreachable(t *testing.T) source.Source {
	t.Helper()
	server := httptest.NewServer(nil)
	server.Close()
	return k.New(t, server.URL)
}

// mustTellFault wants words that a person can read, and no reading.
func mustTellFault(t *testing.T, a source.Answer) {
	t.Helper()
	t.Logf("it says: %s", a.Fault)
	if len(a.Readings) != 0 {
		t.Errorf("it tells readings: %q", Lines(a.Readings))
	}
	for _, wrong := range []string{"%!", "<nil>", "\n", "\x00"} {
		if strings.Contains(a.Fault, wrong) {
			t.Errorf("its words have %q in them", wrong)
		}
	}
	if a.Fault == "" || len(a.Fault) > 1000 {
		t.Errorf("its fault has %d characters; want one that fits a status", len(a.Fault))
	}
}

// endsWithContext: the context ends while the answer is on its way.
func endsWithContext(t *testing.T, k Kind) {
	ctx, cancel := context.WithCancel(t.Context())
	s := k.ask(t, stalled(k.Serve(two()), cancel))
	mustTellFault(t, s.Read(ctx, []string{"tc-one"}))
	mustTellFault(t, s.Read(ctx, []string{"tc-one"})) // nor does it begin with one that has ended
	if h, knows := s.(source.Historian); knows {
		mustTellFault(t, h.History(ctx, "tc-one", Noon, Noon.Add(time.Hour)))
	}
}
