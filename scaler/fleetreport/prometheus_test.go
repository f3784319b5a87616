package fleetreport_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler/fleetreport"
	"github.com/metapilot/metapilot/scaler/model"
	"github.com/metapilot/metapilot/scaler/report"
)

var now = time.Unix(1_800_000_000, 0).UTC()

var spec = v1alpha1.FleetReportSpec{From: metav1.NewTime(now.Add(-24 * time.Hour)), To: metav1.NewTime(now)}

const nothing = `{"status":"success","data":{"resultType":"matrix","result":[]}}`

// tells is a matrix of series, each of a pod and a container with values a minute apart.
func tells(series ...string) string {
	return `{"status":"success","data":{"resultType":"matrix","result":[` + strings.Join(series, ",") + `]}}`
}

func series(pod, container string, values ...string) string {
	var points []string
	for i, v := range values {
		points = append(points, fmt.Sprintf("[%d,%q]", now.Unix()-3600+int64(i)*60, v))
	}
	return fmt.Sprintf(`{"metric":{"pod":%q,"container":%q},"values":[%s]}`, pod, container, strings.Join(points, ","))
}

// answers by what a query has in it.
func answers(t *testing.T, by map[string]string, asked *[]string) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query := r.FormValue("query")
		if asked != nil {
			*asked = append(*asked, query+" step "+r.FormValue("step")+" "+r.Header.Get("Authorization"))
		}
		for part, answer := range by {
			if strings.Contains(query, part) {
				fmt.Fprint(w, answer)
				return
			}
		}
		fmt.Fprint(w, nothing)
	}))
	t.Cleanup(s.Close)
	return s
}

func measure(t *testing.T, o fleetreport.PrometheusOptions, all []report.History) error {
	t.Helper()
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	p, err := fleetreport.NewPrometheus(o)
	if err != nil {
		t.Fatal(err)
	}
	return p.Measure(t.Context(), "shop-web", &spec, all)
}

func TestMeasures(t *testing.T) {
	var asked []string
	s := answers(t, map[string]string{
		"container_cpu":    tells(series("etcd-0", "etcd", "0.1", "NaN", "0.3"), series("etcd-1", "etcd", "0.2", "-1"), series("etcd-events-0", "etcd", "9"), series("other-0", "etcd", "8")),
		"container_memory": tells(series("etcd-0", "etcd", "1000", "+Inf"), series("etcd-0", "sidecar", "7000"), series("api-1", "sidecar", "50"), series("api-1", "api", "60")),
		"limits{namespace=\"shop-web\",container!=\"\",container!=\"POD\",resource=\"memory\"": tells(series("etcd-0", "etcd", "4096")),
	}, &asked)
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	all := []report.History{{Component: "etcd", Container: "etcd"}, {Component: "etcd-events", Container: "etcd"}, {Component: "api"}}
	if err := measure(t, fleetreport.PrometheusOptions{URL: s.URL, TokenFile: token}, all); err != nil {
		t.Fatal(err)
	}
	at := func(minute int) time.Time { return time.Unix(now.Unix()-3600+int64(minute)*60, 0) }
	for _, one := range []struct {
		what      string
		got, want []report.Point
	}{
		{"the highest of its pods, without what is no amount", all[0].Usage[model.CPU], []report.Point{{At: at(0), Value: 200}, {At: at(2), Value: 300}}},
		{"only its container", all[0].Usage[model.Memory], []report.Point{{At: at(0), Value: 1000}}},
		{"its limit", all[0].Limit[model.Memory], []report.Point{{At: at(0), Value: 4096}}},
		{"no request is known", all[0].Request[model.Memory], nil},
		{"the longest name", all[1].Usage[model.CPU], []report.Point{{At: at(0), Value: 9000}}},
		{"any container, if none is named", all[2].Usage[model.Memory], []report.Point{{At: at(0), Value: 60}}},
	} {
		if !slices.EqualFunc(one.want, one.got, func(a, b report.Point) bool { return a.At.Equal(b.At) && a.Value == b.Value }) {
			t.Errorf("%s: %v, not %v", one.what, one.got, one.want)
		}
	}
	if len(asked) != 6 || !strings.Contains(asked[0], "step 288 Bearer secret") || !strings.Contains(asked[0], "[300s]") {
		t.Errorf("asked %q", asked)
	}
}

func TestFaultsOfPrometheus(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") }))
	t.Cleanup(elsewhere.Close)
	for name, tc := range map[string]struct {
		answer func(w http.ResponseWriter, r *http.Request)
		says   string
	}{
		"it knows nothing": {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, nothing) }, "does it scrape /metrics/cadvisor"},
		"it fails":         {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "out of memory", 500) }, "asking Prometheus: server_error"},
		"it refuses": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(422)
			fmt.Fprint(w, `{"status":"error","errorType":"bad_data","error":"no such function"}`)
		}, "no such function"},
		"it is another thing": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"status":"success","data":{"resultType":"vector","result":[]}}`)
		}, "instead of a matrix"},
		"it leads elsewhere": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		}, "asking Prometheus"},
		"it does not end": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"status":"success","data":{"resultType":"matrix","result":["`)
			for range 33 {
				fmt.Fprint(w, strings.Repeat("x", 1<<20))
			}
		}, "longer than 32 MiB"},
		"it is slow": {func(_ http.ResponseWriter, r *http.Request) {
			r.ParseForm() //nolint:errcheck // what matters is that it is read: only then is it seen that the client has gone
			<-r.Context().Done()
		}, "deadline exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(tc.answer))
			t.Cleanup(s.Close)
			err := measure(t, fleetreport.PrometheusOptions{URL: s.URL, Timeout: 2 * time.Second}, []report.History{{Component: "etcd"}})
			if err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("says %v, not %q", err, tc.says)
			}
		})
	}
}

func TestRefusedAddresses(t *testing.T) {
	for _, url := range []string{"prometheus:9090", "ftp://prometheus", "http://", "://"} {
		if _, err := fleetreport.NewPrometheus(fleetreport.PrometheusOptions{URL: url}); err == nil || !strings.Contains(err.Error(), "write one such as") {
			t.Errorf("%s: %v", url, err)
		}
	}
}
