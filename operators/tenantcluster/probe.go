package tenantcluster

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/operators/tenantcluster/plan"
)

const (
	probeLimit = 5 * time.Second
	// leaseFresh: leaders renew every 2 s and give up after 10 s (client-go's leader election, Kubernetes' defaults).
	leaseFresh = 15 * time.Second

	system     = metav1.NamespaceSystem
	canaryName = "metapilot-canary"
	canaryKey  = "nonce"
)

// try uses the tenant as a user does, through its own endpoint, once an API server is ready; and asks etcd's members once one runs, beside it:
// a member that does not answer takes no time from the canary. What fails is a finding, not an error.
func (r *Reconciler) try(ctx context.Context, obs plan.Observed, v *vault) plan.Function {
	var members []plan.Member
	var work sync.WaitGroup
	if slices.ContainsFunc(obs.Pods, func(p plan.Pod) bool { return p.Component == plan.Etcd && p.Running }) {
		work.Go(func() { members = r.askMembers(ctx, obs.Tenant, v) })
	}
	var f plan.Function
	if obs.Deployments[plan.APIServer].Ready > 0 && obs.Tenant.Spec.ControlPlaneEndpoint != nil {
		f = r.use(ctx, obs.Tenant, v)
	}
	work.Wait()
	f.Members = members
	return f
}

func (r *Reconciler) use(whole context.Context, tc *v1alpha1.TenantCluster, v *vault) plan.Function {
	ctx, cancel := context.WithTimeout(whole, probeLimit)
	defer cancel()
	f := plan.Function{Asked: true}
	api, err := r.dial(tc, v, probeIdentity)
	if err != nil {
		f.Fault = err.Error()
		return f
	}
	defer api.Close()
	start := time.Now()
	if err := r.sing(ctx, tc, v, api); err != nil {
		f.Fault = err.Error()
	}
	f.Took = time.Since(start)
	f.Controller = lease(ctx, api, plan.ControllerManager, r.Clock.Now())
	f.Scheduler = lease(ctx, api, plan.Scheduler, r.Clock.Now())
	if f.Fault == "" {
		f.Prober = r.admit(whole, tc, v, api)
	}
	return f
}

// sing has the canary sing; where the operator has no rights yet it takes them first.
func (r *Reconciler) sing(ctx context.Context, tc *v1alpha1.TenantCluster, v *vault, api *tenant) error {
	err := canary(ctx, api, r.Clock.Now())
	if !apierrors.IsForbidden(err) {
		return err
	}
	root, err := r.dial(tc, v, bootstrapIdentity)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := bootstrap(ctx, root); err != nil {
		return fmt.Errorf("granting the administrator's and the operator's rights: %w", err)
	}
	return canary(ctx, api, r.Clock.Now())
}

// canary writes an object, reads it and sees the write through a watch that was opened before; and the administrator's rights are there.
func canary(ctx context.Context, api *tenant, now time.Time) error {
	maps := api.CoreV1().ConfigMaps(system)
	have, err := maps.Get(ctx, canaryName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		have, err = maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: canaryName}}, metav1.CreateOptions{})
	}
	if err != nil {
		return wrapped("reading", err)
	}
	watcher, err := maps.Watch(ctx, metav1.ListOptions{
		FieldSelector: fields.OneTermEqualSelector("metadata.name", canaryName).String(), ResourceVersion: have.ResourceVersion,
	})
	if err != nil {
		return wrapped("watching", err)
	}
	defer watcher.Stop()
	have.Data = map[string]string{canaryKey: strconv.FormatInt(now.UnixNano(), 36)}
	if _, err := maps.Update(ctx, have, metav1.UpdateOptions{FieldManager: Owner}); err != nil {
		return wrapped("writing", err)
	}
	if err := hear(ctx, watcher, have.Data[canaryKey]); err != nil {
		return err
	}
	return administratorMay(ctx, api)
}

func wrapped(verb string, err error) error {
	return fmt.Errorf("%s ConfigMap %s/%s of the tenant: %w", verb, system, canaryName, err)
}

func hear(ctx context.Context, watcher watch.Interface, nonce string) error {
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("a write of ConfigMap %s/%s was not seen by a watch within %s", system, canaryName, probeLimit)
		case event, open := <-watcher.ResultChan():
			if !open {
				return fmt.Errorf("the watch of ConfigMap %s/%s was cut", system, canaryName)
			}
			if m, ok := event.Object.(*corev1.ConfigMap); ok && m.Data[canaryKey] == nonce {
				return nil
			}
		}
	}
}

// administratorMay asks whether the holder of the kubeconfig may do all things: RBAC's own roles are there, and the binding to them.
func administratorMay(ctx context.Context, api *tenant) error {
	review, err := api.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{
		Spec: authorizationv1.SubjectAccessReviewSpec{
			User: plan.AdminUser, Groups: []string{plan.AdminGroup},
			ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "*", Group: "*", Resource: "*"},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("asking what the administrator may: %w", err)
	}
	if !review.Status.Allowed {
		return apierrors.NewForbidden(corev1.Resource("clusterrolebindings"), adminBinding, fmt.Errorf("the administrator has no rights: %s", review.Status.Reason))
	}
	return nil
}

// lease says why a component does not work; empty if its leader has said just now that it does.
func lease(ctx context.Context, api *tenant, component string, now time.Time) string {
	l, err := api.CoordinationV1().Leases(system).Get(ctx, component, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return "it has not become leader yet"
	case err != nil:
		return err.Error()
	case l.Spec.RenewTime == nil:
		return "it has no leader"
	}
	if age := now.Sub(l.Spec.RenewTime.Time); age > leaseFresh {
		return fmt.Sprintf("its leader last said %s ago that it lives", age.Round(time.Second))
	}
	return ""
}
