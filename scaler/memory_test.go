package scaler_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler/actuator"
)

// The cache may be behind what the scaler itself has written: what it has written stays, nevertheless.
func rememberedBehindALag(t *testing.T, w *world) {
	tc := w.tenantOf(t, "lagging")
	cs := w.scalerOf(t, "lagging", "{}")
	w.looks(t, tc.etcd, 2)
	w.get(t, cs)
	goOn := w.lag.stand(cs)
	w.kill(t, tc.etcd)
	w.awaitLimit(t, tc, "etcd", "768Mi")
	for range 5 {
		w.edit(t, tc.etcd, func() { tc.etcd.Labels["looked-at"] = time.Now().Format("150405.000") })
		<-time.After(50 * time.Millisecond)
	}
	goOn()
	w.looks(t, tc.etcd, 2)
	if s := w.status(t, "lagging", "etcd"); s.Grown == nil || s.LastRecord == "" || len(s.Kills) != 1 {
		t.Errorf("a look at an old state of the ClusterScaler has overwritten its status: grown %v, last record %q, %d kills", s.Grown, s.LastRecord, len(s.Kills))
	}
	if all := w.records(t, "lagging"); len(all) != 1 {
		t.Errorf("one kill led to %d records:%s", len(all), words(all))
	}
}

// A typing error in one place of the policy takes nothing away that was seen and done.
func rememberedAfterAMistake(t *testing.T, w *world) {
	tc := w.killed(t, "mistaken", "{}")
	w.carriesOut(t, tc, tc.etcd)
	var before v1alpha1.ScaledComponent
	eventually(t, func() string {
		if before = w.status(t, "mistaken", "etcd"); before.Grown == nil {
			w.edit(t, tc.etcd, func() { tc.etcd.Labels["looked-at"] = "again" })
			return "the status does not say when it grew"
		}
		return ""
	})
	cs := &v1alpha1.ClusterScaler{}
	cs.Namespace, cs.Name = "default", "mistaken"
	patch := func(json string) {
		must(t, w.Patch(t.Context(), cs, client.RawPatch(types.MergePatchType, []byte(json))))
	}
	patch(`{"spec":{"components":[{"name":"etcdd"}]}}`)
	w.awaitStalled(t, "mistaken", `spec.components names "etcdd"`)
	patch(`{"spec":{"components":null}}`)
	w.awaitStalled(t, "mistaken", "")
	w.looks(t, tc.etcd, 2)
	if s := w.status(t, "mistaken", "etcd"); s.Grown == nil || s.LastRecord == "" {
		t.Errorf("after a mistake in spec.components nobody knows any more that it grew at %s, so its cool-down is over: %+v", before.Grown, s)
	}
}

func anotherGuard(t *testing.T, w *world) {
	tc := w.tenantOf(t, "guarded")
	cs := w.scalerOf(t, "guarded", "{pause: {reason: moving}}")
	w.kill(t, tc.etcd)
	w.awaitHeld(t, "guarded", "etcd", "pause")
	theirs := []byte(`{"spec":{"sizing":{"etcd":{"resources":{"limits":{"memory":"512Mi"}}}}}}`)
	must(t, w.Patch(t.Context(), tc.TenantCluster, client.RawPatch(types.MergePatchType, theirs), client.FieldOwner("somebody")))
	w.edit(t, cs, func() { cs.Spec.Pause = nil })
	w.awaitHeld(t, "guarded", "etcd", "owner")
	w.looks(t, tc.etcd, 2)
	all := w.records(t, "guarded")
	if !slices.ContainsFunc(all, func(r v1alpha1.ScalingRecord) bool { return r.Spec.Guards[len(r.Spec.Guards)-1].Guard == "owner" }) {
		t.Errorf("what the second guard held within the hour is not written down: %s", words(all))
	}
}

// A rollout takes longer than any time of quiet may be: as long as old pods are there, it goes on and is not decided again.
func restartsOnce(t *testing.T, w *world) {
	tc := w.tenantOf(t, "indebted")
	soft := func(bytes string) corev1.EnvVar { return corev1.EnvVar{Name: "GOMEMLIMIT", Value: bytes} }
	w.remove(t, tc.apiServer)
	old := w.podOf(t, "indebted", "kube-apiserver", "kube-apiserver-old", size("100m", "320Mi", "1Gi"), soft("483183819"))
	w.scalerOf(t, "indebted", "{defaults: {restarts: {quietFor: 1s}}}")
	w.awaitRecord(t, "indebted", "Restart", 1)
	eventually(t, func() string {
		w.get(t, tc.TenantCluster)
		if s := tc.Spec.Sizing.APIServer; s == nil || s.RestartedAt == nil {
			return "spec.sizing does not say that its pods are to be restarted"
		}
		return ""
	})
	fresh := w.podOf(t, "indebted", "kube-apiserver", "kube-apiserver-new", size("100m", "320Mi", "1Gi"), soft("966367638")) // the new one first
	w.edit(t, fresh, func() {
		fresh.Annotations = map[string]string{v1alpha1.RestartedAnnotation: tc.Spec.Sizing.APIServer.RestartedAt.UTC().Format(time.RFC3339)}
	})
	<-time.After(2 * time.Second) // longer than quietFor
	w.looks(t, old, 3)
	if all := w.records(t, "indebted"); len(all) != 1 {
		t.Errorf("a restart that goes on was decided %d times, and each time its pods are replaced anew:%s", len(all), words(all))
	}
	w.remove(t, old)
	eventually(t, func() string {
		all := w.records(t, "indebted")
		if slices.ContainsFunc(all, func(r v1alpha1.ScalingRecord) bool { return r.Status.Phase != "Effective" }) {
			return "with all pods new, the records say" + words(all)
		}
		return ""
	})
}

// A pod that was evicted stays for others to look at, and will never have another size.
func endedPod(t *testing.T, w *world) {
	tc := w.tenantOf(t, "evicted")
	gone := w.podOf(t, "evicted", "etcd", "etcd-evicted", size("50m", "96Mi", "512Mi"))
	w.tell(t, gone, func() {
		gone.Status = corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted", Message: "the node had too little memory"}
	})
	w.scalerOf(t, "evicted", "{}")
	w.kill(t, tc.etcd)
	w.awaitLimit(t, tc, "etcd", "768Mi")
	w.carriesOut(t, tc, tc.etcd)
	w.looks(t, tc.etcd, 5)
	if all := w.records(t, "evicted"); len(all) != 1 || all[0].Status.Phase != "Effective" {
		t.Errorf("although all pods that are left have their size, the record says%s", words(all))
	}
	w.meter.uses(tc.etcd, "45m", "300Mi")
	w.looks(t, tc.etcd, 3)
	if held := w.status(t, "evicted", "etcd").Held; held != nil && strings.Contains(held.Reason, "etcd-evicted") {
		t.Errorf("growth waits for a pod that has ended: %s", held.Reason)
	}
}

// meanwhile is a look at the API server after which somebody writes.
type meanwhile struct {
	client.Reader
	write func()
}

func (m meanwhile) Get(ctx context.Context, key client.ObjectKey, o client.Object, options ...client.GetOption) error {
	err := m.Reader.Get(ctx, key, o, options...)
	m.write()
	return err
}

// Two scalers may be there for a moment, when one has just lost the lead: what the one writes while the other one writes must not be lost.
func writtenMeanwhile(t *testing.T, w *world) {
	tc := w.tenantOf(t, "raced")
	key := client.ObjectKeyFromObject(tc)
	change := func(memory string) actuator.Change {
		q := resource.MustParse(memory)
		return actuator.Change{Resources: &v1alpha1.Resources{Limits: v1alpha1.Amounts{Memory: &q}}}
	}
	other := actuator.Tenant{Client: w, Live: w}
	_, err := other.Apply(t.Context(), key, "etcd", change("768Mi"))
	must(t, err)
	once := meanwhile{w, func() {
		_, err := other.Apply(t.Context(), key, "etcd", change("2Gi"))
		must(t, err)
	}}
	_, err = actuator.Tenant{Client: w, Live: once}.Apply(t.Context(), key, "kube-apiserver", change("3Gi"))
	t.Logf("the write that came too late ended with: %v", err)
	w.get(t, tc.TenantCluster)
	if got := limitOf(tc.TenantCluster, "etcd"); got != "2Gi" {
		t.Errorf("etcd was given 2Gi while another write was under way, which has taken it back to %s", got)
	}
}
