package fleetreport

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler/plan"
	"github.com/metapilot/metapilot/scaler/record"
	"github.com/metapilot/metapilot/scaler/report"
)

// Measured adds to the histories of one tenant's components what was measured. Home is where its pods run.
type Measured interface {
	Measure(ctx context.Context, home string, spec *v1alpha1.FleetReportSpec, all []report.History) error
}

// mostDrawn tenants of each list have charts: a page has to stay one that a browser opens.
const mostDrawn = 20

// Charts draws the components of the tenants that a report names. What cannot be measured is said in the report, and what records tell is drawn all the same.
func (r Reader) Charts(ctx context.Context, of *v1alpha1.FleetReport, m Measured) ([]report.Chart, error) {
	var charts []report.Chart
	drawn := map[client.ObjectKey]bool{}
	for _, list := range [...]*v1alpha1.ReportTenants{&of.Status.Riskiest, &of.Status.Saving} {
		for i := range list.Tenants[:min(len(list.Tenants), mostDrawn)] {
			key := client.ObjectKey{Namespace: list.Tenants[i].Namespace, Name: list.Tenants[i].Scaler}
			if drawn[key] {
				continue
			}
			drawn[key] = true
			all, err := r.histories(ctx, key, of, m)
			if err != nil {
				return nil, err
			}
			for j := range all {
				charts = append(charts, report.ChartOf(&all[j], of.Spec.From.Time, of.Spec.To.Time))
			}
		}
	}
	return charts, nil
}

// histories of what one ClusterScaler looks after; none if it has gone since.
func (r Reader) histories(ctx context.Context, key client.ObjectKey, of *v1alpha1.FleetReport, m Measured) ([]report.History, error) {
	var cs v1alpha1.ClusterScaler
	if err := r.Client.Get(ctx, key, &cs); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	records := map[string][]*v1alpha1.ScalingRecord{}
	list := &v1alpha1.ScalingRecordList{}
	err := r.each(ctx, list, func() {
		for i := range list.Items {
			one := list.Items[i].DeepCopy()
			records[one.Spec.Component] = append(records[one.Spec.Component], one)
		}
	}, client.InNamespace(key.Namespace), client.MatchingLabels{record.ScalerLabel: key.Name})
	if err != nil {
		return nil, fmt.Errorf("listing the ScalingRecords of %s: %w", key, err)
	}
	target := scalerTarget(&cs)
	var all []report.History
	for i := range cs.Status.Components {
		c := &cs.Status.Components[i]
		all = append(all, report.History{
			Namespace: key.Namespace, Tenant: target, Scaler: key.Name, Component: c.Name, Container: containerOf(&cs, c.Name), Size: plan.SizeOf(c.Size), Records: records[c.Name],
		})
	}
	return all, r.measure(ctx, &cs, of, m, all)
}

// measure adds what was measured, if anything measures.
func (r Reader) measure(ctx context.Context, cs *v1alpha1.ClusterScaler, of *v1alpha1.FleetReport, m Measured, all []report.History) error {
	if m == nil || len(all) == 0 {
		return nil
	}
	home, err := r.home(ctx, cs)
	if err != nil || home == "" {
		return err
	}
	if err := m.Measure(ctx, home, &of.Spec, all); err != nil {
		of.Status.Unknown = append(of.Status.Unknown, fmt.Sprintf("what the pods in namespace %s have used: %v", home, err))
	}
	return nil
}

// home is the namespace that the pods run in; empty if it is not known.
func (r Reader) home(ctx context.Context, cs *v1alpha1.ClusterScaler) (string, error) {
	if len(cs.Spec.Workloads) > 0 {
		return cs.Namespace, nil
	}
	var tc v1alpha1.TenantCluster
	err := r.Client.Get(ctx, client.ObjectKey{Namespace: cs.Namespace, Name: scalerTarget(cs)}, &tc)
	if apierrors.IsNotFound(err) {
		return "", nil
	}
	return tc.Status.Namespace, err
}

// containerOf a component: it has the name of a tenant's component, and of a workload's the one that is named, if one is.
func containerOf(cs *v1alpha1.ClusterScaler, component string) string {
	for _, w := range cs.Spec.Workloads {
		if w.Name == component {
			return w.Container
		}
	}
	return component
}
