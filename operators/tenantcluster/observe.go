package tenantcluster

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/internal/podresize"
	"github.com/metapilot/metapilot/operators/tenantcluster/plan"
)

// observe reads all that a decision needs: objects from the cache, credentials, and, once an API server is ready, the tenant itself.
func (r *Reconciler) observe(ctx context.Context, tc *v1alpha1.TenantCluster) (plan.Observed, *vault, error) {
	obs := plan.Observed{Now: r.Clock.Now(), Tenant: tc, Deployments: map[string]plan.Deployment{}}
	v, err := r.open(ctx, tc)
	if err != nil {
		return obs, nil, err
	}
	obs.Credentials = v.credentials(tc, obs.Now)
	for _, look := range []func(context.Context, *plan.Observed) error{
		r.observeNamespace, r.observeSizing, r.observeService, r.observeDeployments, r.observeEtcd, r.observePods,
	} {
		if err := look(ctx, &obs); err != nil {
			return obs, nil, err
		}
	}
	obs.Function = r.try(ctx, obs, v)
	return obs, v, nil
}

// get reads an object of the tenant's namespace; what is not there stays empty.
func (r *Reconciler) get(ctx context.Context, obs *plan.Observed, name string, into client.Object) error {
	return client.IgnoreNotFound(r.Client.Get(ctx, client.ObjectKey{Namespace: plan.Namespace(obs.Tenant), Name: name}, into))
}

func (r *Reconciler) observeNamespace(ctx context.Context, obs *plan.Observed) error {
	var ns corev1.Namespace
	err := r.Client.Get(ctx, client.ObjectKey{Name: plan.Namespace(obs.Tenant)}, &ns)
	obs.Terminating = !ns.DeletionTimestamp.IsZero()
	return client.IgnoreNotFound(err)
}

func (r *Reconciler) observeSizing(ctx context.Context, obs *plan.Observed) error {
	var sizing corev1.ConfigMap
	err := r.get(ctx, obs, plan.SizingConfigMap, &sizing)
	obs.Sized = sizing.Name != ""
	return err
}

func (r *Reconciler) observeService(ctx context.Context, obs *plan.Observed) error {
	var service corev1.Service
	err := r.get(ctx, obs, plan.APIServer, &service)
	obs.Address = service.Spec.ClusterIP
	for _, port := range service.Spec.Ports {
		obs.NodePort = port.NodePort
	}
	return err
}

func (r *Reconciler) observeDeployments(ctx context.Context, obs *plan.Observed) error {
	for _, component := range plan.Components {
		var d appsv1.Deployment
		if err := r.get(ctx, obs, component, &d); err != nil {
			return err
		}
		if d.Name != "" {
			obs.Deployments[component] = deploymentOf(d)
		}
	}
	return nil
}

func deploymentOf(d appsv1.Deployment) plan.Deployment {
	return plan.Deployment{
		Version: d.Spec.Template.Annotations[plan.VersionAnnotation], Replicas: *d.Spec.Replicas,
		Updated: d.Status.UpdatedReplicas, Ready: d.Status.ReadyReplicas, Total: d.Status.Replicas,
		Current: d.Status.ObservedGeneration >= d.Generation,
	}
}

func (r *Reconciler) observeEtcd(ctx context.Context, obs *plan.Observed) error {
	var s appsv1.StatefulSet
	err := r.get(ctx, obs, plan.Etcd, &s)
	obs.EtcdHash = s.Spec.Template.Annotations[plan.HashAnnotation]
	return err
}

func (r *Reconciler) observePods(ctx context.Context, obs *plan.Observed) error {
	var list corev1.PodList
	if err := r.Client.List(ctx, &list, client.InNamespace(plan.Namespace(obs.Tenant)), client.UnsafeDisableDeepCopy); err != nil {
		return err
	}
	for i := range list.Items {
		if component := list.Items[i].Labels[v1alpha1.ComponentLabel]; component != "" {
			pod := podOf(&list.Items[i], component)
			if !r.Config.SizeInTemplate {
				pod.Unsized = unsized(&list.Items[i], obs.Tenant, component)
			}
			obs.Pods = append(obs.Pods, pod)
		}
	}
	return nil
}

func podOf(p *corev1.Pod, component string) plan.Pod {
	pod := plan.Pod{
		Name: p.Name, Component: component, UID: string(p.UID), Hash: p.Annotations[plan.HashAnnotation], Terminating: !p.DeletionTimestamp.IsZero(),
		Why: whyNotReady(p),
	}
	for _, c := range p.Status.Conditions {
		pod.Ready = pod.Ready || c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	}
	for _, c := range p.Status.ContainerStatuses {
		pod.Running = pod.Running || c.Name == component && c.State.Running != nil
	}
	return pod
}

// unsized is why a pod has not got its size; empty if it has.
func unsized(p *corev1.Pod, tc *v1alpha1.TenantCluster, component string) string {
	switch step, why := podresize.Next(p, component, plan.EffectiveSize(tc, component).Requirements()); step {
	case podresize.Done, podresize.Settle:
		return ""
	case podresize.InPlace:
		return "gets it in place"
	case podresize.Recreate:
		return "is made anew, for " + why
	default:
		return why
	}
}

// whyNotReady says in words what a pod waits for.
func whyNotReady(p *corev1.Pod) string {
	for _, c := range p.Status.ContainerStatuses {
		switch waiting, last := c.State.Waiting, c.LastTerminationState.Terminated; {
		case waiting != nil && last != nil:
			return fmt.Sprintf("%s after %s (exit code %d)", waiting.Reason, last.Reason, last.ExitCode)
		case waiting != nil:
			return fmt.Sprintf("%s %s", waiting.Reason, waiting.Message)
		}
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return c.Reason + ": " + c.Message
		}
	}
	return "starting"
}
