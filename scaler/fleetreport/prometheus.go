package fleetreport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	prommodel "github.com/prometheus/common/model"
	"k8s.io/client-go/transport"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler/model"
	"github.com/metapilot/metapilot/scaler/report"
)

// Prometheus is asked for what containers have used: cAdvisor's metrics, as kubelets serve them, and the requests and limits of kube-state-metrics where
// there is one.
type Prometheus struct {
	api     promv1.API
	timeout time.Duration
}

var _ Measured = Prometheus{}

// PrometheusOptions say which one is asked.
type PrometheusOptions struct {
	URL               string
	TokenFile, CAFile string        // none if empty
	Timeout           time.Duration // of one query
}

// maxAnswer in bytes: one tenant's pods at some hundred times are far below.
const maxAnswer = 32 << 20

// NewPrometheus checks the options; it does not ask yet.
func NewPrometheus(o PrometheusOptions) (Prometheus, error) {
	if u, err := url.Parse(o.URL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return Prometheus{}, fmt.Errorf("%q is no address of a Prometheus: write one such as http://prometheus.monitoring:9090", o.URL)
	}
	to, err := transport.New(&transport.Config{
		TLS: transport.TLSConfig{CAFile: o.CAFile}, BearerTokenFile: o.TokenFile, UserAgent: "metapilot-report",
		WrapTransport: func(next http.RoundTripper) http.RoundTripper { return bounded{next} },
	})
	if err != nil {
		return Prometheus{}, fmt.Errorf("reading the token (%q) or the certificates (%q) for Prometheus: %w", o.TokenFile, o.CAFile, err)
	}
	client, err := api.NewClient(api.Config{Address: o.URL, Client: &http.Client{
		Transport: to, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // the token is for this host
	}})
	if err != nil {
		return Prometheus{}, err
	}
	return Prometheus{promv1.NewAPI(client), o.Timeout}, nil
}

// bounded ends answers that are too long.
type bounded struct{ next http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := b.next.RoundTrip(r)
	if err == nil {
		response.Body = &limited{response.Body, maxAnswer}
	}
	return response, err
}

type limited struct {
	io.ReadCloser
	left int64
}

func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, fmt.Errorf("the answer is longer than %d MiB", maxAnswer>>20)
	}
	n, err := l.ReadCloser.Read(p[:min(int64(len(p)), l.left)])
	l.left -= int64(n)
	return n, err
}

// question is one query, whose answers go where into points to.
type question struct {
	query    string
	resource model.Resource
	into     func(*report.History) *map[model.Resource][]report.Point
	optional bool // not every Prometheus knows it
}

func questions(home string, step time.Duration) []question {
	in := fmt.Sprintf(`namespace=%q,container!="",container!="POD"`, home)
	window := fmt.Sprintf("%ds", int(max(step, 5*time.Minute).Seconds()))
	by := "max by (pod, container) "
	usage := func(h *report.History) *map[model.Resource][]report.Point { return &h.Usage }
	request := func(h *report.History) *map[model.Resource][]report.Point { return &h.Request }
	limit := func(h *report.History) *map[model.Resource][]report.Point { return &h.Limit }
	return []question{
		{by + "(rate(container_cpu_usage_seconds_total{" + in + "}[" + window + "]))", model.CPU, usage, false},
		{by + "(max_over_time(container_memory_working_set_bytes{" + in + "}[" + window + "]))", model.Memory, usage, false},
		{by + "(kube_pod_container_resource_requests{" + in + `,resource="cpu"})`, model.CPU, request, true},
		{by + "(kube_pod_container_resource_requests{" + in + `,resource="memory"})`, model.Memory, request, true},
		{by + "(kube_pod_container_resource_limits{" + in + `,resource="cpu"})`, model.CPU, limit, true},
		{by + "(kube_pod_container_resource_limits{" + in + `,resource="memory"})`, model.Memory, limit, true},
	}
}

// steps of a range: as many points as a chart shows.
const steps = 300

// Measure asks for the time of the report. What was found before an error stays.
func (p Prometheus) Measure(ctx context.Context, home string, spec *v1alpha1.FleetReportSpec, all []report.History) error {
	step := max(spec.To.Sub(spec.From.Time)/steps, 15*time.Second).Truncate(time.Second)
	over := promv1.Range{Start: spec.From.Time, End: spec.To.Time, Step: step}
	for _, q := range questions(home, step) {
		found, err := p.ask(ctx, q.query, over)
		if err != nil {
			return err
		}
		if len(found) == 0 && !q.optional {
			return errors.New("the Prometheus knows nothing of it: does it scrape /metrics/cadvisor of the kubelets?")
		}
		q.sort(found, all)
	}
	return nil
}

func (p Prometheus) ask(ctx context.Context, query string, over promv1.Range) (prommodel.Matrix, error) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	answer, _, err := p.api.QueryRange(ctx, query, over)
	if err != nil {
		return nil, fmt.Errorf("asking Prometheus: %w", err)
	}
	matrix, ok := answer.(prommodel.Matrix)
	if !ok {
		return nil, fmt.Errorf("the Prometheus answers with a %s instead of a matrix: look what else speaks there", answer.Type())
	}
	return matrix, nil
}

// sort gives each series to the component that its pod belongs to, and keeps the highest of all pods of each time.
func (q *question) sort(found prommodel.Matrix, all []report.History) {
	for i := range all {
		highest := map[time.Time]int64{}
		for _, s := range found {
			if owner(all, string(s.Metric["pod"]), string(s.Metric["container"])) == i {
				q.take(s, highest)
			}
		}
		if len(highest) > 0 {
			into := q.into(&all[i])
			if *into == nil {
				*into = map[model.Resource][]report.Point{}
			}
			(*into)[q.resource] = report.Ordered(highest)
		}
	}
}

func (q *question) take(s *prommodel.SampleStream, highest map[time.Time]int64) {
	for _, v := range s.Values {
		f := float64(v.Value)
		if q.resource == model.CPU {
			f *= 1000
		}
		if math.IsNaN(f) || f < 0 || f > math.MaxInt64/2 {
			continue // not an amount
		}
		at := v.Timestamp.Time()
		highest[at] = max(highest[at], int64(math.Round(f)))
	}
}

// owner is the component whose name the pod's begins with, the longest of them; -1 for none.
func owner(all []report.History, pod, container string) int {
	best := -1
	for i := range all {
		h := &all[i]
		fits := strings.HasPrefix(pod, h.Component+"-") && (h.Container == "" || h.Container == container)
		if fits && (best < 0 || len(h.Component) > len(all[best].Component)) {
			best = i
		}
	}
	return best
}
