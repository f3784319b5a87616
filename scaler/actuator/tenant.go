package actuator

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/api/v1alpha1"
)

// Owner is the field manager of everything that the scaler writes.
const Owner = "cluster-scaler"

// Tenant writes spec.sizing.
type Tenant struct {
	Client client.Client
	Live   client.Reader // what is there now, not what a cache has seen
}

// ForeignError says that somebody else owns what would be written.
type ForeignError struct{ Manager string }

func (e *ForeignError) Error() string { return e.Manager + " owns the component's sizing" }

// fields are the names of the components' fields in spec.sizing.
var fields = map[string]string{
	"etcd": "etcd", "kube-apiserver": "apiServer", "kube-controller-manager": "controllerManager", "kube-scheduler": "scheduler",
}

// Change is what is written about one component; what is nil stays.
type Change struct {
	Resources   *v1alpha1.Resources
	RestartedAt *metav1.Time
}

// Apply writes the change of one component and returns the generation that has it. What the scaler owns of the other components is written again
// as it is, for an apply that leaves out what it owned before would remove it.
func (a Tenant) Apply(ctx context.Context, key client.ObjectKey, component string, change Change) (generation int64, err error) {
	tc := &unstructured.Unstructured{} // as it is written: what is sent again must not differ by so much as the way of writing an amount
	tc.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("TenantCluster"))
	if err := a.Live.Get(ctx, key, tc); err != nil {
		return 0, fmt.Errorf("reading TenantCluster %s: %w", key, err)
	}
	if other := Foreign(tc, component); other != "" {
		return 0, &ForeignError{other}
	}
	own := owned(tc)
	if err := change.into(own, fields[component]); err != nil {
		return 0, err
	}
	u := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"sizing": own}}}
	u.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("TenantCluster"))
	u.SetNamespace(key.Namespace)
	u.SetName(key.Name)
	u.SetUID(tc.GetUID())                         // not another one that has come in its place
	u.SetResourceVersion(tc.GetResourceVersion()) // nor one that was written meanwhile
	err = a.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), client.FieldOwner(Owner))
	switch other := conflicting(err); {
	case other != "":
		return 0, &ForeignError{other}
	case err != nil:
		return 0, fmt.Errorf("writing spec.sizing of TenantCluster %s: %w", key, err)
	}
	return u.GetGeneration(), nil
}

// conflicting is what the API server says of the manager that owns what would be written; empty if that is not the matter.
func conflicting(err error) string {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil {
		return ""
	}
	for _, cause := range status.Status().Details.Causes {
		if cause.Type == metav1.CauseTypeFieldManagerConflict {
			return cause.Message
		}
	}
	return ""
}

// owned is the part of spec.sizing that the scaler has applied, as it is written.
func owned(tc *unstructured.Unstructured) map[string]any {
	for _, entry := range tc.GetManagedFields() {
		if entry.Manager == Owner && entry.Subresource == "" && entry.Operation == metav1.ManagedFieldsOperationApply {
			all, _ := pick(tc.Object, fieldsOf(entry), "spec", "sizing").(map[string]any)
			if all != nil {
				return all
			}
		}
	}
	return map[string]any{}
}

// fieldsOf an entry are nested as the object is; their names begin with "f:" (sigs.k8s.io/structured-merge-diff, fieldpath/serialize.go).
func fieldsOf(entry metav1.ManagedFieldsEntry) (set map[string]any) {
	if entry.FieldsV1 == nil || json.Unmarshal(entry.FieldsV1.GetRawBytes(), &set) != nil {
		return nil
	}
	return set
}

// pick copies of a value what the set names, from the given path on. Below spec.sizing there are no lists.
func pick(value any, set map[string]any, path ...string) any {
	of, isMap := value.(map[string]any)
	if len(path) > 0 {
		below, _ := set["f:"+path[0]].(map[string]any)
		if !isMap || below == nil {
			return nil
		}
		return pick(of[path[0]], below, path[1:]...)
	}
	if !isMap || len(set) == 0 {
		return value
	}
	picked := map[string]any{}
	for name, below := range set {
		field, isField := strings.CutPrefix(name, "f:")
		child, there := of[field]
		if !isField || !there {
			continue
		}
		deeper, _ := below.(map[string]any)
		picked[field] = pick(child, deeper)
	}
	return picked
}

func (c Change) into(sizing map[string]any, field string) error {
	part, _ := sizing[field].(map[string]any)
	if part == nil {
		part = map[string]any{}
	}
	if c.Resources != nil {
		resources, err := runtime.DefaultUnstructuredConverter.ToUnstructured(c.Resources)
		if err != nil {
			return err
		}
		part["resources"] = resources
	}
	if c.RestartedAt != nil {
		part["restartedAt"] = c.RestartedAt.ToUnstructured()
	}
	sizing[field] = part
	return nil
}

// Foreign is another manager that writes the component's sizing; empty if there is none.
func Foreign(tc metav1.Object, component string) string {
	for _, entry := range tc.GetManagedFields() {
		if entry.Manager != Owner && entry.Subresource == "" && covers(entry, component) {
			return entry.Manager
		}
	}
	return ""
}

// covers: the entry owns something below spec.sizing.<component>.
func covers(entry metav1.ManagedFieldsEntry, component string) bool {
	if entry.FieldsV1 == nil || !bytes.Contains(entry.FieldsV1.GetRawBytes(), []byte(`"f:sizing"`)) {
		return false // most entries, and telling them is cheap
	}
	spec, _ := fieldsOf(entry)["f:spec"].(map[string]any)
	sizing, _ := spec["f:sizing"].(map[string]any)
	_, found := sizing["f:"+fields[component]]
	return found
}

// Resources that spec.sizing gives a component; empty if it gives none.
func Resources(tc *v1alpha1.TenantCluster, component string) v1alpha1.Resources {
	if etcd := tc.Spec.Sizing.Etcd; component == "etcd" && etcd != nil {
		return etcd.Resources
	}
	if s := sizing(tc, component); s != nil {
		return s.Resources
	}
	return v1alpha1.Resources{}
}

// RestartedAt is when spec.sizing asked for the component's pods to be replaced last; zero if it never did.
func RestartedAt(tc *v1alpha1.TenantCluster, component string) time.Time {
	if s := sizing(tc, component); s != nil && s.RestartedAt != nil {
		return s.RestartedAt.Time
	}
	return time.Time{}
}

// sizing of a component that is not etcd; nil if there is none.
func sizing(tc *v1alpha1.TenantCluster, component string) *v1alpha1.ComponentSizing {
	switch s := &tc.Spec.Sizing; component {
	case "kube-apiserver":
		return s.APIServer
	case "kube-controller-manager":
		return s.ControllerManager
	case "kube-scheduler":
		return s.Scheduler
	}
	return nil
}

// Requirements are resources in the words of pods.
func Requirements(r v1alpha1.Resources) corev1.ResourceRequirements {
	return corev1.ResourceRequirements{Requests: list(r.Requests), Limits: list(r.Limits)}
}

func list(a v1alpha1.Amounts) corev1.ResourceList {
	l := corev1.ResourceList{}
	if a.CPU != nil {
		l[corev1.ResourceCPU] = *a.CPU
	}
	if a.Memory != nil {
		l[corev1.ResourceMemory] = *a.Memory
	}
	return l
}
