package main

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/metapilot/metapilot/scaler/actuator"
	"github.com/metapilot/metapilot/scaler/model"
	"github.com/metapilot/metapilot/scaler/source/probes"
)

// prober asks tenants from outside.
func (o *options) prober(m ctrl.Manager) *probes.Source {
	return probes.New(m.GetClient(), m.GetAPIReader(), clock.RealClock{}, o.probes, o.outage(m.GetEventRecorder(actuator.Owner)))
}

// outage tells once that nothing is made smaller in the whole fleet, and once that it goes on.
func (o *options) outage(recorder events.EventRecorder) func(model.Fleet) {
	lease := o.Lease(actuator.Owner)
	return func(f model.Fleet) {
		if f.Outage {
			recorder.Eventf(lease, nil, corev1.EventTypeWarning, "FleetStopped", "Scale", "%s", f.Stopped())
			return
		}
		recorder.Eventf(lease, nil, corev1.EventTypeNormal, "FleetGoesOn", "Scale", "%d of %d tenants fail their probe: what is too large is made smaller again", f.Failing, f.Tenants)
	}
}
