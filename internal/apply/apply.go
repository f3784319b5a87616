// Package apply brings objects to what they should be by server-side apply, and only when they are not: what is as it should be costs no
// request.
//
// It owns the comparison: every field that is wanted has to be there with that value; fields that others or the API server have added are
// theirs. It never removes a field that it did not apply and never waits.
package apply

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// digestAnnotation holds the digest of what was applied last: a field that is no longer wanted has to be applied away.
const digestAnnotation = "metapilot.io/applied"

// Applier applies objects in the name of one owner.
type Applier struct {
	Client client.Client // its reads come from a cache
	Owner  string        // field manager
}

// Apply makes the object so, and tells whether it had to. The object's kind has to be registered; the object is not changed.
func (a Applier) Apply(ctx context.Context, wanted client.Object) (changed bool, err error) {
	want, err := a.convert(wanted)
	if err != nil {
		return false, err
	}
	live, err := a.live(ctx, wanted)
	if err != nil {
		return false, err
	}
	if live != nil && includes(live, want.Object) {
		return false, nil
	}
	sent := want.DeepCopy() // the answer comes back in what was sent
	err = a.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(sent), client.FieldOwner(a.Owner), client.ForceOwnership)
	if live != nil && (apierrors.IsInvalid(err) || err == nil && !includes(sent.Object, want.Object)) {
		err = a.overwrite(ctx, live, want)
	}
	if err != nil {
		return false, fmt.Errorf("applying %s %s: %w", want.GetKind(), client.ObjectKeyFromObject(wanted), err)
	}
	return true, nil
}

// overwrite puts what is wanted in the place of what somebody wrote. Server-side apply leaves list elements of others beside ours: a port of the
// same name, which it then refuses, or another container, which it takes.
func (a Applier) overwrite(ctx context.Context, live map[string]any, want *unstructured.Unstructured) error {
	whole := &unstructured.Unstructured{Object: overlay(live, want.Object).(map[string]any)}
	whole.SetResourceVersion("") // ours, whatever was written meanwhile
	return a.Client.Update(ctx, whole, client.FieldOwner(a.Owner))
}

// live is the object as the cache has it; nil if it is not there.
func (a Applier) live(ctx context.Context, wanted client.Object) (map[string]any, error) {
	have, ok := wanted.DeepCopyObject().(client.Object)
	if !ok {
		return nil, fmt.Errorf("%T is no API object", wanted)
	}
	if err := a.Client.Get(ctx, client.ObjectKeyFromObject(wanted), have); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	return runtime.DefaultUnstructuredConverter.ToUnstructured(have)
}

// convert makes what is sent: no status, no empty times, and the digest.
func (a Applier) convert(wanted client.Object) (*unstructured.Unstructured, error) {
	gvk, err := apiutil.GVKForObject(wanted, a.Client.Scheme())
	if err != nil {
		return nil, err
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(wanted)
	if err != nil {
		return nil, fmt.Errorf("converting %T: %w", wanted, err)
	}
	delete(content, "status")
	prune(content)
	return stamp(&unstructured.Unstructured{Object: content}, gvk)
}

func stamp(u *unstructured.Unstructured, gvk schema.GroupVersionKind) (*unstructured.Unstructured, error) {
	u.SetGroupVersionKind(gvk)
	digest, err := digest(u.Object)
	if err != nil {
		return nil, err
	}
	annotations := u.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[digestAnnotation] = digest
	u.SetAnnotations(annotations)
	return u, nil
}

// Remove deletes the object if the cache has it, and tells whether it had to.
func (a Applier) Remove(ctx context.Context, unwanted client.Object) (changed bool, err error) {
	live, err := a.live(ctx, unwanted)
	if live == nil || err != nil {
		return false, err
	}
	err = a.Client.Delete(ctx, unwanted)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	return err == nil, err
}
