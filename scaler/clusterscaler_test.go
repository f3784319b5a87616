package scaler_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/internal/testenv"
	"github.com/metapilot/metapilot/scaler"
)

// On a real API server without nodes: what is decided, written, told, and left alone.
func TestOnAPIServer(t *testing.T) {
	env := testenv.Start(t, testenv.Options{CRDs: []string{"../charts/metapilot-crds/templates"}})
	w := newWorld(t, env.Config, clock.RealClock{})
	leads := make(chan struct{})
	close(leads)
	must(t, metrics.Registry.Register(scaler.HeldChanges(w.Client, leads)))
	for _, test := range []struct {
		says string
		run  func(*testing.T, *world)
	}{
		{"refusals", refusals},
		{"a kill leads to a larger size and to its record", growsAfterAKill},
		{"kills that repeat lead further", growsFurther},
		{"usage leads to a larger size, once in its time", growsByUsage},
		{"nothing is done twice", nothingTwice},
		{"a dry run writes a record and no size", dryRun},
		{"what is switched off or paused is held", switchedOff},
		{"what somebody else writes is left alone until they let go", leavesOthersAlone},
		{"a TenantCluster that is made again starts anew", startsAnew},
		{"a target that is missing is told, and looked after when it comes", waitsForItsTarget},
		{"two components keep both their sizes", twoComponents},
		{"records are pruned", prunes},
		{"at rest nothing is written", rests},
		{"what is known survives a cache that lags", rememberedBehindALag},
		{"what is known survives a mistake in the policy", rememberedAfterAMistake},
		{"a hold by another guard is written down", anotherGuard},
		{"a restart is decided once", restartsOnce},
		{"a pod that has ended is not waited for", endedPod},
		{"a scaler that dies between record and size leaves it to the next one", diesBeforeItStores},
		{"what is infeasible is taken back", takesBackWhatIsInfeasible},
		{"requests that no node has are given back", givesRequestsBack},
		{"of two ClusterScalers for one target one works", takesTurns},
		{"one amount written by hand keeps nobody else from being rescued", oneHandIsNoReason},
		{"a size that is written meanwhile is kept", writtenMeanwhile},
		{"a Deployment's template and pods are sized", sizesADeployment},
		{"a StatefulSet's template and pods are sized", sizesAStatefulSet},
		{"a workload is sized once behind a cache that lags", sizesOnceBehindALag},
		{"a workload of any name is sized", sizesAnyName},
		{"a workload's own GOMEMLIMIT is left alone", ownSoftLimit},
		{"a workload of limits alone is sized", sizesByLimitsAlone},
		{"a workload that is made again starts anew", forgetsAnotherOfTheName},
		{"a workload that somebody else sizes back is not fought over", doesNotFight},
		{"a workload that is missing has the same effect at any place", missingWorkload},
		{"records of a workload that is no longer named are pruned", prunesWhatIsNotNamed},
		{"a flood is diagnosed, told once, and not given CPU", diagnosesAFlood},
		{"the page is in step", inStep},
		{"what no program can read is refused", unreadable},
	} {
		t.Run(test.says, func(t *testing.T) { test.run(t, w) })
	}
}

// killed is a tenant of a ClusterScaler whose etcd was killed and has grown.
func (w *world) killed(t *testing.T, name, spec string) *tenant {
	t.Helper()
	tc := w.tenantOf(t, name)
	w.scalerOf(t, name, spec)
	w.looks(t, tc.etcd, 1)
	w.kill(t, tc.etcd)
	w.awaitLimit(t, tc, "etcd", "768Mi")
	return tc
}

func growsAfterAKill(t *testing.T, w *world) {
	tc := w.killed(t, "killed", "{defaults: {outcome: {early: 1s, late: 2s}}}")
	onlySizingByScaler(t, tc.TenantCluster)
	r := w.awaitRecord(t, "killed", "Up", 1)
	saysWhyItGrew(t, r)
	w.awaitMessage(t, r, "Applied", "etcd-0 still has 512Mi of memory, not 768Mi")
	w.carriesOut(t, tc, tc.etcd)
	eventually(t, func() string {
		w.get(t, r)
		if r.Status.Phase != "Verified" || len(r.Status.Outcomes) != 2 {
			return "the record is" + words([]v1alpha1.ScalingRecord{*r})
		}
		return ""
	})
	if s := &r.Status; s.AppliedAt == nil || s.EffectiveAt == nil || *s.SignalToEffectMilliseconds < *s.SignalToDecisionMilliseconds || *s.DecisionToEffectMilliseconds < 0 {
		t.Errorf("the times of the record are %+v", s)
	}
	s := w.status(t, "killed", "etcd")
	mustBe(t, "the status", "768Mi: nothing calls for another size", s.Size.Limits.Memory.String()+": "+s.Says)
	if len(s.Kills) != 1 || s.Kills[0].Limit != 512<<20 || s.Kills[0].Pod != "etcd-0" || s.WhyNotSmaller != "there is no WorkloadProfile of StatefulSet etcd" {
		t.Errorf("the status says %+v", s)
	}
	w.awaitEvents(t, "killed", "ScaledUp", "ClusterScaler", "TenantCluster")
}

func mustBe(t *testing.T, what, want, got string) {
	t.Helper()
	if got != want {
		t.Errorf("%s says\n%s, want\n%s", what, got, want)
	}
}

// onlySizingByScaler: the scaler owns the size of etcd, by server-side apply, and nothing else.
func onlySizingByScaler(t *testing.T, tc *v1alpha1.TenantCluster) {
	t.Helper()
	want := `{"f:spec":{"f:sizing":{"f:etcd":{"f:resources":{"f:limits":{"f:memory":{}},"f:requests":{"f:cpu":{},"f:memory":{}}}}}}}`
	for _, m := range tc.ManagedFields {
		if m.Manager == "cluster-scaler" && (m.Operation != metav1.ManagedFieldsOperationApply || m.FieldsV1.GetRawString() != want) {
			t.Errorf("the scaler owns by %s\n%s, want by Apply\n%s", m.Operation, m.FieldsV1.GetRawString(), want)
		}
	}
}

func saysWhyItGrew(t *testing.T, r *v1alpha1.ScalingRecord) {
	t.Helper()
	s := &r.Spec
	mustBe(t, "the record", "Up of etcd from 50m 96Mi/512Mi to 50m 512Mi/768Mi",
		fmt.Sprintf("%s of %s from %s to %s", s.Decision, s.Component, sizeWords(s.From), sizeWords(s.To)))
	var evidence, proposals []string
	for _, e := range s.Evidence {
		evidence = append(evidence, fmt.Sprintf("%s %s %s", e.Source, e.Pod, e.Says))
	}
	for _, p := range s.Proposals {
		proposals = append(proposals, fmt.Sprintf("%s abstains: %t", p.Estimator, p.Value == nil))
	}
	mustBe(t, "the evidence", "oom etcd-0 killed at a memory limit of 512Mi", strings.Join(evidence, "; "))
	mustBe(t, "the proposals", "oom abstains: false; cpu-utilization abstains: true; memory-utilization abstains: true; cpu-throttling abstains: true; "+
		"cpu-profile abstains: true; memory-profile abstains: true; cpu-size abstains: true; memory-size abstains: true", strings.Join(proposals, "; "))
	if s.SignalAt == nil || !s.SignalAt.Equal(&metav1.MicroTime{Time: s.Evidence[0].At.Time}) || s.DecidedAt.Before(s.SignalAt) {
		t.Errorf("the kill is told at %s and the decision at %s", s.SignalAt, s.DecidedAt)
	}
	if slices.ContainsFunc(s.Guards, func(g v1alpha1.GuardVerdict) bool { return g.Held }) {
		t.Errorf("the guards are %+v", s.Guards)
	}
}

func sizeWords(s v1alpha1.Size) string {
	return fmt.Sprintf("%s %s/%s", s.Requests.CPU, s.Requests.Memory, s.Limits.Memory)
}

// awaitEvents waits for an event about an object of each of the kinds.
func (w *world) awaitEvents(t *testing.T, name, reason string, kinds ...string) {
	t.Helper()
	eventually(t, func() string {
		var list eventsv1.EventList
		if err := w.List(t.Context(), &list, client.InNamespace("default")); err != nil {
			return err.Error()
		}
		for _, kind := range kinds {
			if !slices.ContainsFunc(list.Items, func(e eventsv1.Event) bool {
				return e.Regarding.Kind == kind && e.Regarding.Name == name && e.Reason == reason && strings.HasPrefix(e.Note, "etcd: ")
			}) {
				return fmt.Sprintf("of %d events none tells %s %s of %s", len(list.Items), kind, name, reason)
			}
		}
		return ""
	})
}

func growsFurther(t *testing.T, w *world) {
	tc := w.killed(t, "repeats", "{}")
	w.carriesOut(t, tc, tc.etcd)
	first := w.awaitRecord(t, "repeats", "Up", 1)
	eventually(t, func() string {
		w.get(t, first)
		if first.Status.EffectiveAt == nil {
			return "the first decision has no effect: " + first.Status.Message
		}
		return ""
	})
	w.killLater(t, tc.etcd)
	w.awaitLimit(t, tc, "etcd", "2304Mi")
	second := w.awaitRecord(t, "repeats", "Up", 2)
	if !strings.Contains(second.Spec.Reason, "kill 2 of the row") || second.Spec.From.Limits.Memory.String() != "768Mi" {
		t.Errorf("the second decision says %s", second.Spec.Reason)
	}
	eventually(t, func() string {
		w.get(t, first)
		if first.Status.Phase != "Escalated" {
			return "the first decision was not enough, and is " + string(first.Status.Phase)
		}
		return ""
	})
}

func growsByUsage(t *testing.T, w *world) {
	tc := w.tenantOf(t, "busy")
	w.meter.uses(tc.apiServer, "90m", "400Mi")
	w.scalerOf(t, "busy", "{}")
	r := w.awaitRecord(t, "busy", "Up", 1)
	if r.Spec.To.Requests.CPU.String() != "150m" || r.Spec.To.Limits.Memory.String() != "1Gi" || r.Spec.Component != "kube-apiserver" {
		t.Errorf("90m of 100m led to %+v", r.Spec)
	}
	if e := r.Spec.Evidence; len(e) != 1 || e[0].Says != "uses 90m of CPU and 400Mi of memory (21 samples)" {
		t.Errorf("the evidence is %+v", e)
	}
	w.carriesOut(t, tc, tc.apiServer)
	w.meter.uses(tc.apiServer, "200m", "400Mi")
	w.looks(t, tc.apiServer, 2)
	if all := w.records(t, "busy"); len(all) != 1 {
		t.Fatalf("within its cool-down it grew again:%s", words(all))
	}
	held := w.awaitHeld(t, "busy", "kube-apiserver", "cooldown")
	if held.Wants.Requests.CPU.Cmp(*r.Spec.To.Requests.CPU) <= 0 || held.Until == nil || held.Reason != "it grew a moment ago" {
		t.Errorf("held is %+v", held)
	}
	w.looks(t, tc.apiServer, 2)
	if all := w.records(t, "busy"); len(all) != 1 {
		t.Errorf("a hold that only asks for patience is written down: %s", words(all))
	}
}

func nothingTwice(t *testing.T, w *world) {
	tc := w.killed(t, "twice", "{}")
	w.awaitRecord(t, "twice", "Up", 1)
	w.looks(t, tc.etcd, 3)
	w.get(t, tc.TenantCluster)
	version, records := tc.ResourceVersion, words(w.records(t, "twice"))
	for _, again := range []func(){
		func() { w.edit(t, tc.etcd, func() { tc.etcd.Labels["looked-at"] = "again" }) },
		func() { w.stop(); w.start() },
		func() { w.carriesOut(t, tc, tc.etcd); w.stop(); w.start() },
	} {
		again()
		w.looks(t, tc.etcd, 3)
		w.get(t, tc.TenantCluster)
		all := w.records(t, "twice")
		if tc.ResourceVersion != version || len(all) != 1 {
			t.Errorf("the TenantCluster went from version %s to %s, the records from%s\nto%s", version, tc.ResourceVersion, records, words(all))
		}
	}
}

func dryRun(t *testing.T, w *world) {
	tc := w.tenantOf(t, "rehearsed")
	w.scalerOf(t, "rehearsed", "{mode: {up: DryRun}}")
	w.get(t, tc.TenantCluster)
	version := tc.ResourceVersion
	w.kill(t, tc.etcd)
	r := w.awaitRecord(t, "rehearsed", "Up", 1)
	if !r.Spec.DryRun || r.Status.Phase != "DryRun" || r.Spec.To.Limits.Memory.String() != "768Mi" {
		t.Errorf("the record says %+v %+v", r.Spec, r.Status)
	}
	w.looks(t, tc.etcd, 3)
	w.get(t, tc.TenantCluster)
	if tc.ResourceVersion != version || limitOf(tc.TenantCluster, "etcd") != "" {
		t.Errorf("a dry run has written %+v", tc.Spec.Sizing)
	}
	if all := w.records(t, "rehearsed"); len(all) != 1 {
		t.Errorf("one dry run has %d records:%s", len(all), words(all))
	}
}

func switchedOff(t *testing.T, w *world) {
	for name, tc := range map[string]struct{ spec, guard, says string }{
		"off":    {`{mode: {up: "Off"}}`, "mode", "the mode is Off"},
		"off-2":  {`{components: [{name: etcd, mode: {up: "Off"}}]}`, "mode", "the mode is Off"},
		"paused": {`{pause: {reason: moving, until: "2126-12-01T08:00:00Z"}}`, "pause", "paused: moving"},
	} {
		tenant := w.tenantOf(t, name)
		w.scalerOf(t, name, tc.spec)
		w.kill(t, tenant.etcd)
		held := w.awaitHeld(t, name, "etcd", tc.guard)
		if held.Reason != tc.says || held.Wants.Limits.Memory.String() != "768Mi" {
			t.Errorf("%s: held is %+v", name, held)
		}
		r := w.awaitRecord(t, name, "Hold", 1)
		if last := r.Spec.Guards[len(r.Spec.Guards)-1]; r.Status.Phase != "Held" || last.Guard != tc.guard || !last.Held {
			t.Errorf("%s: the record is %s, and its last guard says %+v", name, r.Status.Phase, last)
		}
		w.looks(t, tenant.etcd, 2)
		w.get(t, tenant.TenantCluster)
		if got := limitOf(tenant.TenantCluster, "etcd"); got != "" {
			t.Errorf("%s: it has grown to %s", name, got)
		}
	}
}

func leavesOthersAlone(t *testing.T, w *world) {
	tc := w.tenantOf(t, "contested")
	somebody := client.FieldOwner("somebody")
	theirs := []byte(`{"spec":{"sizing":{"etcd":{"resources":{"limits":{"memory":"300Mi"}}}}}}`)
	must(t, w.Patch(t.Context(), tc.TenantCluster, client.RawPatch(types.MergePatchType, theirs), somebody))
	w.scalerOf(t, "contested", "{}")
	w.kill(t, tc.etcd) // at the 512Mi that the pod still has
	held := w.awaitHeld(t, "contested", "etcd", "owner")
	if !strings.Contains(held.Reason, "somebody writes this component's sizing") {
		t.Errorf("it is held because %s", held.Reason)
	}
	w.awaitEvents(t, "contested", "Held", "ClusterScaler", "TenantCluster")
	w.looks(t, tc.etcd, 3)
	w.get(t, tc.TenantCluster)
	if got := limitOf(tc.TenantCluster, "etcd"); got != "300Mi" {
		t.Errorf("what somebody has written is %q now", got)
	}
	if all := w.records(t, "contested"); len(all) != 1 || all[0].Status.Phase != "Held" {
		t.Errorf("one hold has %d records:%s", len(all), words(all))
	}
	gone := []byte(`[{"op": "remove", "path": "/spec/sizing/etcd"}]`)
	must(t, w.Patch(t.Context(), tc.TenantCluster, client.RawPatch(types.JSONPatchType, gone), somebody))
	w.awaitLimit(t, tc, "etcd", "768Mi")
}

func startsAnew(t *testing.T, w *world) {
	tc := w.killed(t, "again", "{}")
	before := w.awaitRecord(t, "again", "Up", 1)
	w.remove(t, tc.etcd, tc.apiServer, tc.TenantCluster)
	w.awaitStalled(t, "again", "there is no TenantCluster again in namespace default")
	tc = w.tenantOf(t, "again")
	w.awaitStalled(t, "again", "")
	w.looks(t, tc.etcd, 2)
	w.get(t, tc.TenantCluster)
	if s := w.status(t, "again", "etcd"); limitOf(tc.TenantCluster, "etcd") != "" || len(s.Kills) != 0 || s.Grown != nil {
		t.Errorf("the new TenantCluster begins with %+v and a status of %+v", tc.Spec.Sizing, s)
	}
	<-time.After(time.Second) // kills of one second at one size are one signal
	w.kill(t, tc.etcd)
	w.awaitLimit(t, tc, "etcd", "768Mi")
	if after := w.awaitRecord(t, "again", "Up", 2); after.Name == before.Name {
		t.Errorf("two decisions about two TenantClusters have one record %s", after.Name)
	}
}

func waitsForItsTarget(t *testing.T, w *world) {
	w.scalerOf(t, "early", "{}")
	w.awaitStalled(t, "early", "there is no TenantCluster early in namespace default: create it, or name another one in spec.tenantCluster")
	tc := w.tenantOf(t, "early")
	w.awaitStalled(t, "early", "")
	w.kill(t, tc.etcd)
	w.awaitLimit(t, tc, "etcd", "768Mi")
}

func twoComponents(t *testing.T, w *world) {
	tc := w.killed(t, "both", "{}")
	w.kill(t, tc.apiServer)
	w.awaitLimit(t, tc, "kube-apiserver", "1536Mi")
	if got := limitOf(tc.TenantCluster, "etcd"); got != "768Mi" {
		t.Errorf("with the API server's size etcd's limit became %q", got)
	}
	w.carriesOut(t, tc, tc.etcd)
	w.killLater(t, tc.etcd)
	w.awaitLimit(t, tc, "etcd", "2304Mi")
	if got := limitOf(tc.TenantCluster, "kube-apiserver"); got != "1536Mi" {
		t.Errorf("with etcd's size the API server's limit became %q", got)
	}
}

func prunes(t *testing.T, w *world) {
	tc := w.tenantOf(t, "many")
	w.scalerOf(t, "many", "{records: {keep: 2}, defaults: {estimators: {oom: {factorsPercent: [110]}}}}")
	var newest *v1alpha1.ScalingRecord
	for range 4 {
		w.killLater(t, tc.etcd)
		last := newest
		eventually(t, func() string {
			if all := w.records(t, "many"); len(all) > 0 {
				newest = &all[len(all)-1]
			}
			if newest == nil || last != nil && newest.Name == last.Name {
				return "no kill led to another record"
			}
			return ""
		})
		w.awaitLimit(t, tc, "etcd", newest.Spec.To.Limits.Memory.String())
		w.carriesOut(t, tc, tc.etcd)
	}
	w.kill(t, tc.apiServer) // each component is counted alone
	w.awaitRecord(t, "many", "Up", 3)
	eventually(t, func() string {
		w.meter.asked(tc.etcd)
		all := w.records(t, "many")
		of := func(component string) (some []string) {
			for _, r := range all {
				if r.Spec.Component == component {
					some = append(some, r.Name)
				}
			}
			return some
		}
		if etcd := of("etcd"); len(etcd) != 2 || etcd[1] != newest.Name || len(of("kube-apiserver")) != 1 {
			return "kept are" + words(all)
		}
		return ""
	})
}

// rests: once all is done and told, nothing is written any more, whatever is looked at.
func rests(t *testing.T, w *world) {
	tc := w.killed(t, "calm", "{}")
	w.carriesOut(t, tc, tc.etcd)
	held := w.tenantOf(t, "calm-held")
	w.scalerOf(t, "calm-held", "{pause: {reason: moving}}")
	w.kill(t, held.etcd)
	w.awaitHeld(t, "calm-held", "etcd", "pause")
	eventually(t, func() string {
		if r := w.records(t, "calm"); len(r) == 0 || r[0].Status.Phase != "Effective" {
			return "the record is" + words(r)
		}
		return ""
	})
	w.looks(t, held.etcd, 3)
	w.looks(t, tc.etcd, 3)
	before := w.versions(t, "calm", "calm-held")
	w.looks(t, held.etcd, 5)
	w.looks(t, tc.etcd, 5)
	if after := w.versions(t, "calm", "calm-held"); before != after {
		t.Errorf("at rest the objects went from\n%s to\n%s", before, after)
	}
}

// versions of all that belongs to some tenants.
func (w *world) versions(t *testing.T, tenants ...string) string {
	t.Helper()
	var all []string
	for _, list := range []client.ObjectList{&v1alpha1.ClusterScalerList{}, &v1alpha1.TenantClusterList{}, &v1alpha1.ScalingRecordList{}, &corev1.PodList{}, &eventsv1.EventList{}} {
		must(t, w.List(t.Context(), list))
		for _, o := range objectsOf(t, list) {
			if slices.ContainsFunc(tenants, func(name string) bool {
				return o.GetName() == name || strings.HasPrefix(o.GetName(), name+"-") || strings.HasPrefix(o.GetName(), name+".") || o.GetNamespace() == "tc-"+name
			}) {
				all = append(all, fmt.Sprintf("%T %s %s", o, o.GetName(), o.GetResourceVersion()))
			}
		}
	}
	return strings.Join(all, "\n")
}
