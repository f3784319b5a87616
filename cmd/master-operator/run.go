package main

import (
	"context"
	"fmt"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/metapilot/metapilot/operators/tenantcluster"
	"github.com/metapilot/metapilot/operators/tenantcluster/plan"
)

// policies is served where a size can reach pods at their creation.
var policies = schema.GroupKind{Group: "admissionregistration.k8s.io", Kind: "MutatingAdmissionPolicy"}

func run(ctx context.Context, o options) error {
	m, err := o.Manager(tenantcluster.Owner, cache.Options{ByObject: tenantcluster.Cached(), DefaultTransform: cache.TransformStripManagedFields()})
	if err != nil {
		return err
	}
	_, err = m.GetRESTMapper().RESTMapping(policies, "v1")
	if err != nil && !apimeta.IsNoMatchError(err) {
		return fmt.Errorf("asking whether the meta cluster serves %s v1: %w", policies, err)
	}
	r := &tenantcluster.Reconciler{
		Client: m.GetClient(), Direct: m.GetAPIReader(), Recorder: m.GetEventRecorder(tenantcluster.Owner), Clock: clock.RealClock{},
		Config: plan.Config{Images: o.images, SizeInTemplate: err != nil}, Workers: o.Workers,
	}
	if err := r.SetupWithManager(m); err != nil {
		return err
	}
	if !r.Config.SizeInTemplate {
		sizer := &tenantcluster.Sizer{Client: m.GetClient(), Clock: clock.RealClock{}, Workers: o.Workers}
		if err := sizer.SetupWithManager(m); err != nil {
			return err
		}
	}
	return m.Start(ctx)
}
