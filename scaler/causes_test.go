package scaler_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler/model"
)

// flood is what an API server says whose level of seats one client has filled.
func flood(rejected float64) model.Reading {
	return model.Reading{APIServer: &model.APIServer{
		Levels: []model.PriorityLevel{{Name: "tenants", Seats: 4, Executing: 4, Queued: 9, Rejected: rejected, Reason: "queue-full"}},
		Flows:  []model.Flow{{Level: "tenants", Schema: "crawler", Requests: 2, Work: 2, Rejected: rejected}},
	}}
}

func diagnosesAFlood(t *testing.T, w *world) {
	tc := w.tenantOf(t, "flooded")
	w.meter.uses(tc.apiServer, "85m", "400Mi")
	w.meter.tells(tc.apiServer, flood(12))
	w.scalerOf(t, "flooded", "{}")
	tellsOfAFlood(t, w)
	w.awaitCause(t, "flooded", "SeatsFull", corev1.EventTypeWarning)
	w.awaitCause(t, "flooded", "CPUBound", corev1.EventTypeNormal)
	w.mustGauge(t, "flooded", "kube-apiserver", "SeatsFull")
	keepsQuietOfAFlood(t, w, tc)

	w.meter.tells(tc.apiServer, model.Reading{APIServer: &model.APIServer{}})
	if up := w.awaitRecord(t, "flooded", "Up", 1); up.Spec.To.Requests.CPU.String() != "150m" || len(up.Spec.Causes) != 1 {
		t.Errorf("after the flood it was decided %+v", up.Spec)
	}
	w.meter.tells(tc.apiServer, flood(12))
	eventually(t, func() string {
		if c := w.status(t, "flooded", "kube-apiserver").Causes; len(c) == 0 || c[0].Type != "SeatsFull" {
			return fmt.Sprintf("the status tells of %+v", c)
		}
		return ""
	})
	w.looks(t, tc.apiServer, 2)
	for _, e := range w.causes(t, "flooded", "SeatsFull") {
		if e.Series != nil {
			t.Errorf("within an hour it was told again: %+v", e)
		}
	}
}

// tellsOfAFlood: in the status and in a record.
func tellsOfAFlood(t *testing.T, w *world) {
	t.Helper()
	held := w.awaitHeld(t, "flooded", "kube-apiserver", "cause")
	if !strings.Contains(held.Reason, "SeatsFull") || !strings.Contains(held.Reason, "flow schema crawler") || held.Wants.Requests.CPU.String() != "150m" {
		t.Errorf("held is %+v", held)
	}
	said := w.status(t, "flooded", "kube-apiserver").Causes
	if len(said) != 2 || said[0].Type != "SeatsFull" || said[0].ConfidencePercent != 90 || said[0].Evidence != nil || said[1].Type != "CPUBound" {
		t.Errorf("the status tells of the causes %+v", said)
	}
	recordsAFlood(t, w, said)
}

func recordsAFlood(t *testing.T, w *world, said []v1alpha1.Cause) {
	t.Helper()
	r := w.awaitRecord(t, "flooded", "Hold", 1)
	if c := r.Spec.Causes; len(c) != 2 || c[0].Says != said[0].Says || c[0].Helps == "" || !strings.Contains(strings.Join(c[0].Evidence, ""), "12.0 in a second are turned away (queue-full)") {
		t.Errorf("the record tells of the causes %+v", c)
	}
}

// keepsQuietOfAFlood: other numbers of the same write nothing.
func keepsQuietOfAFlood(t *testing.T, w *world, tc *tenant) {
	t.Helper()
	w.looks(t, tc.apiServer, 3)
	before := w.versions(t, "flooded")
	w.meter.tells(tc.apiServer, flood(17))
	w.looks(t, tc.apiServer, 5)
	if after := w.versions(t, "flooded"); before != after {
		t.Errorf("with other numbers of the same the objects went from\n%s to\n%s", before, after)
	}
}

// causes are the events of one, about the ClusterScaler and the TenantCluster.
func (w *world) causes(t *testing.T, name, reason string) []eventsv1.Event {
	t.Helper()
	var list eventsv1.EventList
	must(t, w.List(t.Context(), &list, client.InNamespace("default")))
	return slices.DeleteFunc(list.Items, func(e eventsv1.Event) bool { return e.Regarding.Name != name || e.Reason != reason })
}

func (w *world) awaitCause(t *testing.T, name, reason, kind string) {
	t.Helper()
	eventually(t, func() string {
		kinds := map[string]int{}
		for _, e := range w.causes(t, name, reason) {
			if e.Type == kind && strings.HasPrefix(e.Note, "kube-apiserver: ") {
				kinds[e.Regarding.Kind]++
			}
		}
		if kinds["ClusterScaler"] != 1 || kinds["TenantCluster"] != 1 {
			return fmt.Sprintf("of %s %s there are the events %+v", name, reason, kinds)
		}
		return ""
	})
}

// mustGauge looks for a cause among the metrics.
func (w *world) mustGauge(t *testing.T, name, component, cause string) {
	t.Helper()
	families, err := metrics.Registry.Gather()
	must(t, err)
	for _, f := range families {
		for _, m := range f.Metric {
			labels := map[string]string{}
			for _, l := range m.Label {
				labels[l.GetName()] = l.GetValue()
			}
			if f.GetName() == "metapilot_scaler_causes" && labels["name"] == name && labels["component"] == component && labels["cause"] == cause && labels["namespace"] == "default" {
				if m.Gauge.GetValue() != 1 {
					t.Errorf("the gauge is %v", m.Gauge)
				}
				return
			}
		}
	}
	t.Errorf("no gauge tells of %s of %s %s", cause, name, component)
}
