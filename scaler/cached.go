package scaler

import (
	"bytes"
	"reflect"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/api/v1alpha1"
)

// Cached keeps of each object what decisions need: of the meta cluster's pods, which may be a hundred thousand, a small part.
func Cached() cache.Options {
	k := keeper{newShared()}
	return cache.Options{
		DefaultTransform: k.other,
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Pod{}:             {Transform: k.slim},
			&appsv1.Deployment{}:      {Transform: managers},
			&appsv1.StatefulSet{}:     {Transform: managers},
			&v1alpha1.TenantCluster{}: {Transform: k.tenant},
		},
	}
}

// keeper of what the cache has.
type keeper struct{ *shared }

// other kinds, which are not named above because they may not be installed.
func (k keeper) other(o any) (any, error) {
	switch of := o.(type) {
	case *v1alpha1.WorkloadProfile:
		brief(of)
		k.ours(of)
	case *v1alpha1.ScalingRecord:
		gist(of)
		k.ours(of)
	case *v1alpha1.ClusterScaler:
		k.ours(of)
	}
	return cache.TransformStripManagedFields()(o)
}

// ours is an object of our kinds.
func (k keeper) ours(o client.Object) {
	v := reflect.ValueOf(o).Elem()
	k.meta(v.FieldByName("ObjectMeta").Addr().Interface().(*metav1.ObjectMeta))
	k.all(v.FieldByName("Spec"))
	k.all(v.FieldByName("Status"))
}

// tenant keeps who writes spec.sizing, which its managed fields tell.
func (k keeper) tenant(o any) (any, error) {
	tc, ok := o.(*v1alpha1.TenantCluster)
	if !ok {
		return o, nil // a tombstone
	}
	tc.ManagedFields = slices.Clip(slices.DeleteFunc(tc.ManagedFields, func(entry metav1.ManagedFieldsEntry) bool {
		return entry.FieldsV1 == nil || !bytes.Contains(entry.FieldsV1.GetRawBytes(), []byte(`"f:sizing"`))
	}))
	k.ours(tc)
	return tc, nil
}

// gist takes from a record what no later decision rests on: people read it from the API server.
func gist(r *v1alpha1.ScalingRecord) {
	r.Labels, r.OwnerReferences = nil, nil
	r.Spec.Evidence, r.Spec.Proposals, r.Spec.Saving = nil, nil, nil
	r.Spec.Guards = slices.DeleteFunc(r.Spec.Guards, func(g v1alpha1.GuardVerdict) bool { return !g.Held })
}

// slim takes from a pod what no decision rests on.
func (k keeper) slim(o any) (any, error) {
	pod, ok := o.(*corev1.Pod)
	if !ok {
		return o, nil // a tombstone
	}
	kept := &corev1.Pod{
		TypeMeta: pod.TypeMeta,
		ObjectMeta: metav1.ObjectMeta{
			Name: pod.Name, Namespace: pod.Namespace, UID: pod.UID, ResourceVersion: pod.ResourceVersion, Generation: pod.Generation, Labels: pod.Labels,
			Annotations: notes(pod.Annotations), CreationTimestamp: pod.CreationTimestamp, DeletionTimestamp: pod.DeletionTimestamp,
		},
		Spec: corev1.PodSpec{NodeName: text(pod.Spec.NodeName), Containers: make([]corev1.Container, 0, len(pod.Spec.Containers))},
		Status: corev1.PodStatus{
			Phase: pod.Status.Phase, ObservedGeneration: pod.Status.ObservedGeneration, Conditions: k.conditions(pod.Status.Conditions),
			ContainerStatuses: k.statuses(pod.Status.ContainerStatuses), PodIP: pod.Status.PodIP,
		},
	}
	k.meta(&kept.ObjectMeta)
	for _, c := range pod.Spec.Containers {
		k.requirements(&c.Resources)
		kept.Spec.Containers = append(kept.Spec.Containers, corev1.Container{Name: text(c.Name), Resources: c.Resources, Env: limitOf(c.Env)})
	}
	return kept, nil
}

// notes on a pod about restarts and resizes.
func notes(all map[string]string) map[string]string {
	kept := map[string]string{}
	for key, value := range all {
		if key == v1alpha1.RestartedAnnotation || strings.HasPrefix(key, "metapilot.io/resize") { // internal/podresize
			kept[key] = value
		}
	}
	return kept
}

// limitOf is what a container's Go runtime was told.
func limitOf(env []corev1.EnvVar) []corev1.EnvVar {
	for _, e := range env {
		if e.Name == goMemory {
			return []corev1.EnvVar{{Name: goMemory, Value: text(e.Value)}}
		}
	}
	return nil
}

// conditions of a pod, without those that say that it is as it should be and are never asked for.
func (k keeper) conditions(all []corev1.PodCondition) (kept []corev1.PodCondition) {
	for _, c := range all {
		switch c.Type {
		case corev1.PodInitialized, corev1.ContainersReady, corev1.PodReadyToStartContainers:
			continue
		case corev1.PodScheduled:
			if c.Status == corev1.ConditionTrue {
				continue
			}
		default:
		}
		c.Reason, c.Message = text(c.Reason), text(c.Message)
		kept = append(kept, c)
	}
	return slices.Clip(kept)
}

// statuses of containers, without what images they are of and how they are mounted.
func (k keeper) statuses(all []corev1.ContainerStatus) []corev1.ContainerStatus {
	kept := make([]corev1.ContainerStatus, len(all))
	for i := range all {
		s := &all[i]
		kept[i] = corev1.ContainerStatus{
			Name: text(s.Name), State: s.State, LastTerminationState: s.LastTerminationState, Ready: s.Ready, RestartCount: s.RestartCount,
			ContainerID: s.ContainerID, Started: s.Started, Resources: s.Resources,
		}
		if s.Resources != nil {
			k.requirements(kept[i].Resources)
		}
	}
	return kept
}

// brief takes from a profile what no decision rests on, which is most of it.
func brief(p *v1alpha1.WorkloadProfile) {
	p.Status.Sources = nil
	p.Status.Conditions = slices.DeleteFunc(p.Status.Conditions, well)
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
