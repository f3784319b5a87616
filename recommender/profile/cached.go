package profile

import (
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/api/v1alpha1"
)

// Cached keeps of each object what recommendations need, and of workloads those that the selector admits.
func Cached(admitted labels.Selector) cache.Options {
	kept := cache.ByObject{Label: admitted, Transform: bare}
	return cache.Options{
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&v1alpha1.WorkloadProfile{}: {Transform: told},
			&corev1.Pod{}:               {Transform: slim}, &appsv1.Deployment{}: kept, &appsv1.StatefulSet{}: kept, &appsv1.DaemonSet{}: kept,
		},
	}
}

// told keeps of a profile what was recommended, and not why: of forty thousand that would be half a gigabyte. What is written is always whole.
func told(o any) (any, error) {
	p, ok := o.(*v1alpha1.WorkloadProfile)
	if !ok {
		return o, nil // a tombstone
	}
	p.ManagedFields = nil
	for i := range p.Status.Containers {
		for _, r := range []*v1alpha1.ResourceProfile{&p.Status.Containers[i].CPU, &p.Status.Containers[i].Memory} {
			r.Usage, r.Recent, r.Algorithms, r.Reason = nil, nil, nil, ""
		}
	}
	return p, nil
}

// bare takes from a workload all but its selector and what names it.
func bare(o any) (any, error) {
	switch w := o.(type) {
	case *appsv1.Deployment:
		w.Spec, w.Status, w.ManagedFields = appsv1.DeploymentSpec{Selector: w.Spec.Selector}, appsv1.DeploymentStatus{}, nil
	case *appsv1.StatefulSet:
		w.Spec, w.Status, w.ManagedFields = appsv1.StatefulSetSpec{Selector: w.Spec.Selector}, appsv1.StatefulSetStatus{}, nil
	case *appsv1.DaemonSet:
		w.Spec, w.Status, w.ManagedFields = appsv1.DaemonSetSpec{Selector: w.Spec.Selector}, appsv1.DaemonSetStatus{}, nil
	}
	return o, nil
}

// slim takes from a pod what says nothing of its use or its end.
func slim(o any) (any, error) {
	pod, ok := o.(*corev1.Pod)
	if !ok {
		return o, nil // a tombstone
	}
	s := &pod.Status
	kept := &corev1.Pod{
		TypeMeta: pod.TypeMeta,
		ObjectMeta: metav1.ObjectMeta{
			Name: pod.Name, Namespace: pod.Namespace, UID: pod.UID, ResourceVersion: pod.ResourceVersion, Labels: pod.Labels,
			Annotations: pod.Annotations, OwnerReferences: pod.OwnerReferences,
			CreationTimestamp: pod.CreationTimestamp, DeletionTimestamp: pod.DeletionTimestamp,
		},
		Status: corev1.PodStatus{Phase: s.Phase, Reason: s.Reason, Message: s.Message, Conditions: s.Conditions, StartTime: s.StartTime, ContainerStatuses: s.ContainerStatuses},
	}
	for _, c := range slices.Concat(sidecars(pod), pod.Spec.Containers) {
		kept.Spec.Containers = append(kept.Spec.Containers, corev1.Container{Name: c.Name, Resources: c.Resources, LivenessProbe: c.LivenessProbe})
	}
	for _, s := range pod.Status.InitContainerStatuses {
		if slices.ContainsFunc(sidecars(pod), func(c corev1.Container) bool { return c.Name == s.Name }) {
			kept.Status.ContainerStatuses = append(slices.Clone(kept.Status.ContainerStatuses), s)
		}
	}
	return kept, nil
}

// sidecars are the init containers that run on beside the others, and so are sized as they are.
func sidecars(pod *corev1.Pod) []corev1.Container {
	return slices.DeleteFunc(slices.Clone(pod.Spec.InitContainers), func(c corev1.Container) bool {
		return c.RestartPolicy == nil || *c.RestartPolicy != corev1.ContainerRestartPolicyAlways
	})
}
