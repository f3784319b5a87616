package scaler

import (
	"context"
	"slices"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler/fleet"
	"github.com/metapilot/metapilot/scaler/model"
	"github.com/metapilot/metapilot/scaler/plan"
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
		Name: "metapilot_scaler_reaction_seconds", Help: "Time from what a source saw to the decision and to its effect; of OOM kills it is known to the second.",
		Buckets: []float64{0.25, 0.5, 1, 1.5, 2, 3, 4, 6, 10, 30, 120},
	}, []string{"source", "until"})
	fleetCandidates = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "metapilot_scaler_fleet_candidates", Help: "Components that could be smaller, by whether their turn has come.",
	}, []string{"group", "state"})
	fleetStopped = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "metapilot_scaler_fleet_downs_stopped", Help: "1 where nothing shrinks because too much of it was taken back; the group of the whole fleet is *.",
	}, []string{"group"})
)

func init() {
	metrics.Registry.MustRegister(decisions, holds, oomKills, reaction, fitError, fitTenants, fleetCandidates, fleetStopped)
}

func count(v *view) {
	if held := v.plan.Held; held != nil && v.plan.Decision == model.Hold {
		holds.WithLabelValues(v.component.name, held.Guard).Inc()
	}
	decisions.WithLabelValues(v.component.name, string(v.plan.Decision), strconv.FormatBool(v.plan.DryRun)).Inc()
}

// wholeFleet is no value that a label may have.
const wholeFleet = "*"

// countFleet tells of a schedule.
func countFleet(s *fleet.Schedule) {
	fleetStopped.Reset()
	fleetStopped.WithLabelValues(wholeFleet).Set(0)
	for i := range s.Stops {
		group := s.Stops[i].Group
		if s.Stops[i].Fleet {
			group = wholeFleet
		}
		fleetStopped.WithLabelValues(group).Set(1)
	}
	fleetCandidates.Reset()
	fleetCandidates.WithLabelValues("", "waiting").Set(0)
	for i := range s.Places {
		p, state := &s.Places[i], "waiting"
		if p.Turn.Open {
			state = "open"
		} else if p.Stopped {
			state = "stopped"
		}
		fleetCandidates.WithLabelValues(p.Group, state).Inc()
	}
}

// countKills counts those that the status did not tell of before.
func countKills(before, after *v1alpha1.ClusterScaler) {
	for i := range after.Status.Components {
		c := &after.Status.Components[i]
		known := said(before, c.Name).Kills
		for _, k := range c.Kills {
			if !slices.ContainsFunc(known, func(o v1alpha1.OOMKill) bool { return o.Container == k.Container }) {
				oomKills.WithLabelValues(c.Name).Inc()
			}
		}
	}
}

// HeldChanges tells of each ClusterScaler which changes guards hold now, and which causes of trouble are seen, while this program leads. It reads the status, so that nothing outlives its
// object.
func HeldChanges(reader client.Reader, leads <-chan struct{}) prometheus.Collector {
	return held{reader, leads}
}

type held struct {
	reader client.Reader
	leads  <-chan struct{} // closed when it does
}

var causesNow = prometheus.NewDesc("metapilot_scaler_causes", "Causes of trouble that are seen now.", []string{"namespace", "name", "component", "cause"}, nil)

var heldNow = prometheus.NewDesc("metapilot_scaler_held", "Changes that a guard holds now.", []string{"namespace", "name", "component", "guard"}, nil)

// lessThan: what is held is a smaller size, which nobody waits for.
func lessThan(c *v1alpha1.ScaledComponent) bool {
	have, wants := plan.SizeOf(c.Size), plan.SizeOf(c.Held.Wants)
	return wants.Steered(model.CPU) <= have.Steered(model.CPU) && wants.Steered(model.Memory) <= have.Steered(model.Memory) && wants != have
}

func (h held) Describe(into chan<- *prometheus.Desc) {
	into <- heldNow
	into <- causesNow
}

func (h held) Collect(into chan<- prometheus.Metric) {
	select {
	case <-h.leads:
	default:
		return
	}
	var all v1alpha1.ClusterScalerList
	if err := h.reader.List(context.Background(), &all, client.UnsafeDisableDeepCopy); err != nil {
		return // an error here would take all other metrics with it
	}
	for i := range all.Items {
		cs := &all.Items[i]
		for j := range cs.Status.Components {
			c := &cs.Status.Components[j]
			if c.Held != nil && !lessThan(c) {
				into <- prometheus.MustNewConstMetric(heldNow, prometheus.GaugeValue, 1, cs.Namespace, cs.Name, c.Name, c.Held.Guard)
			}
			for _, one := range c.Causes {
				into <- prometheus.MustNewConstMetric(causesNow, prometheus.GaugeValue, 1, cs.Namespace, cs.Name, c.Name, one.Type)
			}
		}
	}
}
