package scaler_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/internal/testenv"
)

// What clusters of a scale need, and whether nodes have it, on a real API server.
func TestSizesOnAPIServer(t *testing.T) {
	env := testenv.Start(t, testenv.Options{CRDs: []string{"../charts/metapilot-crds/templates"}})
	c := clocktesting.NewFakePassiveClock(time.Now().Add(time.Hour))
	s := &slowWorld{newWorld(t, env.Config, c), c}
	for _, test := range []struct {
		says string
		run  func(*testing.T, *slowWorld)
	}{
		{"a large cluster without a profile gets what its scale needs", growsToTheFloor},
		{"the fleet's own tenants tell what others of their scale need", learnsFromTheFleet},
		{"a size that no node has is told", tellsThatNoNodeFits},
	} {
		t.Run(test.says, func(t *testing.T) { test.run(t, s) })
	}
}

func growsToTheFloor(t *testing.T, s *slowWorld) {
	tc := s.tenantOf(t, "large")
	s.meter.stores(tc.apiServer, 120)
	s.meter.uses(tc.apiServer, "20m", "300Mi")
	s.scalerOf(t, "large", "{}")
	s.awaitLimit(t, tc, "kube-apiserver", "2Gi")
	all := s.records(t, "large")
	r := &all[slices.IndexFunc(all, func(r v1alpha1.ScalingRecord) bool { return r.Spec.Component == "kube-apiserver" })]
	if r.Spec.Source != "size" || sizeWords(r.Spec.To) != "200m 320Mi/2Gi" {
		t.Errorf("the record is %+v", r.Spec)
	}
	cs := &v1alpha1.ClusterScaler{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "large"}}
	eventually(t, func() string {
		s.get(t, cs)
		if scale := cs.Status.Scale; scale == nil || scale.Nodes != 120 || scale.Pods != 3000 || scale.Objects != 39120 || scale.Requests != 10 {
			return fmt.Sprintf("the status has the scale %+v", scale)
		}
		return ""
	})
	version := cs.ResourceVersion
	s.meter.stores(tc.apiServer, 125)
	s.looks(t, tc.apiServer, 3)
	if s.get(t, cs); cs.Status.Scale.Nodes != 120 {
		t.Errorf("five nodes more are worth a write of the status (version %s, now %s)", version, cs.ResourceVersion)
	}
	s.meter.stores(tc.apiServer, 200)
	s.looks(t, tc.apiServer, 3)
	if s.get(t, cs); cs.Status.Scale.Nodes != 200 {
		t.Errorf("the scale is still %+v", cs.Status.Scale)
	}
}

// learnsFromTheFleet makes tenants that use memory by the number of their nodes, and one that nobody has measured.
func learnsFromTheFleet(t *testing.T, s *slowWorld) {
	for i := range 36 {
		name := fmt.Sprintf("known-%d", i)
		s.tenantOf(t, name)
		nodes := int64(20 + 10*i)
		s.profile(t, "tc-"+name, "Deployment", "kube-apiserver", "kube-apiserver", "100m", fmt.Sprintf("%dMi", 400+20*nodes))
		cs := s.scalerOf(t, name, `{mode: {up: "Off", down: "Off"}}`)
		s.tell(t, cs, func() { cs.Status.Scale = scaleOf(nodes, s.clock.Now()) })
	}
	tc := s.tenantOf(t, "unknown")
	s.meter.stores(tc.apiServer, 200)
	s.meter.uses(tc.apiServer, "20m", "300Mi")
	s.stop()
	s.start()
	s.scalerOf(t, "unknown", "{defaults: {estimators: {utilization: {maxStepPercent: 900}}}}")
	eventually(t, func() string {
		for _, r := range s.records(t, "unknown") {
			if strings.Contains(r.Spec.Reason, "others of the fleet do") && r.Spec.To.Limits.Memory.Cmp(resource.MustParse("4200Mi")) > 0 && r.Spec.To.Limits.Memory.Cmp(resource.MustParse("6Gi")) < 0 {
				return ""
			}
		}
		s.looks(t, tc.apiServer, 1)
		return "no record rests on the fleet: " + words(s.records(t, "unknown"))
	})
}

func scaleOf(nodes int64, at time.Time) *v1alpha1.ClusterScale {
	return &v1alpha1.ClusterScale{At: metav1.NewTime(at), Nodes: nodes, Pods: nodes * 25, Objects: nodes * 326, Requests: 10}
}

func tellsThatNoNodeFits(t *testing.T, s *slowWorld) {
	tc := s.tenantOf(t, "homeless")
	cs := s.scalerOf(t, "homeless", "{}")
	fits := func(want metav1.ConditionStatus, says string) {
		t.Helper()
		eventually(t, func() string {
			s.get(t, cs)
			c := apimeta.FindStatusCondition(cs.Status.Conditions, v1alpha1.NodesFitCondition)
			if c == nil || c.Status != want || !strings.Contains(c.Message, says) {
				return fmt.Sprintf("the condition is %+v", c)
			}
			return ""
		})
	}
	fits(metav1.ConditionTrue, "every pod has a node")
	why := func(status corev1.ConditionStatus) func() {
		return func() {
			tc.etcd.Status.Conditions = []corev1.PodCondition{{
				Type: corev1.PodScheduled, Status: status, Reason: corev1.PodReasonUnschedulable, Message: "0/3 nodes are available", LastTransitionTime: metav1.NewTime(s.clock.Now().Add(-time.Minute)),
			}}
		}
	}
	s.tell(t, tc.etcd, why(corev1.ConditionFalse))
	fits(metav1.ConditionFalse, "etcd: no node takes etcd-0 with requests of 50m and 96Mi (0/3 nodes are available); add a node with that much room")
	s.awaitEvent(t, "homeless", "NoNodeFits")
	s.tell(t, tc.etcd, func() { tc.etcd.Status.Conditions = nil })
	fits(metav1.ConditionTrue, "every pod has a node")
	s.awaitEvent(t, "homeless", "NodesFit")
}

// awaitEvent of a ClusterScaler.
func (w *world) awaitEvent(t *testing.T, scaler, reason string) {
	t.Helper()
	eventually(t, func() string {
		var list corev1.EventList
		must(t, w.List(t.Context(), &list, client.InNamespace("default")))
		for i := range list.Items {
			if e := &list.Items[i]; e.Reason == reason && e.InvolvedObject.Name == scaler && e.InvolvedObject.Kind == "ClusterScaler" {
				return ""
			}
		}
		return "no event " + reason
	})
}
