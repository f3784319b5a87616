package fleetreport

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler"
	"github.com/metapilot/metapilot/scaler/report"
)

// Reader reads a fleet. A page is how many objects are read at a time, for a fleet has more decisions than memory; 0 is all at once, as caches want it.
type Reader struct {
	Client client.Reader
	Page   int64
}

// Gather reads what a report is about: tenants for their labels, what stands, and the decisions of the time.
func (r Reader) Gather(ctx context.Context, o report.Options) (*v1alpha1.FleetReport, error) {
	b, err := report.New(o)
	if err != nil {
		return nil, err
	}
	for _, step := range []struct {
		what string
		list client.ObjectList
	}{{"TenantClusters", &v1alpha1.TenantClusterList{}}, {"ClusterScalers", &v1alpha1.ClusterScalerList{}}, {"ScalingRecords", &v1alpha1.ScalingRecordList{}}} {
		err := r.each(ctx, step.list, func() { take(b, step.list) }, client.InNamespace(o.Namespace))
		if err != nil {
			return nil, fmt.Errorf("listing %s: %w; is Metapilot installed in this cluster?", step.what, err)
		}
	}
	return b.Report(), nil
}

// take gives a page to the report.
func take(b *report.Builder, page client.ObjectList) {
	switch list := page.(type) {
	case *v1alpha1.TenantClusterList:
		for i := range list.Items {
			b.Tenant(&list.Items[i])
		}
	case *v1alpha1.ClusterScalerList:
		for i := range list.Items {
			b.Scaler(&list.Items[i], scaler.TenantOf(&list.Items[i]))
		}
	case *v1alpha1.ScalingRecordList:
		for i := range list.Items {
			b.Record(&list.Items[i])
		}
	}
}

// each reads a list page by page. What is read for longer than the API server keeps the past goes on with what is now.
func (r Reader) each(ctx context.Context, list client.ObjectList, took func(), options ...client.ListOption) error {
	options = append(options, client.UnsafeDisableDeepCopy)
	if r.Page > 0 {
		options = append(options, client.Limit(r.Page))
	}
	for next := ""; ; {
		if err := r.Client.List(ctx, list, append(options, client.Continue(next))...); err != nil {
			var expired apierrors.APIStatus
			if !apierrors.IsResourceExpired(err) || !errors.As(err, &expired) || expired.Status().Continue == "" {
				return err
			}
			next = expired.Status().Continue
			continue
		}
		took()
		if next = list.GetContinue(); next == "" {
			return nil
		}
	}
}

// scalerTarget is the name of what a ClusterScaler looks after.
func scalerTarget(cs *v1alpha1.ClusterScaler) string {
	return cmp.Or(scaler.TenantOf(cs), cs.Name)
}
