package scaler

import (
	"bytes"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/api/v1alpha1"
)

// Cached keeps of each object what decisions need: of the meta cluster's pods, which may be a hundred thousand, a small part.
func Cached() cache.Options {
	strip := cache.TransformStripManagedFields()
	return cache.Options{
		DefaultTransform: func(o any) (any, error) {
			if profile, ok := o.(*v1alpha1.WorkloadProfile); ok { // not by its kind, which may not be installed
				brief(profile)
			}
			return strip(o)
		},
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Pod{}:             {Transform: slim},
			&appsv1.Deployment{}:      {Transform: managers},
			&appsv1.StatefulSet{}:     {Transform: managers},
			&v1alpha1.TenantCluster{}: {Transform: func(o any) (any, error) { return o, nil }}, // who writes spec.sizing is told by its managed fields
		},
	}
}

// slim takes from a pod what no decision rests on.
func slim(o any) (any, error) {
	pod, ok := o.(*corev1.Pod)
	if !ok {
		return o, nil // a tombstone
	}
	kept := &corev1.Pod{
		TypeMeta: pod.TypeMeta,
		ObjectMeta: metav1.ObjectMeta{
			Name: pod.Name, Namespace: pod.Namespace, UID: pod.UID, ResourceVersion: pod.ResourceVersion, Generation: pod.Generation, Labels: pod.Labels,
			Annotations: pod.Annotations, CreationTimestamp: pod.CreationTimestamp, DeletionTimestamp: pod.DeletionTimestamp,
		},
		Spec: corev1.PodSpec{NodeName: pod.Spec.NodeName},
		Status: corev1.PodStatus{
			Phase: pod.Status.Phase, ObservedGeneration: pod.Status.ObservedGeneration, Conditions: pod.Status.Conditions,
			ContainerStatuses: pod.Status.ContainerStatuses, PodIP: pod.Status.PodIP,
		},
	}
	for _, c := range pod.Spec.Containers {
		kept.Spec.Containers = append(kept.Spec.Containers, corev1.Container{Name: c.Name, Resources: c.Resources, Env: c.Env})
	}
	return kept, nil
}

// brief takes from a profile what no decision rests on, which is most of it.
func brief(p *v1alpha1.WorkloadProfile) {
	p.Status.Sources = nil
	for i := range p.Status.Containers {
		c := &p.Status.Containers[i]
		c.OOMFloor, c.BadSamples, c.Recommended = nil, nil, v1alpha1.Size{}
		for _, r := range [...]*v1alpha1.ResourceProfile{&c.CPU, &c.Memory} {
			r.Usage = slices.DeleteFunc(r.Usage, func(u v1alpha1.UsageWindow) bool { return u.Window != week })
			r.GrowthPerHour, r.Algorithms = nil, nil
		}
		c.CPU.Recent = nil
	}
}

// managers keeps of a workload's managed fields who writes resources of containers, and when they last wrote anything.
func managers(o any) (any, error) {
	workload, ok := o.(client.Object)
	if !ok {
		return o, nil // a tombstone
	}
	var kept []metav1.ManagedFieldsEntry
	for _, entry := range workload.GetManagedFields() {
		if entry.Subresource == "" && entry.FieldsV1 != nil && bytes.Contains(entry.FieldsV1.GetRawBytes(), []byte(`"f:resources"`)) {
			entry.FieldsV1 = nil
			kept = append(kept, entry)
		}
	}
	workload.SetManagedFields(kept)
	return workload, nil
}
