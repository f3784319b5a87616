package main

import (
	"context"
	"errors"
	"fmt"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/operators/tenantcluster"
	"github.com/metapilot/metapilot/operators/tenantcluster/plan"
)

// policies is served where a size can reach pods at their creation.
var policies = schema.GroupKind{Group: "admissionregistration.k8s.io", Kind: "MutatingAdmissionPolicy"}

func run(ctx context.Context, o options) error {
	ctrl.SetLogger(zap.New(zap.UseDevMode(o.development)))
	config, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	config.QPS, config.Burst = -1, -1 // the API server's priority and fairness limits us, and knows why
	m, err := newManager(config, o)
	if err != nil {
		return err
	}
	_, err = m.GetRESTMapper().RESTMapping(policies, "v1")
	if err != nil && !apimeta.IsNoMatchError(err) {
		return fmt.Errorf("asking whether the meta cluster serves %s v1: %w", policies, err)
	}
	r := &tenantcluster.Reconciler{
		Client: m.GetClient(), Direct: m.GetAPIReader(), Recorder: m.GetEventRecorder(tenantcluster.Owner), Clock: clock.RealClock{},
		Config: plan.Config{Images: o.images, SizeInTemplate: err != nil}, Workers: o.workers,
	}
	if err := r.SetupWithManager(m); err != nil {
		return err
	}
	return m.Start(ctx)
}

func newManager(config *rest.Config, o options) (ctrl.Manager, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	m, err := ctrl.NewManager(config, ctrl.Options{
		Scheme: scheme, Cache: cache.Options{ByObject: tenantcluster.Cached(), DefaultTransform: cache.TransformStripManagedFields()},
		Metrics: metricsserver.Options{BindAddress: o.metricsAddress}, HealthProbeBindAddress: o.probeAddress,
		LeaderElection: o.leaderElection, LeaderElectionID: tenantcluster.Owner, LeaderElectionNamespace: o.namespace,
		LeaderElectionReleaseOnCancel: true,
	})
	if err != nil {
		return nil, err
	}
	return m, errors.Join(m.AddHealthzCheck("ping", healthz.Ping), m.AddReadyzCheck("ping", healthz.Ping))
}
