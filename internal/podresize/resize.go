package podresize

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Resize gives a container another size in place, notes it, and returns the pod's generation from which on it has it. What is not named in the size stays.
// A size that the pod's node can never have is noted as refused, and no error.
func Resize(ctx context.Context, c client.Client, pod *corev1.Pod, container string, size corev1.ResourceRequirements, now time.Time) (int64, error) {
	target := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name}}
	n := remember(pod, container, memoryLimit(pod, container, size), now)
	resized := map[string]any{"metadata": map[string]any{"uid": pod.UID}, "spec": map[string]any{"containers": []any{map[string]any{"name": container, "resources": size}}}}
	if err := patch(resized, func(raw []byte) error {
		return c.SubResource("resize").Patch(ctx, target, client.RawPatch(types.StrategicMergePatchType, raw))
	}); tooLarge(err) {
		return 0, annotate(ctx, c, pod, target, refusedAnnotation, refusal(size, err))
	} else if err != nil {
		return 0, fmt.Errorf("resizing pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	n.Asked = target.Generation
	if n.Asked > 0 && n.Asked == pod.Generation {
		return n.Asked, nil // the API server has made of it what there was: to note it would be a change to try again for
	}
	return n.Asked, keep(ctx, c, pod, target, n)
}

// keep writes the note of a resize that was made, also when the caller is being ended: nobody could make up for it.
func keep(ctx context.Context, c client.Client, pod, target *corev1.Pod, n note) error {
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	var err error
	end := wait.ExponentialBackoffWithContext(bounded, retry.DefaultBackoff, func(ctx context.Context) (bool, error) {
		err = annotate(ctx, c, pod, target, Annotation, n.String())
		return client.IgnoreNotFound(err) == nil, nil
	})
	return cmp.Or(err, end) // retry.OnError takes the end of a context for success
}

// memoryLimit that a container has with a size, in bytes.
func memoryLimit(pod *corev1.Pod, container string, size corev1.ResourceRequirements) int64 {
	if to, said := size.Limits[corev1.ResourceMemory]; said {
		return to.Value()
	}
	return limit(pod, container)
}

// Remembered notes that a running container has the size: whatever is killed from now on is killed at the new limit.
func Remembered(ctx context.Context, c client.Client, pod *corev1.Pod) error {
	last := remembered(pod)
	if last == nil {
		return nil
	}
	last.Settled = true
	target := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name}}
	return annotate(ctx, c, pod, target, Annotation, last.String())
}

// annotate writes an annotation of the pod that was seen, not of one that has come in its place.
func annotate(ctx context.Context, c client.Client, pod, target *corev1.Pod, key, value string) error {
	note := map[string]any{"metadata": map[string]any{"uid": pod.UID, "annotations": map[string]any{key: value}}}
	if err := patch(note, func(raw []byte) error {
		return c.Patch(ctx, target, client.RawPatch(types.MergePatchType, raw))
	}); err != nil {
		return fmt.Errorf("annotating pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	return nil
}

// tooLarge: kube-apiserver 1.36 refuses a resize that the pod's node can never have; before, the kubelet called it Infeasible in the pod's status.
func tooLarge(err error) bool {
	return apierrors.IsForbidden(err) && strings.Contains(err.Error(), "enough allocatable resources")
}

// refusedAnnotation on a pod holds the size that was refused, and why: it is not asked for again.
const refusedAnnotation = "metapilot.io/resize-refused"

func refusal(size corev1.ResourceRequirements, err error) string {
	_, why, _ := strings.Cut(err.Error(), "is forbidden: ")
	return sizeKey(size) + ";" + why
}

// Refused is why the pod can never have the size on its node; empty if that is not known.
func Refused(pod *corev1.Pod, size corev1.ResourceRequirements) string {
	key, why, _ := strings.Cut(pod.Annotations[refusedAnnotation], ";")
	if key != sizeKey(size) {
		return ""
	}
	return why
}

func sizeKey(r corev1.ResourceRequirements) string {
	return fmt.Sprintf("%d/%d/%d/%d", r.Requests.Cpu().MilliValue(), r.Requests.Memory().Value(), r.Limits.Cpu().MilliValue(), r.Limits.Memory().Value())
}

func patch(content map[string]any, send func([]byte) error) error {
	raw, err := json.Marshal(content)
	if err != nil {
		return err
	}
	return send(raw)
}
