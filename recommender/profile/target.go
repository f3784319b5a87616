package profile

import (
	"context"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/api/v1alpha1"
)

// target is the workload of a profile.
type target struct {
	object   client.Object
	selector labels.Selector
	pods     []*corev1.Pod
	fault    fault // why nothing can be said of it
}

// has tells whether the workload's pods have a container of this name; of a workload without pods nobody knows.
func (t target) has(container string) bool {
	for _, pod := range t.pods {
		for _, c := range pod.Spec.Containers {
			if c.Name == container {
				return true
			}
		}
	}
	return len(t.pods) == 0
}

// fault is a reason, as conditions have it, and what a person has to know.
type fault struct{ reason, message string }

// named is how people call the target of a profile.
func named(ref v1alpha1.ProfileTarget) string { return ref.Kind + " " + ref.Name }

// find looks for the target of a profile and its pods. A target that is not there is no error: the profile is frozen until it is.
func (r *Recommender) find(ctx context.Context, p *v1alpha1.WorkloadProfile) (target, error) {
	t, err := r.workload(ctx, p.Namespace, p.Spec.TargetRef)
	switch {
	case apierrors.IsNotFound(err):
		t.fault = fault{"TargetNotFound", named(p.Spec.TargetRef) + " is not there: nothing of this profile changes until it comes back"}
		return t, nil
	case apimeta.IsNoMatchError(err):
		t.fault = fault{"UnknownKind", fmt.Sprintf("the meta cluster knows no %s of %s with a scale subresource: create another profile with the right targetRef", p.Spec.TargetRef.Kind, p.Spec.TargetRef.APIVersion)}
		return t, nil
	case err != nil:
		return t, fmt.Errorf("reading %s: %w", named(p.Spec.TargetRef), err)
	}
	var pods corev1.PodList
	if err := r.Client.List(ctx, &pods, client.InNamespace(p.Namespace), client.MatchingLabelsSelector{Selector: t.selector}, client.UnsafeDisableDeepCopy); err != nil {
		return t, err
	}
	for i := range pods.Items {
		if owns(t.object, &pods.Items[i]) {
			t.pods = append(t.pods, &pods.Items[i])
		}
	}
	return t, nil
}

// workload reads a target, from the cache if it is one of those that are watched.
func (r *Recommender) workload(ctx context.Context, namespace string, ref v1alpha1.ProfileTarget) (target, error) {
	key := client.ObjectKey{Namespace: namespace, Name: ref.Name}
	o := builtin(ref)
	if o == nil {
		return r.scaled(ctx, key, ref)
	}
	err := r.Client.Get(ctx, key, o)
	if apierrors.IsNotFound(err) { // the cache has only what the selector admits
		err = r.Live.Get(ctx, key, o)
	}
	if err != nil {
		return target{}, err
	}
	selector, err := metav1.LabelSelectorAsSelector(selectorOf(o))
	return target{object: o, selector: selector}, err
}

// builtin is an empty object of the kind; nil if it is none of those that are watched.
func builtin(ref v1alpha1.ProfileTarget) client.Object {
	for _, k := range Kinds {
		if k.APIVersion == ref.APIVersion && k.Name == ref.Kind {
			return k.empty()
		}
	}
	return nil
}

func selectorOf(o client.Object) *metav1.LabelSelector {
	switch w := o.(type) {
	case *appsv1.Deployment:
		return w.Spec.Selector
	case *appsv1.StatefulSet:
		return w.Spec.Selector
	case *appsv1.DaemonSet:
		return w.Spec.Selector
	}
	return nil // selects nothing
}

// scaled reads a target of any other kind through its scale subresource.
func (r *Recommender) scaled(ctx context.Context, key client.ObjectKey, ref v1alpha1.ProfileTarget) (target, error) {
	version, err := schema.ParseGroupVersion(ref.APIVersion)
	if err != nil {
		return target{}, &apimeta.NoKindMatchError{GroupKind: schema.GroupKind{Kind: ref.Kind}}
	}
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(version.WithKind(ref.Kind))
	if err := r.Live.Get(ctx, key, o); err != nil {
		return target{}, err
	}
	scale := &autoscalingv1.Scale{}
	if err := r.Client.SubResource("scale").Get(ctx, o, scale); err != nil {
		return target{}, err
	}
	selector, err := labels.Parse(scale.Status.Selector)
	if err != nil || selector.Empty() {
		return target{object: o, selector: labels.Nothing()}, nil
	}
	return target{object: o, selector: selector}, nil
}

// owns tells the workload's own pods from those of another one whose selector is too wide. ReplicaSets are named after their Deployment.
func owns(workload client.Object, pod *corev1.Pod) bool {
	owner := metav1.GetControllerOf(pod)
	switch {
	case owner == nil:
		return true
	case owner.UID == workload.GetUID():
		return true
	case owner.Kind == "ReplicaSet":
		return strings.TrimSuffix(owner.Name, "-"+pod.Labels[appsv1.DefaultDeploymentUniqueLabelKey]) == workload.GetName()
	}
	return !slices.ContainsFunc(Kinds, func(k Kind) bool { return k.Name == owner.Kind })
}

// madeFor tells from a pod's name whether it may have been one of the workload's, for pods that history knows and the cluster no longer does.
func madeFor(ref v1alpha1.ProfileTarget, pod string) bool {
	rest, ok := strings.CutPrefix(pod, ref.Name+"-")
	if !ok {
		return false
	}
	first, second, two := strings.Cut(rest, "-")
	switch ref.Kind {
	case "Deployment":
		return two && made(first) && made(second) && len(second) == generated
	case "StatefulSet":
		return strings.Trim(rest, "0123456789") == ""
	case "DaemonSet":
		return made(rest) && len(rest) == generated
	}
	return false
}

// made: the API server or a controller has made this part of a name.
func made(part string) bool { return part != "" && strings.Trim(part, alphabet) == "" }

// k8s.io/apimachinery/pkg/util/rand, and k8s.io/apiserver/pkg/storage/names for the length of the last part.
const (
	alphabet  = "bcdfghjklmnpqrstvwxz2456789"
	generated = 5
)
