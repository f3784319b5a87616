package prometheus

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/metapilot/metapilot/recommender/source"
)

func TestOptionsThatCannotWork(t *testing.T) {
	const right = "http://prometheus:9090"
	for name, tc := range map[string]struct {
		options Options
		want    string
	}{
		"none":               {Options{}, `the URL of Prometheus is ""; want one like http://prometheus.monitoring:9090`},
		"no scheme":          {Options{URL: "prometheus:9090"}, `the URL of Prometheus is "prometheus:9090"; want one like http://prometheus.monitoring:9090`},
		"no host":            {Options{URL: "http://"}, `the URL of Prometheus is "http://"; want one like http://prometheus.monitoring:9090`},
		"a query":            {Options{URL: right + "?x=y"}, `the URL of Prometheus is "http://prometheus:9090?x=y"; want one like http://prometheus.monitoring:9090`},
		"unreadable":         {Options{URL: "http://me:secret@x:port"}, "the URL of Prometheus cannot be read; want one like http://prometheus.monitoring:9090"},
		"user and password":  {Options{URL: "https://me:secret@prometheus"}, "the URL of Prometheus, https://me:xxxxx@prometheus, has a user or a password, which would be seen in flags and statuses; put a bearer token into a file and name that instead"},
		"matchers in braces": {Options{URL: right, Matchers: `{cluster="a"}`}, `the matchers for Prometheus are "{cluster=\"a\"}"; want them like cluster="one",job=~"kubelet|cadvisor"`},
		"more than matchers": {Options{URL: right, Matchers: `a="b"} or vector(1) or x{c="d"`}, `the matchers for Prometheus are "a=\"b\"} or vector(1) or x{c=\"d\""; want them like cluster="one",job=~"kubelet|cadvisor"`},
		"half a matcher":     {Options{URL: right, Matchers: `cluster="a`}, `the matchers for Prometheus are "cluster=\"a"; want them like cluster="one",job=~"kubelet|cadvisor"`},
		"no label":           {Options{URL: right, Labels: Labels{Pod: "pod-name"}}, `"pod-name" cannot be the name of a label of Prometheus; the kubelets say namespace, pod and container`},
		"one label for two":  {Options{URL: right, Labels: Labels{Pod: "container"}}, `namespace, pod and container need a label of Prometheus each, and are "namespace", "container" and "container"`},
		"no header":          {Options{URL: right, Header: "X-Scope-OrgID"}, `the header for Prometheus must be like "X-Scope-OrgID: one", and no Authorization: a token belongs into a file`},
		"a token in a flag":  {Options{URL: right, Header: "authorization: Bearer x"}, `the header for Prometheus must be like "X-Scope-OrgID: one", and no Authorization: a token belongs into a file`},
		"two headers":        {Options{URL: right, Header: "A: b\r\nC: d"}, `the header for Prometheus must be like "X-Scope-OrgID: one", and no Authorization: a token belongs into a file`},
		"too wide a window":  {Options{URL: right, Window: time.Hour}, "for Prometheus the window is 1h0m0s, the timeout 30s and the largest answer 67108864 bytes; want a window from 1s to 5m0s and no negative bound"},
		"no token":           {Options{URL: right, TokenFile: "/nowhere/token"}, `reading the token ("/nowhere/token") or the certificates ("") for Prometheus: failed to read token file "/nowhere/token": open /nowhere/token: no such file or directory`},
		"no certificates":    {Options{URL: right, CAFile: "/nowhere/ca"}, `reading the token ("") or the certificates ("/nowhere/ca") for Prometheus: open /nowhere/ca: no such file or directory`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(tc.options)
			if err == nil || !strings.HasPrefix(err.Error(), tc.want) {
				t.Errorf("it says\n%v, want\n%s", err, tc.want)
			}
		})
	}
}

func TestMatchersThatWork(t *testing.T) {
	for _, m := range []string{`cluster="a"`, ` cluster = "a" , job =~ "x|y" `, `a!="",b!~"\\d+"`, `a="}\""`} {
		if _, err := New(Options{URL: "https://prometheus/select/0/prometheus/", Matchers: m}); err != nil {
			t.Errorf("%s: %v", m, err)
		}
	}
}

func file(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTokenHeaderAndCertificates(t *testing.T) {
	server := &heard{Handler: http.StripPrefix("/prefix", saying(200, asJSON, vector(one("", `"5"`))))}
	running := httptest.NewTLSServer(server)
	defer running.Close()
	ca := file(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: running.Certificate().Raw})))
	s := ask(t, Options{URL: running.URL + "/prefix/", TokenFile: file(t, "secret\n"), CAFile: ca, Header: "X-Scope-OrgID: one"})
	if a := s.Read(t.Context(), []string{"tc-one"}); len(a.Readings) != 1 {
		t.Fatalf("it tells %v, %s", a.Readings, a.Fault)
	}
	r := server.requests[0]
	if got := fmt.Sprint(r.Method, " ", r.RequestURI, " ", r.Header["Authorization"], r.Header["X-Scope-Orgid"]); got != "POST /prefix/api/v1/query [Bearer secret] [one]" {
		t.Errorf("it asks by %s", got)
	}
	s = ask(t, Options{URL: running.URL})
	if a := s.Read(t.Context(), []string{"tc-one"}); !strings.Contains(a.Fault, "certificate signed by unknown authority") {
		t.Errorf("without the certificates it says %s", a.Fault)
	}
}

// A redirect would take the token to who knows where, and turns a POST into a GET of a login page.
func TestRedirectIsNotFollowed(t *testing.T) {
	elsewhere := &heard{Handler: http.NotFoundHandler()}
	other := httptest.NewServer(elsewhere)
	defer other.Close()
	_, fault := told(t, http.RedirectHandler(other.URL+"/login", http.StatusFound), Options{TokenFile: file(t, "secret")}, func(s *Source) source.Answer {
		return s.Read(t.Context(), []string{"tc-one"})
	})
	want := fmt.Sprintf("the Prometheus at URL redirects to %q: give it the URL that is meant, or the token that it wants", other.URL+"/login")
	if fault != want || len(elsewhere.requests) > 0 {
		t.Errorf("it says %s, and asks there %d times; want %s", fault, len(elsewhere.requests), want)
	}
}

func TestProxyThatAllowsOnlyGET(t *testing.T) {
	for _, refusal := range []int{http.StatusForbidden, http.StatusMethodNotAllowed} {
		lines, _ := told(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet {
				http.Error(w, "no", refusal)
				return
			}
			saying(200, asJSON, vector(one("", `"5"`)))(w, r)
		}), Options{}, func(s *Source) source.Answer { return s.Read(t.Context(), []string{"tc-one"}) })
		if len(lines) != 1 {
			t.Errorf("after status %d it tells %q", refusal, lines)
		}
	}
}

func TestTimeoutIsToldToPrometheus(t *testing.T) {
	server := &heard{Handler: serve(nil)}
	told(t, server, Options{Timeout: time.Minute}, func(s *Source) source.Answer { return s.Read(t.Context(), []string{"tc-one"}) })
	var seconds float64
	if _, err := fmt.Sscan(server.forms[0].Get("timeout"), &seconds); err != nil || seconds <= 0 || seconds > 60 {
		t.Errorf("the timeout is %v, %v; want at most a minute", server.forms[0]["timeout"], err)
	}
}

func TestAnswerThatNeverEnds(t *testing.T) {
	_, fault := told(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := fmt.Fprint(w, strings.Repeat(" ", 4096)); err != nil {
				return
			}
		}
	}), Options{MaxAnswer: 1 << 20}, func(s *Source) source.Answer { return s.Read(t.Context(), []string{"tc-one"}) })
	if want := "the Prometheus at URL answers with more than the largest answer of 1048576 bytes: raise it, or narrow the matchers"; fault != want {
		t.Errorf("it says %q, want %q", fault, want)
	}
}

func TestAnswerOfTheLargestSize(t *testing.T) {
	text := vector(one("", `"5"`))
	for most, want := range map[int]int{len(text): 1, len(text) - 1: 0} {
		lines, fault := told(t, saying(200, asJSON, text), Options{MaxAnswer: int64(most)}, func(s *Source) source.Answer {
			return s.Read(t.Context(), []string{"tc-one"})
		})
		if len(lines) != want {
			t.Errorf("of %d bytes it tells %q, %s", most, lines, fault)
		}
	}
}

// What a sample says is told, or refused; it is never told as something else.
func FuzzPoint(f *testing.F) {
	for _, seed := range []string{`[1,"2"]`, `[1.5,"NaN"]`, `[1,null]`, `[1]`, `[]`, `[1,"2",3]`, `["1","2"]`, `[NaN,"2"]`, `[1e300,"2"]`, `{}`, `null`, `[1,"+Inf"]`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var p point
		var plain []any
		if json.Unmarshal([]byte(text), &p) != nil {
			return
		}
		if err := json.Unmarshal([]byte(text), &plain); err != nil || len(plain) != 2 {
			t.Fatalf("%q is taken for %v", text, p)
		}
		said, isText := plain[1].(string)
		if !isText || (said == "" || math.IsNaN(p.Amount) != strings.EqualFold(strings.TrimLeft(said, "+-"), "nan")) {
			t.Errorf("%q is taken for %v", text, p)
		}
	})
}

// The timeout of one query ends it although the context would go on, and Prometheus is asked the other query.
func TestAnswerThatStops(t *testing.T) {
	asked := 0
	lines, fault := told(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked++; asked > 1 {
			saying(200, asJSON, vector(one("", `"5"`)))(w, r)
			return
		}
		r.ParseForm() //nolint:errcheck // only for the connection to tell when it is closed
		fmt.Fprint(w, `{"status":`)
		http.NewResponseController(w).Flush() //nolint:errcheck // see above
		<-r.Context().Done()
	}), Options{Timeout: 500 * time.Millisecond}, func(s *Source) source.Answer { return s.Read(t.Context(), []string{"tc-one"}) })
	if want := "the Prometheus at URL did not answer in time: look at its load, or raise the timeout of 500ms"; fault != want || len(lines) != 1 {
		t.Errorf("it tells %q, %s; want %s", lines, fault, want)
	}
}
