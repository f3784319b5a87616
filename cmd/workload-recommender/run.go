package main

import (
	"context"

	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	metricsclient "k8s.io/metrics/pkg/client/clientset/versioned"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/metapilot/metapilot/recommender/profile"
	"github.com/metapilot/metapilot/recommender/source"
	"github.com/metapilot/metapilot/recommender/source/metricsserver"
	"github.com/metapilot/metapilot/recommender/source/prometheus"
)

func run(ctx context.Context, o options) error {
	kinds, selector, err := o.kinds()
	if err != nil {
		return err
	}
	m, err := o.Manager(profile.Owner, profile.Cached(selector), vpav1.AddToScheme)
	if err != nil {
		return err
	}
	sources, err := o.open(m)
	if err != nil {
		return err
	}
	r := &profile.Recommender{
		Client: m.GetClient(), Live: m.GetAPIReader(), Recorder: m.GetEventRecorder(profile.Owner), Clock: clock.RealClock{},
		Sources: sources, Options: o.profile, Workers: o.Workers,
	}
	if err := r.SetupWithManager(m); err != nil {
		return err
	}
	for _, kind := range kinds {
		k := &profile.Keeper{Client: m.GetClient(), Live: m.GetAPIReader(), Clock: clock.RealClock{}, Kind: kind, Selector: selector, Workers: o.Workers}
		if err := k.SetupWithManager(m); err != nil {
			return err
		}
	}
	return m.Start(ctx)
}

// open makes the sources, in the order of their precedence.
func (o *options) open(m ctrl.Manager) (all []source.Source, err error) {
	for _, name := range o.sources {
		var s source.Source
		switch name {
		case prometheus.Name:
			s, err = prometheus.New(o.prometheus)
		default:
			s, err = o.metricsServer(m)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

func (o *options) metricsServer(m ctrl.Manager) (source.Source, error) {
	api, err := metricsclient.NewForConfig(m.GetConfig())
	if err != nil {
		return nil, err
	}
	return metricsserver.New(api.MetricsV1beta1(), "")
}
