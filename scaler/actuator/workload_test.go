package actuator

import (
	"encoding/json"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func (a *api) writeWorkload(t *testing.T, workload client.Object, change Change) string {
	t.Helper()
	if err := (Workload{Client: a, Clock: clock.RealClock{}}).Apply(t.Context(), workload, "web", nil, change); err != nil {
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
		if got := (&api{}).writeWorkload(t, workload, Change{Resources: &larger}); got != want {
			t.Errorf("written is\n%s, want\n%s", got, want)
		}
	}
}

// An apply that leaves out what its manager owned before removes it: a restart must not take the size away, nor a size the mark of the restart.
func TestRestartOfAWorkloadKeepsItsSize(t *testing.T) {
	d, at := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "fleet", Name: "web", UID: "u-2"}}, metav1.NewTime(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC))
	got := (&api{}).writeWorkload(t, d, Change{RestartedAt: &at})
	var written appsv1.Deployment
	if err := json.Unmarshal([]byte(got), &written); err != nil {
		t.Fatal(err)
	}
	if mark := written.Spec.Template.Annotations["kubectl.kubernetes.io/restartedAt"]; mark != "2026-11-23T12:00:00Z" {
		t.Errorf("the mark of the restart is %q", mark)
	}
	if len(written.Spec.Template.Spec.Containers) == 0 {
		t.Errorf("a restart is applied without the size that the scaler has applied before, so the API server takes the size away: %s", got)
	}
}
