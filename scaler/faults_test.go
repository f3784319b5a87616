package scaler_test

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/api/v1alpha1"
)

// The record comes first: a scaler that dies before it has stored the size leaves nothing else, and the next one finishes what it began.
func diesBeforeItStores(t *testing.T, w *world) {
	tc := w.tenantOf(t, "widowed")
	w.scalerOf(t, "widowed", "{}")
	w.looks(t, tc.etcd, 2)
	dead := w.lag.dieAfterRecord()
	w.kill(t, tc.etcd)
	<-dead
	w.stop()
	all := w.records(t, "widowed")
	w.get(t, tc.TenantCluster)
	if got := limitOf(tc.TenantCluster, "etcd"); got != "" || len(all) != 1 || all[0].Status.Phase != "" {
		t.Fatalf("the scaler that died has left a limit of %q and the records%s", got, words(all))
	}
	w.start()
	w.awaitLimit(t, tc, "etcd", "768Mi")
	w.carriesOut(t, tc, tc.etcd)
	eventually(t, func() string {
		if after := w.records(t, "widowed"); len(after) != 1 || after[0].Name != all[0].Name || after[0].Status.Phase != "Effective" {
			return "after another scaler has taken over, the records are" + words(after)
		}
		return ""
	})
	if s := w.status(t, "widowed", "etcd"); s.Grown == nil || len(s.Kills) != 1 {
		t.Errorf("the status says that it has grown at %v, after %d kills", s.Grown, len(s.Kills))
	}
}

// tellPending is a kubelet or a scheduler that cannot give a pod its size.
func (w *world) tellPending(t *testing.T, pod *corev1.Pod, kind corev1.PodConditionType, status corev1.ConditionStatus, reason string) {
	t.Helper()
	w.tell(t, pod, func() {
		pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{
			Type: kind, Status: status, Reason: reason, Message: "no room", LastTransitionTime: metav1.NewTime(time.Now().Add(-time.Minute)),
		})
	})
}

// A size that the node can never give is taken back, and not tried again at once.
func takesBackWhatIsInfeasible(t *testing.T, w *world) {
	tc := w.killed(t, "refused", "{}")
	w.awaitLimit(t, tc, "etcd", "768Mi")
	w.tellPending(t, tc.etcd, corev1.PodResizePending, corev1.ConditionTrue, "Infeasible")
	w.awaitRecord(t, "refused", v1alpha1.DecisionRevert, 1)
	w.awaitLimit(t, tc, "etcd", "512Mi")
	if held := w.awaitHeld(t, "refused", "etcd", "node-capacity"); held.Until == nil {
		t.Error("nobody says until when it is held")
	}
	w.looks(t, tc.etcd, 3)
	if all := w.records(t, "refused"); len(all) != 3 {
		t.Errorf("one growth, one way back and one hold are%s", words(all))
	}
}

// A pod that no node takes with its new request gets the old request back, and keeps its larger limit.
func givesRequestsBack(t *testing.T, w *world) {
	tc := w.killed(t, "homeless", "{}")
	w.awaitLimit(t, tc, "etcd", "768Mi")
	w.remove(t, tc.etcd)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "tc-homeless", Name: "etcd-0", Labels: tc.etcd.Labels},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "etcd", Image: "example.org/etcd", Resources: size("50m", "512Mi", "768Mi")}}},
	}
	must(t, w.Create(t.Context(), pod))
	w.tellPending(t, pod, corev1.PodScheduled, corev1.ConditionFalse, corev1.PodReasonUnschedulable)
	w.awaitRecord(t, "homeless", v1alpha1.DecisionRevert, 1)
	eventually(t, func() string {
		w.get(t, tc.TenantCluster)
		r := tc.Spec.Sizing.Etcd.Resources
		if r.Requests.Memory.String() != "96Mi" || r.Limits.Memory.String() != "768Mi" {
			return fmt.Sprintf("it may ask for %s and use %s", r.Requests.Memory, r.Limits.Memory)
		}
		return ""
	})
}

// Of two ClusterScalers for one target the older one works, and the other one takes over when it goes.
func takesTurns(t *testing.T, w *world) {
	tc := w.tenantOf(t, "shared")
	older := w.scalerOf(t, "shared", "{}")
	<-time.After(1100 * time.Millisecond) // creation is told in seconds
	w.scalerOf(t, "intruder", "{tenantCluster: {name: shared}}")
	w.awaitStalled(t, "intruder", "ClusterScaler shared looks after TenantCluster shared already: delete one of the two")
	w.kill(t, tc.etcd)
	w.awaitRecord(t, "shared", v1alpha1.DecisionUp, 1)
	w.carriesOut(t, tc, tc.etcd)
	w.looks(t, tc.etcd, 2)
	if all := w.records(t, "intruder"); len(all) != 0 {
		t.Errorf("both have decided:%s", words(all))
	}
	w.remove(t, older)
	w.awaitStalled(t, "intruder", "")
}

// Somebody has written one amount of etcd by hand: that is theirs, and the API server is rescued all the same.
func oneHandIsNoReason(t *testing.T, w *world) {
	tc := w.killed(t, "handled", "{}")
	w.carriesOut(t, tc, tc.etcd)
	theirs := []byte(`{"spec":{"sizing":{"etcd":{"resources":{"limits":{"memory":"1024Mi"}}}}}}`)
	must(t, w.Patch(t.Context(), tc.TenantCluster, client.RawPatch(types.MergePatchType, theirs), client.FieldOwner("somebody")))
	w.kill(t, tc.apiServer)
	w.awaitLimit(t, tc, "kube-apiserver", "1536Mi")
	if got := tc.Spec.Sizing.Etcd.Resources.Limits.Memory.String(); got != "1Gi" {
		t.Errorf("what somebody wrote is %s now", got)
	}
	w.awaitStalled(t, "handled", "etcd: somebody writes its size")
}
