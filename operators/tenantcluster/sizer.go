package tenantcluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/internal/apply"
	"github.com/metapilot/metapilot/internal/podresize"
	"github.com/metapilot/metapilot/internal/rollout"
	"github.com/metapilot/metapilot/operators/tenantcluster/plan"
)

// Sizer brings decided sizes to pods: to those that will be made, and to those that are there. It has a queue of its own, for a tenant that needs
// memory is the one whose API is slow to answer, and the reconciler asks that API.
type Sizer struct {
	Client  client.Client // reads come from the cache
	Clock   clock.PassiveClock
	Workers int

	resized sync.Map // UID of a pod -> its generation since it was resized last
}

// SetupWithManager registers the controller.
func (s *Sizer) SetupWithManager(m ctrl.Manager) error {
	b := ctrl.NewControllerManagedBy(m).Named("tenantcluster-size").
		For(&v1alpha1.TenantCluster{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		WithOptions(controller.Options{MaxConcurrentReconciles: s.Workers})
	for _, object := range []client.Object{&corev1.Namespace{}, &corev1.ConfigMap{}, &corev1.Pod{}} {
		b = b.Watches(object, handler.EnqueueRequestsFromMapFunc(tenantOf))
	}
	return b.Complete(s)
}

// Reconcile gives the sizes of one tenant to the pods that can have them in place, then stores them for pods to come, and then has pods made anew.
// What is killed is being started meanwhile: the sooner a resize comes, the sooner the kubelet has it done.
func (s *Sizer) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	tc := &v1alpha1.TenantCluster{}
	if err := s.Client.Get(ctx, request.NamespacedName, tc); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	var ns corev1.Namespace
	err := s.Client.Get(ctx, client.ObjectKey{Name: plan.Namespace(tc)}, &ns)
	if err != nil || !tc.DeletionTimestamp.IsZero() || !ns.DeletionTimestamp.IsZero() {
		return reconcile.Result{}, client.IgnoreNotFound(err) // the namespace's coming wakes us
	}
	var pods corev1.PodList
	if err := s.Client.List(ctx, &pods, client.InNamespace(ns.Name), client.HasLabels{v1alpha1.ComponentLabel}, client.UnsafeDisableDeepCopy); err != nil {
		return reconcile.Result{}, err
	}
	var problem error
	for i := range pods.Items {
		problem = errors.Join(problem, s.resize(ctx, tc, &pods.Items[i]))
	}
	if _, err := (apply.Applier{Client: s.Client, Owner: Owner}).Apply(ctx, plan.Sizing(tc)); err != nil {
		return reconcile.Result{}, errors.Join(problem, err)
	}
	doubtful := map[string]bool{}
	for i := range pods.Items {
		pod := &pods.Items[i]
		doubt, err := s.size(ctx, tc, pod)
		doubtful[pod.Name], problem = doubt, errors.Join(problem, err)
	}
	for _, pod := range replaceable(tc, pods.Items, doubtful) {
		problem = errors.Join(problem, s.recreate(ctx, pod, "its cgroup may have kept an old limit"))
	}
	return reconcile.Result{}, problem
}

// replaceable are the pods, one of a component at most, that are in doubt and that the others of their component can do without.
func replaceable(tc *v1alpha1.TenantCluster, pods []corev1.Pod, doubtful map[string]bool) (all []*corev1.Pod) {
	members, byName := map[string][]rollout.Member{}, map[string]*corev1.Pod{}
	for i := range pods {
		pod := &pods[i]
		if pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded {
			continue // it stays for people to read, and serves nobody
		}
		component := pod.Labels[v1alpha1.ComponentLabel]
		byName[pod.Name] = pod
		members[component] = append(members[component], rollout.Member{
			Name: pod.Name, Outdated: doubtful[pod.Name], Healthy: isReady(pod), Ending: !pod.DeletionTimestamp.IsZero(),
		})
	}
	for component, some := range members {
		for range int(plan.PodCount(tc, component)) - len(some) {
			some = append(some, rollout.Member{Ending: true}) // until its pod is there
		}
		if pod := byName[rollout.Next(some).Restart]; pod != nil {
			all = append(all, pod)
		}
	}
	return all
}

func isReady(pod *corev1.Pod) bool {
	i := slices.IndexFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool { return c.Type == corev1.PodReady })
	return i >= 0 && pod.Status.Conditions[i].Status == corev1.ConditionTrue
}

// atOnce, in seconds: a container that is killed again and again has nobody to say farewell to.
const atOnce = client.GracePeriodSeconds(1)

// resize gives a pod its size in place if that is its next step.
func (s *Sizer) resize(ctx context.Context, tc *v1alpha1.TenantCluster, pod *corev1.Pod) error {
	component := pod.Labels[v1alpha1.ComponentLabel]
	want := plan.EffectiveSize(tc, component).Requirements()
	if step, _ := podresize.Next(pod, component, want); step != podresize.InPlace {
		return nil
	}
	if since, done := s.resized.Load(pod.UID); done && pod.Generation < since.(int64) {
		return nil // the cache has not seen it yet
	}
	ctrl.LoggerFrom(ctx).Info("Resizing pod in place", "pod", client.ObjectKeyFromObject(pod), "requests", want.Requests, "limits", want.Limits)
	generation, err := podresize.Resize(ctx, s.Client, pod, component, want, s.Clock.Now())
	s.resized.Store(pod.UID, generation)
	return client.IgnoreNotFound(err)
}

// size takes the next step with one pod, if it is not one in place. One that has to be recreated although its container runs is in doubt, and waits for
// the others.
func (s *Sizer) size(ctx context.Context, tc *v1alpha1.TenantCluster, pod *corev1.Pod) (doubtful bool, err error) {
	component := pod.Labels[v1alpha1.ComponentLabel]
	want := plan.EffectiveSize(tc, component).Requirements()
	switch step, why := podresize.Next(pod, component, want); step {
	case podresize.Held, podresize.InPlace:
	case podresize.Done:
		s.resized.Delete(pod.UID)
	case podresize.Settle:
		return false, client.IgnoreNotFound(podresize.Remembered(ctx, s.Client, pod))
	case podresize.Recreate:
		if status := podresize.Status(pod, component); status != nil && status.State.Running != nil {
			return true, nil
		}
		return false, s.recreate(ctx, pod, why)
	}
	return false, nil
}

func (s *Sizer) recreate(ctx context.Context, pod *corev1.Pod, why string) error {
	ctrl.LoggerFrom(ctx).Info("Recreating pod", "pod", client.ObjectKeyFromObject(pod), "reason", why)
	err := s.Client.Delete(ctx, pod.DeepCopy(), client.Preconditions{UID: &pod.UID}, atOnce)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("recreating pod %s: %w", client.ObjectKeyFromObject(pod), err)
	}
	return nil
}
