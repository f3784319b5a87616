package exposition

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

var questions = prometheus.NewCounterVec(prometheus.CounterOpts{
	Name: "metapilot_scaler_questions_total", Help: "Questions for metrics that sources asked, by what came of them.",
}, []string{"source", "result"})

func init() {
	metrics.Registry.MustRegister(questions)
}

// Count counts a question of a source; err is why it has no answer.
func Count(source string, err error) {
	questions.WithLabelValues(source, string(ResultOf(err))).Inc()
}
