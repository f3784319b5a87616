package actuator

import (
	"context"
	"errors"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/internal/podresize"
)

// Workload writes the size of a plain Deployment or StatefulSet.
type Workload struct {
	Client client.Client
	Clock  clock.PassiveClock
}

// restarted is what kubectl rollout restart writes as well.
const restarted = "kubectl.kubernetes.io/restartedAt"

// Apply resizes the pods that run in place, for that helps at once, and then writes the template, for pods to come: its controller replaces the
// pods by its own strategy. The workload was named by the user to be scaled, so its size is taken over from whoever has written it.
func (a Workload) Apply(ctx context.Context, workload client.Object, container string, pods []*corev1.Pod, change Change) (problem error) {
	template := map[string]any{}
	if change.RestartedAt != nil {
		template["metadata"] = map[string]any{"annotations": map[string]any{restarted: change.RestartedAt.UTC().Format(time.RFC3339)}}
	}
	if change.Resources != nil {
		resources, err := runtime.DefaultUnstructuredConverter.ToUnstructured(change.Resources)
		if err != nil {
			return err
		}
		problem = a.inPlace(ctx, container, pods, Requirements(*change.Resources))
		template["spec"] = map[string]any{"containers": []any{map[string]any{"name": container, "resources": resources}}}
	}
	return errors.Join(problem, a.apply(ctx, workload, template))
}

func (a Workload) inPlace(ctx context.Context, container string, pods []*corev1.Pod, size corev1.ResourceRequirements) (problem error) {
	for _, pod := range pods {
		if s := podresize.Status(pod, container); s != nil && s.State.Running != nil && pod.DeletionTimestamp.IsZero() {
			_, err := podresize.Resize(ctx, a.Client, pod, container, size, a.Clock.Now())
			problem = errors.Join(problem, err)
		}
	}
	return problem
}

func (a Workload) apply(ctx context.Context, workload client.Object, template map[string]any) error {
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
		return fmt.Errorf("writing the size of %s %s: %w", kind, client.ObjectKeyFromObject(workload), err)
	}
	return nil
}
