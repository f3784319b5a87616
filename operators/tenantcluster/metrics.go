package tenantcluster

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/operators/tenantcluster/plan"
)

var tenantLabels = []string{"fleet", "tenant"}

// What is measured of each tenant.
var (
	tenantReady = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "metapilot_tenant_ready", Help: "1 if a user can use the tenant, or else 0.",
	}, tenantLabels)
	tenantNotAfter = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "metapilot_tenant_certificate_not_after_timestamp_seconds", Help: "When the first of the tenant's certificates ends, in Unix time.",
	}, tenantLabels)
	tenantDatabase = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "metapilot_tenant_etcd_database_bytes", Help: "Size of the largest database among the tenant's etcd members.",
	}, tenantLabels)
	canarySeconds = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "metapilot_tenant_canary_seconds", Help: "How long a write, a read and a watch took through tenants' own endpoints.",
		Buckets: prometheus.ExponentialBuckets(0.005, 2, 11),
	})
)

func init() {
	metrics.Registry.MustRegister(tenantReady, tenantNotAfter, tenantDatabase, canarySeconds)
}

// measure publishes what was seen of a tenant.
func measure(tc *v1alpha1.TenantCluster, f plan.Function) {
	ready := 0.0
	if apimeta.IsStatusConditionTrue(tc.Status.Conditions, v1alpha1.ReadyCondition) {
		ready = 1
	}
	tenantReady.WithLabelValues(tc.Namespace, tc.Name).Set(ready)
	if all := tc.Status.Certificates; len(all) > 0 {
		first := slices.MinFunc(all, func(a, b v1alpha1.CertificateStatus) int { return a.NotAfter.Compare(b.NotAfter.Time) })
		tenantNotAfter.WithLabelValues(tc.Namespace, tc.Name).Set(float64(first.NotAfter.Unix()))
	}
	if !f.Asked {
		return
	}
	if f.Fault == "" {
		canarySeconds.Observe(f.Took.Seconds())
	}
	tenantDatabase.WithLabelValues(tc.Namespace, tc.Name).Set(float64(largest(f.Members)))
}

func largest(members []plan.Member) (size int64) {
	for _, m := range members {
		size = max(size, m.DBSize)
	}
	return size
}

// forget takes a tenant that is gone out of the metrics.
func forget(tc *v1alpha1.TenantCluster) {
	for _, gauge := range []*prometheus.GaugeVec{tenantReady, tenantNotAfter, tenantDatabase} {
		gauge.DeleteLabelValues(tc.Namespace, tc.Name)
	}
}
