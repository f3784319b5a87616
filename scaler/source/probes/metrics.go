package probes

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/metapilot/metapilot/scaler/model"
)

// What is measured of probes.
var (
	asked = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "metapilot_scaler_probes_total", Help: "Tenants that were asked from outside, by what came of it.",
	}, []string{"result"})
	tenants = prometheus.NewGauge(prometheus.GaugeOpts{Name: "metapilot_scaler_probe_tenants", Help: "Tenants that are asked from outside."})
	failing = prometheus.NewGauge(prometheus.GaugeOpts{Name: "metapilot_scaler_probe_failing", Help: "Tenants that fail their probe now."})
	unknown = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "metapilot_scaler_probe_unknown", Help: "Tenants of which nobody knows now whether they answer.",
	})
	stopped = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "metapilot_scaler_fleet_stopped", Help: "1 while nothing is made smaller in the whole fleet, because many tenants fail their probe or of most nobody knows.",
	})
)

func init() {
	metrics.Registry.MustRegister(asked, tenants, failing, unknown, stopped)
}

func count(a answer) {
	switch {
	case a.unknown != "":
		asked.WithLabelValues("unknown").Inc()
	case a.failed != "":
		asked.WithLabelValues(a.failed).Inc()
	default:
		asked.WithLabelValues("answered").Inc()
	}
}

func measure(f *model.Fleet) {
	tenants.Set(float64(f.Tenants))
	failing.Set(float64(f.Failing))
	unknown.Set(float64(f.Unknown))
	held := 0.0
	if f.Stopped() != "" {
		held = 1
	}
	stopped.Set(held)
}
