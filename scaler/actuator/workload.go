package actuator

import (
	"context"
	"errors"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/internal/podresize"
	"github.com/metapilot/metapilot/internal/rollout"
)

// Workload writes the size of a plain Deployment or StatefulSet.
type Workload struct {
	Client client.Client
	Clock  clock.PassiveClock
}

// Apply writes the template, for pods to come, and returns the generation that has it. Its controller replaces pods by its own strategy; Settle
// helps those that run meanwhile. The workload was named by the user to be scaled, so its size is taken over from whoever has written it.
func (a Workload) Apply(ctx context.Context, workload client.Object, container string, size v1alpha1.Resources) (generation int64, err error) {
	resources, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&size)
	if err != nil {
		return 0, err
	}
	return a.apply(ctx, workload, map[string]any{
		"spec": map[string]any{"containers": []any{map[string]any{"name": container, "resources": resources}}},
	})
}

// Settle gives pods their size: in place where that works, and by another pod where it does not, one at a time and never a member that the
// others need.
func (a Workload) Settle(ctx context.Context, workload client.Object, container string, pods []*corev1.Pod, size v1alpha1.Resources) (problem error) {
	var members []rollout.Member
	for _, pod := range pods {
		want := completed(Requirements(size), pod, container)
		step, _ := podresize.Next(pod, container, want)
		var err error
		switch step {
		case podresize.InPlace:
			_, err = podresize.Resize(ctx, a.Client, pod, container, want, a.Clock.Now())
		case podresize.Settle:
			err = podresize.Remembered(ctx, a.Client, pod)
		case podresize.Done, podresize.Held, podresize.Recreate:
		}
		problem = errors.Join(problem, client.IgnoreNotFound(err))
		members = append(members, member(pod, step == podresize.Recreate))
	}
	for range Replicas(workload) - len(members) {
		members = append(members, rollout.Member{Ending: true}) // until its pod is there
	}
	restart := rollout.Next(members).Restart
	for _, pod := range pods {
		if pod.Name == restart {
			err := a.Client.Delete(ctx, pod.DeepCopy(), client.Preconditions{UID: &pod.UID})
			problem = errors.Join(problem, client.IgnoreNotFound(err))
		}
	}
	return problem
}

// completed has what the template does not say as the pod got it otherwise, such as from a LimitRange.
func completed(size corev1.ResourceRequirements, pod *corev1.Pod, container string) corev1.ResourceRequirements {
	c := podresize.Container(pod, container)
	if c == nil {
		return size
	}
	for into, from := range map[*corev1.ResourceList]corev1.ResourceList{&size.Requests: c.Resources.Requests, &size.Limits: c.Resources.Limits} {
		for name, amount := range from {
			if _, said := (*into)[name]; !said {
				(*into)[name] = amount
			}
		}
	}
	return size
}

// Replicas is how many pods a workload has when nothing is missing.
func Replicas(workload client.Object) int {
	var n *int32
	switch w := workload.(type) {
	case *appsv1.StatefulSet:
		n = w.Spec.Replicas
	case *appsv1.Deployment:
		n = w.Spec.Replicas
	}
	if n == nil {
		return 1
	}
	return int(*n)
}

func member(pod *corev1.Pod, outdated bool) rollout.Member {
	m := rollout.Member{Name: pod.Name, Outdated: outdated, Ending: pod.DeletionTimestamp != nil}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			m.Healthy, m.Broken = c.Status == corev1.ConditionTrue, c.Status == corev1.ConditionFalse
		}
	}
	return m
}

func (a Workload) apply(ctx context.Context, workload client.Object, template map[string]any) (int64, error) {
	kind := "Deployment"
	if _, ok := workload.(*appsv1.StatefulSet); ok {
		kind = "StatefulSet"
	}
	u := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"template": template}}}
	u.SetGroupVersionKind(appsv1.SchemeGroupVersion.WithKind(kind))
	u.SetNamespace(workload.GetNamespace())
	u.SetName(workload.GetName())
	u.SetUID(workload.GetUID())
	err := a.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), client.FieldOwner(Owner), client.ForceOwnership)
	if err != nil {
		return 0, fmt.Errorf("writing the size of %s %s: %w", kind, client.ObjectKeyFromObject(workload), err)
	}
	return u.GetGeneration(), nil
}
