package actuator

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

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
	var tc v1alpha1.TenantCluster
	if err := a.Live.Get(ctx, key, &tc); err != nil {
		return 0, fmt.Errorf("reading TenantCluster %s: %w", key, err)
	}
	if other := Foreign(&tc, component); other != "" {
		return 0, &ForeignError{other}
	}
	sizing, err := owned(&tc)
	if err != nil {
		return 0, err
	}
	if err := change.into(sizing, fields[component]); err != nil {
		return 0, err
	}
	u := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"sizing": sizing}}}
	u.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("TenantCluster"))
	u.SetNamespace(key.Namespace)
	u.SetName(key.Name)
	u.SetUID(tc.UID)                         // not another one that has come in its place
	u.SetResourceVersion(tc.ResourceVersion) // nor one that was written meanwhile
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

// owned is the part of spec.sizing that the scaler has written.
func owned(tc *v1alpha1.TenantCluster) (map[string]any, error) {
	all, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&tc.Spec.Sizing)
	if err != nil {
		return nil, err
	}
	for component, field := range fields {
		if !writes(tc.ManagedFields, Owner, component) {
			delete(all, field)
		}
	}
	return all, nil
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
func Foreign(tc *v1alpha1.TenantCluster, component string) string {
	for _, entry := range tc.ManagedFields {
		if entry.Manager != Owner && entry.Subresource == "" && covers(entry, component) {
			return entry.Manager
		}
	}
	return ""
}

func writes(entries []metav1.ManagedFieldsEntry, manager, component string) bool {
	for _, entry := range entries {
		if entry.Manager == manager && entry.Subresource == "" && covers(entry, component) {
			return true
		}
	}
	return false
}

// covers: the entry owns something below spec.sizing.<component>.
func covers(entry metav1.ManagedFieldsEntry, component string) bool {
	if entry.FieldsV1 == nil || !bytes.Contains(entry.FieldsV1.GetRawBytes(), []byte(`"f:sizing"`)) {
		return false
	}
	var set struct {
		Spec struct {
			Sizing map[string]json.RawMessage `json:"f:sizing"`
		} `json:"f:spec"`
	}
	if json.Unmarshal(entry.FieldsV1.GetRawBytes(), &set) != nil {
		return false
	}
	_, found := set.Spec.Sizing["f:"+fields[component]]
	return found
}

// Resources that spec.sizing gives a component; empty if it gives none.
func Resources(tc *v1alpha1.TenantCluster, component string) v1alpha1.Resources {
	s := &tc.Spec.Sizing
	switch {
	case component == "etcd" && s.Etcd != nil:
		return s.Etcd.Resources
	case component == "kube-apiserver" && s.APIServer != nil:
		return s.APIServer.Resources
	case component == "kube-controller-manager" && s.ControllerManager != nil:
		return s.ControllerManager.Resources
	case component == "kube-scheduler" && s.Scheduler != nil:
		return s.Scheduler.Resources
	}
	return v1alpha1.Resources{}
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
