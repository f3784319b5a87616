package actuator

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/api/v1alpha1"
)

// wrote is an entry of managed fields: who, by what way, and the fields in JSON.
func wrote(manager, fields string) metav1.ManagedFieldsEntry {
	return metav1.ManagedFieldsEntry{
		Manager: manager, Operation: metav1.ManagedFieldsOperationApply, APIVersion: "metapilot.io/v1alpha1", FieldsType: "FieldsV1",
		FieldsV1: metav1.NewFieldsV1(fields),
	}
}

const (
	sizesEtcd      = `{"f:spec":{"f:sizing":{"f:etcd":{"f:resources":{"f:limits":{"f:memory":{}}}}}}}`
	sizesAPIServer = `{"f:spec":{"f:sizing":{"f:apiServer":{"f:resources":{"f:limits":{"f:memory":{}}}}}}}`
	sizesNothing   = `{"f:spec":{"f:version":{},"f:sizing":{}}}`
)

func managed(entries ...metav1.ManagedFieldsEntry) *v1alpha1.TenantCluster {
	return &v1alpha1.TenantCluster{ObjectMeta: metav1.ObjectMeta{Namespace: "fleet", Name: "demo", UID: "u-1", ManagedFields: entries}}
}

func TestWhoElseWritesTheSizing(t *testing.T) {
	status, none := wrote("kubectl", sizesEtcd), wrote("kubectl", "")
	status.Subresource, none.FieldsV1 = "status", nil
	update := wrote("kubectl-edit", sizesEtcd)
	update.Operation = metav1.ManagedFieldsOperationUpdate
	for name, tc := range map[string]struct {
		of        *v1alpha1.TenantCluster
		component string
		want      string
	}{
		"nobody has written anything":         {managed(), "etcd", ""},
		"the scaler":                          {managed(wrote("cluster-scaler", sizesEtcd)), "etcd", ""},
		"somebody applies it":                 {managed(wrote("flux", sizesEtcd)), "etcd", "flux"},
		"somebody has edited it":              {managed(update), "etcd", "kubectl-edit"},
		"both do":                             {managed(wrote("cluster-scaler", sizesEtcd), wrote("flux", sizesEtcd)), "etcd", "flux"},
		"somebody sizes another component":    {managed(wrote("flux", sizesAPIServer)), "etcd", ""},
		"somebody sizes the API server":       {managed(wrote("flux", sizesAPIServer)), "kube-apiserver", "flux"},
		"somebody sizes the controllers":      {managed(wrote("flux", `{"f:spec":{"f:sizing":{"f:controllerManager":{}}}}`)), "kube-controller-manager", "flux"},
		"somebody sizes the scheduler":        {managed(wrote("flux", `{"f:spec":{"f:sizing":{"f:scheduler":{}}}}`)), "kube-scheduler", "flux"},
		"somebody has an empty sizing":        {managed(wrote("flux", sizesNothing)), "etcd", ""},
		"somebody writes the rest":            {managed(wrote("flux", `{"f:spec":{"f:version":{}}}`)), "etcd", ""},
		"somebody has another field sizing":   {managed(wrote("flux", `{"f:status":{"f:sizing":{"f:etcd":{}}}}`)), "etcd", ""},
		"somebody writes the status":          {managed(status), "etcd", ""},
		"an entry has no fields":              {managed(none), "etcd", ""},
		"an entry's fields cannot be read":    {managed(wrote("flux", `{"f:sizing"`)), "etcd", ""},
		"a component that a tenant never has": {managed(wrote("flux", sizesEtcd)), "web", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Foreign(tc.of, tc.component); got != tc.want {
				t.Errorf("the writer of %s's sizing is said to be %q, want %q", tc.component, got, tc.want)
			}
		})
	}
}

// api has one TenantCluster, and writes down what is applied.
type api struct {
	client.Client
	tenant  *v1alpha1.TenantCluster
	answer  error
	applied map[string]any
	options client.ApplyOptions
}

func (a *api) Get(_ context.Context, _ client.ObjectKey, o client.Object, _ ...client.GetOption) error {
	raw, err := runtime.DefaultUnstructuredConverter.ToUnstructured(a.tenant)
	o.(*unstructured.Unstructured).Object = raw
	return err
}

func (a *api) Apply(_ context.Context, what runtime.ApplyConfiguration, options ...client.ApplyOption) error {
	raw, err := json.Marshal(what)
	if err != nil {
		return err
	}
	a.options.ApplyOptions(options)
	return errors.Join(json.Unmarshal(raw, &a.applied), a.answer)
}

func limit(memory string) v1alpha1.Resources {
	q := resource.MustParse(memory)
	return v1alpha1.Resources{Limits: v1alpha1.Amounts{Memory: &q}}
}

func (a *api) write(t *testing.T, component string, change Change) error {
	t.Helper()
	_, err := Tenant{Client: a, Live: a}.Apply(t.Context(), client.ObjectKeyFromObject(a.tenant), component, change)
	return err
}

// sizing that was applied, in JSON.
func (a *api) sizing(t *testing.T) string {
	t.Helper()
	raw, err := json.Marshal(a.applied["spec"].(map[string]any)["sizing"])
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// An apply that leaves out what its manager owned before removes it.
func TestWriteKeepsWhatTheScalerOwnsOfOtherComponents(t *testing.T) {
	restarted := metav1.NewTime(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC))
	tc := managed(wrote("cluster-scaler", `{"f:spec":{"f:sizing":{"f:etcd":{},"f:apiServer":{}}}}`), wrote("somebody", `{"f:spec":{"f:sizing":{"f:scheduler":{}}}}`))
	tc.Spec.Sizing = v1alpha1.Sizing{
		Etcd:      &v1alpha1.EtcdSizing{Resources: limit("768Mi")},
		APIServer: &v1alpha1.ComponentSizing{Resources: limit("1Gi"), RestartedAt: &restarted},
		Scheduler: &v1alpha1.ComponentSizing{Resources: limit("64Mi")},
	}
	a, larger := &api{tenant: tc}, limit("2Gi")
	if err := a.write(t, "kube-apiserver", Change{Resources: &larger}); err != nil {
		t.Fatal(err)
	}
	want := `{"apiServer":{"resources":{"limits":{"memory":"2Gi"},"requests":{}},"restartedAt":"2026-11-23T12:00:00Z"},` +
		`"etcd":{"resources":{"limits":{"memory":"768Mi"},"requests":{}}}}`
	if got := a.sizing(t); got != want {
		t.Errorf("written is\n%s, want\n%s", got, want)
	}
	if a.options.FieldManager != "cluster-scaler" || a.options.Force != nil && *a.options.Force {
		t.Errorf("written as %q, by force: %v", a.options.FieldManager, a.options.Force)
	}
	if meta := a.applied["metadata"].(map[string]any); meta["uid"] != "u-1" {
		t.Errorf("a TenantCluster that has come in the place of this one would get its size: %v", meta)
	}
}

func TestRestartKeepsTheSize(t *testing.T) {
	tc := managed(wrote("cluster-scaler", sizesAPIServer))
	tc.Spec.Sizing.APIServer = &v1alpha1.ComponentSizing{Resources: limit("1Gi")}
	a, at := &api{tenant: tc}, metav1.NewTime(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC))
	if err := a.write(t, "kube-apiserver", Change{RestartedAt: &at}); err != nil {
		t.Fatal(err)
	}
	if got, want := a.sizing(t), `{"apiServer":{"resources":{"limits":{"memory":"1Gi"}},"restartedAt":"2026-11-23T12:00:00Z"}}`; got != want {
		t.Errorf("written is\n%s, want\n%s", got, want)
	}
}

// Somebody may have written one amount of a component that the scaler has sized before: what is left of ours is kept, and theirs is not sent, for
// it would be a conflict, or make it ours.
func TestWriteLeavesOutWhatSomebodyHasTakenOfAnotherComponent(t *testing.T) {
	tc := managed(
		wrote("cluster-scaler", `{"f:spec":{"f:sizing":{"f:etcd":{"f:resources":{"f:requests":{".":{},"f:cpu":{},"f:memory":{}}}}}}}`),
		wrote("kubectl", sizesEtcd))
	tc.Spec.Sizing.Etcd = &v1alpha1.EtcdSizing{Resources: limit("1024Mi")}
	cpu := resource.MustParse("50m")
	tc.Spec.Sizing.Etcd.Resources.Requests.CPU = &cpu
	a, larger := &api{tenant: tc}, limit("2Gi")
	if err := a.write(t, "kube-apiserver", Change{Resources: &larger}); err != nil {
		t.Fatal(err)
	}
	want := `{"apiServer":{"resources":{"limits":{"memory":"2Gi"},"requests":{}}},"etcd":{"resources":{"requests":{"cpu":"50m"}}}}`
	if got := a.sizing(t); got != want {
		t.Errorf("written is\n%s, want\n%s", got, want)
	}
}

func TestSizingOfSomebodyElseIsNotWritten(t *testing.T) {
	a, larger := &api{tenant: managed(wrote("flux", sizesEtcd))}, limit("2Gi")
	var foreign *ForeignError
	if err := a.write(t, "etcd", Change{Resources: &larger}); !errors.As(err, &foreign) || foreign.Manager != "flux" {
		t.Errorf("the error is %v", err)
	}
	if a.applied != nil {
		t.Errorf("written is %v", a.applied)
	}
	if err := a.write(t, "kube-apiserver", Change{Resources: &larger}); err != nil {
		t.Errorf("the sizing of another component is not written either: %v", err)
	}
}

func TestConflictNamesTheOtherWriter(t *testing.T) {
	larger := limit("2Gi")
	conflict := apierrors.NewApplyConflict([]metav1.StatusCause{{
		Type: metav1.CauseTypeFieldManagerConflict, Message: `conflict with "flux"`, Field: ".spec.sizing.etcd",
	}}, "one conflict")
	a := &api{tenant: managed(), answer: conflict}
	var foreign *ForeignError
	if err := a.write(t, "etcd", Change{Resources: &larger}); !errors.As(err, &foreign) || !strings.Contains(err.Error(), "flux") {
		t.Errorf("the error is %v", err)
	}
	a.answer = errors.New("the API server is away")
	if err := a.write(t, "etcd", Change{Resources: &larger}); err == nil || errors.As(err, &foreign) && errors.Is(err, foreign) {
		t.Errorf("what is no conflict is told as one: %v", err)
	}
}

func TestResourcesOfEachComponent(t *testing.T) {
	tc := managed()
	for _, component := range []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"} {
		if got := Resources(tc, component); !reflect.DeepEqual(got, v1alpha1.Resources{}) {
			t.Errorf("%s, which nobody has sized, has %+v", component, got)
		}
	}
	tc.Spec.Sizing = v1alpha1.Sizing{
		Etcd: &v1alpha1.EtcdSizing{Resources: limit("1Gi")}, APIServer: &v1alpha1.ComponentSizing{Resources: limit("2Gi")},
		ControllerManager: &v1alpha1.ComponentSizing{Resources: limit("3Gi")}, Scheduler: &v1alpha1.ComponentSizing{Resources: limit("4Gi")},
	}
	for component, want := range map[string]string{
		"etcd": "1Gi", "kube-apiserver": "2Gi", "kube-controller-manager": "3Gi", "kube-scheduler": "4Gi",
	} {
		if got := Resources(tc, component); !equality.Semantic.DeepEqual(got, limit(want)) {
			t.Errorf("%s has %s, want %s", component, got.Limits.Memory, want)
		}
	}
	if got := Resources(tc, "web"); !reflect.DeepEqual(got, v1alpha1.Resources{}) {
		t.Errorf("what is no component of a tenant has %+v", got)
	}
}
