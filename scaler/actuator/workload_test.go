package actuator

import (
	"encoding/json"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/api/v1alpha1"
)

func (a *api) writeWorkload(t *testing.T, workload client.Object, size v1alpha1.Resources) string {
	t.Helper()
	if _, err := (Workload{Client: a, Clock: clock.RealClock{}}).Apply(t.Context(), workload, "web", size); err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(a.applied)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestWorkloadGetsItsSizeThroughItsTemplate(t *testing.T) {
	about, larger := metav1.ObjectMeta{Namespace: "fleet", Name: "web", UID: "u-2"}, limit("768Mi")
	for kind, workload := range map[string]client.Object{
		"Deployment": &appsv1.Deployment{ObjectMeta: about}, "StatefulSet": &appsv1.StatefulSet{ObjectMeta: about},
	} {
		want := `{"apiVersion":"apps/v1","kind":"` + kind + `","metadata":{"name":"web","namespace":"fleet","uid":"u-2"},"spec":{"template":{"spec":{"containers":[` +
			`{"name":"web","resources":{"limits":{"memory":"768Mi"},"requests":{}}}]}}}}`
		if got := (&api{}).writeWorkload(t, workload, larger); got != want {
			t.Errorf("written is\n%s, want\n%s", got, want)
		}
	}
}
