package podresize

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Resize gives a container another size in place, and returns the pod's generation from which on it has it. What is not named in the size stays.
func Resize(ctx context.Context, c client.Client, pod *corev1.Pod, container string, size corev1.ResourceRequirements, now time.Time) (int64, error) {
	target := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name}}
	note := map[string]any{"metadata": map[string]any{
		"uid": pod.UID, "annotations": map[string]any{Annotation: remember(pod, container, now)},
	}}
	if err := patch(note, func(raw []byte) error {
		return c.Patch(ctx, target, client.RawPatch(types.MergePatchType, raw))
	}); err != nil {
		return 0, fmt.Errorf("noting the resize of pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	resized := map[string]any{"spec": map[string]any{"containers": []any{map[string]any{"name": container, "resources": size}}}}
	if err := patch(resized, func(raw []byte) error {
		return c.SubResource("resize").Patch(ctx, target, client.RawPatch(types.StrategicMergePatchType, raw))
	}); err != nil {
		return 0, fmt.Errorf("resizing pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	return target.Generation, nil
}

func patch(content map[string]any, send func([]byte) error) error {
	raw, err := json.Marshal(content)
	if err != nil {
		return err
	}
	return send(raw)
}
