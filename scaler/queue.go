package scaler

import (
	"time"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler/fleet"
)

// Fleet is what the order of steps down rests on, as objects.
type Fleet struct {
	Scalers  []v1alpha1.ClusterScaler
	Tenants  []v1alpha1.TenantCluster
	Policies []v1alpha1.ScalingPolicy
	Records  []v1alpha1.ScalingRecord // of the last day, which is as far as a budget looks back
}

// Queue orders the fleet's steps down as its cluster-scaler does that starts now: who let a turn pass is known only to the one that runs.
func Queue(now time.Time, f *Fleet) fleet.Schedule {
	l := newLedger(fleet.Defaults())
	for i := range f.Policies {
		l.seesPolicy(&f.Policies[i])
	}
	for i := range f.Tenants {
		l.seesTenant(&f.Tenants[i])
	}
	for i := range f.Scalers {
		l.seesScaler(&f.Scalers[i])
	}
	for i := range f.Records {
		l.seesRecord(&f.Records[i], now)
	}
	l.reckon(now)
	return l.schedule
}
