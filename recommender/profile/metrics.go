package profile

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/metapilot/metapilot/recommender/model"
)

var (
	passSeconds = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "metapilot_recommender_pass_seconds", Help: "Time to ask the sources and to bring all profiles up to date.",
		Buckets: []float64{0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30},
	})
	known = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "metapilot_recommender_profiles", Help: "WorkloadProfiles that are filled.",
	})
	samples = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "metapilot_recommender_samples_total", Help: "Samples of usage by source and fault; those without a fault, None, were counted.",
	}, []string{"source", "fault"})
	sourceFaults = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "metapilot_recommender_source_faults_total", Help: "Answers of a source that lacked something.",
	}, []string{"source"})
	kills = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "metapilot_recommender_ooms_total", Help: "Kills for want of memory that were learned from.",
	})
	saves = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "metapilot_recommender_checkpoint_saves_total", Help: "Checkpoints written, by result.",
	}, []string{"result"})
)

func init() { metrics.Registry.MustRegister(passSeconds, known, samples, sourceFaults, kills, saves) }

func count(from string, fault model.Fault) { samples.WithLabelValues(from, fault.String()).Inc() }
