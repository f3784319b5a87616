package scaler

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler/fit"
	"github.com/metapilot/metapilot/scaler/model"
	"github.com/metapilot/metapilot/scaler/plan"
)

// relearn is how often the fleet's model is made anew: profiles take days to change.
const relearn = 10 * time.Minute

// learned are the fleet's models.
type learned = atomic.Pointer[map[fitted]fit.Model]

// fitted is what there is a model of.
type fitted struct {
	component string
	resource  model.Resource
}

// bySize is what a component of a tenant of this scale needs: by the table, and by what the fleet's own tenants use.
func (r *Reconciler) bySize(component string, s *model.Scale) model.BySize {
	if s.Unknown != "" {
		return model.BySize{Unknown: s.Unknown}
	}
	var known model.BySize
	known.Floor, known.Row = r.Sizes.Floor(component, s)
	if models := r.learned.Load(); models != nil {
		for _, of := range [...]model.Resource{model.CPU, model.Memory} {
			if m, ok := (*models)[fitted{component, of}]; ok {
				*known.Fleet.Of(of) = model.Estimate{Amount: m.Need(s), Error: m.Error, Tenants: m.Tenants}
			}
		}
	}
	return known
}

var (
	fitError = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "metapilot_scaler_fit_error_percent", Help: "How wrong the model of need by a cluster's scale is at most for nine of ten tenants that it has not seen.",
	}, []string{"component", "resource"})
	fitTenants = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "metapilot_scaler_fit_tenants", Help: "Tenants that the model of need by a cluster's scale rests on.",
	}, []string{"component", "resource"})
)

// learnSizes makes the fleet's model anew until the context ends.
func (r *Reconciler) learnSizes(ctx context.Context) error {
	ticker := time.NewTicker(relearn)
	defer ticker.Stop()
	for {
		if err := r.learn(ctx); err != nil {
			ctrl.LoggerFrom(ctx).Error(err, "Reading the fleet's scales and profiles failed; the model of before holds")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

func (r *Reconciler) learn(ctx context.Context) error {
	tenants, err := r.measured(ctx)
	if err != nil {
		return err
	}
	models := map[fitted]fit.Model{}
	fitError.Reset()
	fitTenants.Reset()
	for of, all := range tenants {
		m, ok := fit.Of(all)
		if !ok {
			continue
		}
		models[of] = m
		fitError.WithLabelValues(of.component, string(of.resource)).Set(float64(m.Error))
		fitTenants.WithLabelValues(of.component, string(of.resource)).Set(float64(m.Tenants))
	}
	r.learned.Store(&models)
	return nil
}

// measured are the tenants whose scale is known, with what their profiles say after a history that is long enough.
func (r *Reconciler) measured(ctx context.Context) (map[fitted][]fit.Tenant, error) {
	var list v1alpha1.ClusterScalerList
	if err := r.Client.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return nil, err
	}
	scalers := slices.DeleteFunc(list.Items, func(cs v1alpha1.ClusterScaler) bool { return cs.Status.Scale == nil })
	slices.SortFunc(scalers, func(a, b v1alpha1.ClusterScaler) int {
		return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name)
	})
	tenants := map[fitted][]fit.Tenant{}
	for i := range scalers {
		if err := r.measure(ctx, &scalers[i], tenants); err != nil {
			return nil, err
		}
	}
	return tenants, nil
}

// measure adds one tenant.
func (r *Reconciler) measure(ctx context.Context, cs *v1alpha1.ClusterScaler, into map[fitted][]fit.Tenant) error {
	tc := &v1alpha1.TenantCluster{}
	if err := r.Client.Get(ctx, client.ObjectKey{Namespace: cs.Namespace, Name: TenantOf(cs)}, tc, client.UnsafeDisableDeepCopy); err != nil {
		if apierrors.IsNotFound(err) {
			return nil
		}
		return err
	}
	now, history := r.Clock.Now(), plan.Defaults().History
	for _, name := range Components {
		known, err := r.profile(ctx, &component{name: name, container: name, kind: kindOf(name), home: tc.Status.Namespace})
		if err != nil {
			return err
		}
		for _, of := range [...]model.Resource{model.CPU, model.Memory} {
			if known.Doubt(now) == "" && known.Thin(of, now, history) == "" {
				key := fitted{name, of}
				into[key] = append(into[key], fit.Tenant{Scale: scaleIn(cs.Status.Scale), Need: known.Of(of).Worth()})
			}
		}
	}
	return nil
}
