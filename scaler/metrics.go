package scaler

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/metapilot/metapilot/scaler/model"
)

// What is measured of decisions.
var (
	decisions = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "metapilot_scaler_decisions_total", Help: "Decisions that were written down.",
	}, []string{"component", "decision", "dry_run"})
	holds = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "metapilot_scaler_holds_total", Help: "Changes that a guard held, when that was news.",
	}, []string{"component", "guard"})
	oomKills = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "metapilot_scaler_oom_kills_total", Help: "OOM kills that were seen.",
	}, []string{"component"})
	reaction = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "metapilot_scaler_reaction_seconds", Help: "Time from an OOM kill, known to the second, to the decision and to its effect.",
		Buckets: []float64{0.25, 0.5, 1, 1.5, 2, 3, 4, 6, 10, 30, 120},
	}, []string{"until"})
)

func init() {
	metrics.Registry.MustRegister(decisions, holds, oomKills, reaction)
}

func count(v *view) {
	if held := v.plan.Held; held != nil && v.plan.Decision == model.Hold {
		holds.WithLabelValues(v.component.name, held.Guard).Inc()
	}
	decisions.WithLabelValues(v.component.name, string(v.plan.Decision), strconv.FormatBool(v.plan.DryRun)).Inc()
}
