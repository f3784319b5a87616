package scaler_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/internal/testenv"
	"github.com/metapilot/metapilot/scaler/model"
)

// Hours of looking at what is too large, on a real API server and by a clock of the test's own.
func TestShrinkingOnAPIServer(t *testing.T) {
	env := testenv.Start(t, testenv.Options{CRDs: []string{"../charts/metapilot-crds/templates"}})
	c := clocktesting.NewFakePassiveClock(time.Now().Add(time.Hour))
	s := &slowWorld{newWorld(t, env.Config, c), c}
	for _, test := range []struct {
		says string
		run  func(*testing.T, *slowWorld)
	}{
		{"a profile leads to the record of a dry run", shrinksInADryRun},
		{"Auto lowers the size step by step", shrinksStepByStep},
		{"what is regretted is taken back", takesBackWhatIsRegretted},
		{"a step down waits for the tenant's probe", waitsForTheProbe},
		{"etcd's memory waits for its window", waitsForItsWindow},
		{"what is known of an idle component survives the scaler", idleSurvivesTheScaler},
		{"two profiles of one workload are none", twoProfiles},
		{"a Deployment is lowered", lowersADeployment},
	} {
		t.Run(test.says, func(t *testing.T) { test.run(t, s) })
	}
}

// slowWorld is a world in which hours pass at once.
type slowWorld struct {
	*world
	clock *clocktesting.FakePassiveClock
}

// swift is a policy of minutes in the place of hours.
const swift = "defaults: {scaleDown: {window: 20m, watch: 10m}, cooldown: {down: 30m}}"

// profile is of a component's workload, known for three days, and recommends so much of CPU and memory.
func (s *slowWorld) profile(t *testing.T, namespace, kind, name, container, cpu, memory string) *v1alpha1.WorkloadProfile {
	t.Helper()
	p := &v1alpha1.WorkloadProfile{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: strings.ToLower(kind) + "-" + name},
		Spec:       v1alpha1.WorkloadProfileSpec{TargetRef: v1alpha1.ProfileTarget{Kind: kind, Name: name}},
	}
	must(t, s.Create(t.Context(), p))
	s.tell(t, p, func() {
		since, last := metav1.NewTime(s.clock.Now().Add(-72*time.Hour)), metav1.NewTime(s.clock.Now())
		resourceOf := func(amount string) v1alpha1.ResourceProfile {
			q := resource.MustParse(amount)
			return v1alpha1.ResourceProfile{Target: &q, Lower: &q, Upper: &q, Uncapped: &q, Since: &since, Samples: 999, Reason: "the peak of a day"}
		}
		p.Status.Algorithm, p.Status.LastSample = "peak-trend", &last
		p.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ReadyCondition, Status: metav1.ConditionTrue, Reason: "Known", LastTransitionTime: last}}
		p.Status.Containers = []v1alpha1.ContainerProfile{{Name: container, CPU: resourceOf(cpu), Memory: resourceOf(memory)}}
	})
	return p
}

// pass lets time pass, with a sample and a look every two minutes.
func (s *slowWorld) pass(t *testing.T, d time.Duration, pod *corev1.Pod, profiles ...*v1alpha1.WorkloadProfile) {
	t.Helper()
	for end := s.clock.Now().Add(d); s.clock.Now().Before(end); {
		s.clock.SetTime(s.clock.Now().Add(2 * time.Minute))
		for _, p := range profiles {
			s.tell(t, p, func() { p.Status.LastSample = &metav1.Time{Time: s.clock.Now()} })
		}
		s.world.looks(t, pod, 1)
	}
}

func shrinksInADryRun(t *testing.T, s *slowWorld) {
	tc := s.tenantOf(t, "idle")
	s.meter.uses(tc.apiServer, "10m", "150Mi")
	p := s.profile(t, "tc-idle", "Deployment", "kube-apiserver", "kube-apiserver", "20m", "200Mi")
	s.scalerOf(t, "idle", "{"+swift+"}")
	s.looks(t, tc.apiServer, 1)
	if why := s.status(t, "idle", "kube-apiserver").WhyNotSmaller; !strings.Contains(why, "and it shrinks when that was so for 20m0s") {
		t.Errorf("before its time the status says %q", why)
	}
	s.pass(t, 24*time.Minute, tc.apiServer, p)
	saysWhatItSaves(t, s.awaitRecord(t, "idle", "Down", 1))
	c := s.status(t, "idle", "kube-apiserver")
	if !strings.HasPrefix(c.WhyNotSmaller, "the mode is DryRun: memory: 1024Mi -> 768Mi saves") || c.Idle == nil || c.Idle.Memory.Highest.String() != "200Mi" {
		t.Errorf("the status says %q of %+v", c.WhyNotSmaller, c.Idle)
	}
	if why := s.status(t, "idle", "etcd").WhyNotSmaller; why != "there is no WorkloadProfile of StatefulSet etcd" {
		t.Errorf("of etcd the status says %q", why)
	}
	s.pass(t, 40*time.Minute, tc.apiServer, p)
	s.get(t, tc.TenantCluster)
	if n := len(s.records(t, "idle")); n != 1 || limitOf(tc.TenantCluster, "kube-apiserver") != "" {
		t.Errorf("within an hour it is told %d times, and it has %q", n, limitOf(tc.TenantCluster, "kube-apiserver"))
	}
}

func saysWhatItSaves(t *testing.T, r *v1alpha1.ScalingRecord) {
	t.Helper()
	if !r.Spec.DryRun || r.Status.Phase != "DryRun" || sizeWords(r.Spec.To) != "80m 240Mi/768Mi" || r.Spec.Source != "profile" {
		t.Errorf("the record is %+v %+v", r.Spec, r.Status)
	}
	if saving := r.Spec.Saving; saving == nil || saving.Pods != 1 || saving.Requests.CPU.String() != "20m" || saving.Limits.Memory.String() != "256Mi" {
		t.Errorf("the saving is %+v", saving)
	}
	if says := fmt.Sprint(r.Spec.Evidence); !strings.Contains(says, "deployment-kube-apiserver peak-trend recommends 200Mi of memory") || !strings.Contains(says, "at most 200Mi since") {
		t.Errorf("the evidence is %s", says)
	}
}

func shrinksStepByStep(t *testing.T, s *slowWorld) {
	tc := s.tenantOf(t, "stepped")
	s.meter.uses(tc.apiServer, "10m", "150Mi")
	p := s.profile(t, "tc-stepped", "Deployment", "kube-apiserver", "kube-apiserver", "20m", "200Mi")
	s.scalerOf(t, "stepped", "{mode: {down: Auto}, "+swift+"}")
	s.looks(t, tc.apiServer, 1)
	s.pass(t, 24*time.Minute, tc.apiServer, p)
	for i, limit := range []string{"768Mi", "576Mi", "432Mi"} {
		s.awaitLimit(t, tc, "kube-apiserver", limit)
		s.pass(t, 12*time.Minute, tc.apiServer, p) // and none of its pods has it
		if n := len(s.records(t, "stepped")); n != i+1 {
			t.Fatalf("before the pods have the size there are %d records:%s", n, words(s.records(t, "stepped")))
		}
		s.carriesOut(t, tc, tc.apiServer)
		s.pass(t, 8*time.Minute, tc.apiServer, p)
		if n := len(s.records(t, "stepped")); n != i+1 {
			t.Fatalf("while the step is watched there are %d records:%s", n, words(s.records(t, "stepped")))
		}
		s.pass(t, 4*time.Minute, tc.apiServer, p)
	}
	s.pass(t, 40*time.Minute, tc.apiServer, p)
	s.get(t, tc.TenantCluster)
	if got := limitOf(tc.TenantCluster, "kube-apiserver"); got != "432Mi" {
		t.Errorf("of 200Mi, which are 46%% of what it has, it came to %s", got)
	}
}

// kills at the time of this world.
func (s *slowWorld) kills(t *testing.T, pod *corev1.Pod) {
	t.Helper()
	s.tell(t, pod, func() {
		c := &pod.Status.ContainerStatuses[0]
		c.LastTerminationState = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
			Reason: "OOMKilled", ExitCode: 137, ContainerID: c.ContainerID, FinishedAt: metav1.NewTime(s.clock.Now()),
		}}
		c.RestartCount++
		c.ContainerID = fmt.Sprintf("containerd://%s-%d", pod.UID, c.RestartCount)
	})
}

func takesBackWhatIsRegretted(t *testing.T, s *slowWorld) {
	tc := s.tenantOf(t, "regretted")
	s.meter.uses(tc.apiServer, "10m", "150Mi")
	p := s.profile(t, "tc-regretted", "Deployment", "kube-apiserver", "kube-apiserver", "20m", "200Mi")
	s.scalerOf(t, "regretted", "{mode: {down: Auto}, "+swift+"}")
	s.looks(t, tc.apiServer, 1)
	s.pass(t, 24*time.Minute, tc.apiServer, p)
	s.awaitLimit(t, tc, "kube-apiserver", "768Mi")
	s.carriesOut(t, tc, tc.apiServer)
	s.pass(t, 4*time.Minute, tc.apiServer, p)
	s.kills(t, tc.apiServer)
	s.awaitLimit(t, tc, "kube-apiserver", "1152Mi")
	up := s.awaitRecord(t, "regretted", "Up", 1)
	if !strings.Contains(up.Spec.Reason, "regret: kube-apiserver-0 was OOM-killed at 768Mi") || up.Spec.To.Requests.CPU.String() != "100m" {
		t.Errorf("it went back to %s because %s", sizeWords(up.Spec.To), up.Spec.Reason)
	}
	down := s.awaitRecord(t, "regretted", "Down", 1)
	eventually(t, func() string {
		s.meter.asked(tc.apiServer)
		if s.get(t, down); down.Status.Phase != "Regretted" || len(down.Status.Outcomes) != 1 || down.Status.Outcomes[0].Check != "watch" {
			return "the record of the step down is" + words([]v1alpha1.ScalingRecord{*down})
		}
		return ""
	})
	s.carriesOut(t, tc, tc.apiServer)
	s.pass(t, 28*time.Minute, tc.apiServer, p)
	s.get(t, tc.TenantCluster)
	if got := limitOf(tc.TenantCluster, "kube-apiserver"); got != "1152Mi" {
		t.Errorf("within its cool-down it has %s", got)
	}
}

func waitsForTheProbe(t *testing.T, s *slowWorld) {
	tc := s.tenantOf(t, "probed")
	s.meter.uses(tc.apiServer, "10m", "150Mi")
	p := s.profile(t, "tc-probed", "Deployment", "kube-apiserver", "kube-apiserver", "20m", "200Mi")
	s.scalerOf(t, "probed", "{mode: {down: Auto}, "+swift+"}")
	s.looks(t, tc.apiServer, 1)
	s.awaitProbe(t, v1alpha1.ProbeStatus{State: v1alpha1.ProbeOff, Says: "probes are off (--probe-period 0)"})
	s.meter.shows("probed", model.Probe{Unknown: "it was not asked yet"})
	s.awaitProbe(t, v1alpha1.ProbeStatus{State: v1alpha1.ProbeUnknown, Says: "it was not asked yet"})
	s.pass(t, 24*time.Minute, tc.apiServer, p)
	if held := s.awaitHeld(t, "probed", "kube-apiserver", "probe"); held.Reason != "whether the tenant answers is not known: it was not asked yet" {
		t.Errorf("held is %+v", held)
	}
	since := s.clock.Now().Truncate(time.Second)
	s.meter.shows("probed", model.Probe{Failing: true, Says: "list: HTTP 500", At: s.clock.Now(), Since: s.clock.Now()})
	s.awaitProbe(t, v1alpha1.ProbeStatus{State: v1alpha1.ProbeFailing, Since: &metav1.Time{Time: since}, Says: "list: HTTP 500"})
	s.pass(t, 4*time.Minute, tc.apiServer, p)
	if held := s.awaitHeld(t, "probed", "kube-apiserver", "probe"); held.Reason != "the tenant's probe fails: list: HTTP 500" || len(s.records(t, "probed")) != 0 {
		t.Errorf("held is %+v, and the records are%s", held, words(s.records(t, "probed")))
	}
	s.meter.shows("probed", model.Probe{At: s.clock.Now(), Since: s.clock.Now()})
	s.awaitProbe(t, v1alpha1.ProbeStatus{State: v1alpha1.ProbeAnswers, Since: &metav1.Time{Time: s.clock.Now().Truncate(time.Second)}})
	s.awaitLimit(t, tc, "kube-apiserver", "768Mi")
}

// awaitProbe waits until the status says so of the probe of tenant probed.
func (s *slowWorld) awaitProbe(t *testing.T, want v1alpha1.ProbeStatus) {
	t.Helper()
	eventually(t, func() string {
		cs := &v1alpha1.ClusterScaler{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "probed"}}
		s.get(t, cs)
		got := cs.Status.Probe
		if got == nil || got.State != want.State || got.Says != want.Says || !got.Since.Equal(want.Since) {
			return fmt.Sprintf("the status says %+v, want %+v", got, want)
		}
		return ""
	})
}

func waitsForItsWindow(t *testing.T, s *slowWorld) {
	tc := s.tenantOf(t, "windowed")
	s.meter.uses(tc.etcd, "30m", "60Mi")
	p := s.profile(t, "tc-windowed", "StatefulSet", "etcd", "etcd", "45m", "90Mi")
	opens := s.clock.Now().UTC().Add(time.Hour).Truncate(time.Minute)
	s.scalerOf(t, "windowed", fmt.Sprintf("{mode: {down: Auto}, maintenance: [{schedule: %d %d * * *, duration: 30m}], %s}", opens.Minute(), opens.Hour(), swift))
	s.looks(t, tc.etcd, 1)
	s.pass(t, 24*time.Minute, tc.etcd, p)
	if held := s.awaitHeld(t, "windowed", "etcd", "maintenance"); held.Until == nil || !held.Until.UTC().Equal(opens) {
		t.Errorf("held is %+v, and the window opens at %s", held, opens)
	}
	if all := s.records(t, "windowed"); len(all) != 0 {
		t.Errorf("that nobody waits for is written down:%s", words(all))
	}
	s.pass(t, opens.Sub(s.clock.Now()), tc.etcd, p)
	s.awaitLimit(t, tc, "etcd", "384Mi")
}

func idleSurvivesTheScaler(t *testing.T, s *slowWorld) {
	tc := s.tenantOf(t, "patient")
	s.meter.uses(tc.apiServer, "10m", "150Mi")
	p := s.profile(t, "tc-patient", "Deployment", "kube-apiserver", "kube-apiserver", "20m", "200Mi")
	s.scalerOf(t, "patient", "{"+swift+"}")
	s.looks(t, tc.apiServer, 2)
	since := s.status(t, "patient", "kube-apiserver").Idle.CPU.Since
	s.pass(t, 12*time.Minute, tc.apiServer, p)
	s.stop()
	s.start()
	s.pass(t, 4*time.Minute, tc.apiServer, p)
	if idle := s.status(t, "patient", "kube-apiserver").Idle; idle == nil || !idle.CPU.Since.Equal(&since) {
		t.Errorf("after a restart it is idle by %+v, before since %s", idle, since)
	}
	s.clock.SetTime(s.clock.Now().Add(15 * time.Minute)) // nobody has looked
	s.pass(t, 4*time.Minute, tc.apiServer, p)
	if idle := s.status(t, "patient", "kube-apiserver").Idle; idle == nil || !since.Before(&idle.CPU.Since) {
		t.Errorf("after a quarter of an hour without a look it is idle by %+v, before since %s", idle, since)
	}
}

func twoProfiles(t *testing.T, s *slowWorld) {
	tc := s.tenantOf(t, "doubled")
	s.profile(t, "tc-doubled", "Deployment", "kube-apiserver", "kube-apiserver", "20m", "200Mi")
	other := &v1alpha1.WorkloadProfile{
		ObjectMeta: metav1.ObjectMeta{Namespace: "tc-doubled", Name: "another"},
		Spec:       v1alpha1.WorkloadProfileSpec{TargetRef: v1alpha1.ProfileTarget{Kind: "Deployment", Name: "kube-apiserver"}},
	}
	must(t, s.Create(t.Context(), other))
	s.scalerOf(t, "doubled", "{"+swift+"}")
	eventually(t, func() string {
		s.meter.asked(tc.apiServer)
		why := s.status(t, "doubled", "kube-apiserver").WhyNotSmaller
		if want := "WorkloadProfiles another and deployment-kube-apiserver are both about Deployment kube-apiserver: delete one"; why != want {
			return fmt.Sprintf("the status says %q, want %q", why, want)
		}
		return ""
	})
}

func lowersADeployment(t *testing.T, s *slowWorld) {
	large := size("200m", "256Mi", "1Gi")
	d, pod := s.deploymentOf(t, "web-idle", large), s.podOfWorkload(t, "web-idle", large)
	s.meter.uses(pod, "10m", "100Mi")
	p := s.profile(t, "default", "Deployment", "web-idle", "web", "20m", "150Mi")
	s.scalerOf(t, "plain-idle", named(", mode: {down: Auto}, "+swift, "web-idle"))
	s.looks(t, pod, 1)
	s.pass(t, 24*time.Minute, pod, p)
	s.awaitTemplate(t, d, &d.Spec.Template, "768Mi")
	s.awaitInPlace(t, pod, "768Mi")
	if r := s.awaitRecord(t, "plain-idle", "Down", 1); !r.Spec.Disruptive {
		t.Error("pods are replaced, and the record does not say so")
	}
	must(t, client.IgnoreNotFound(s.Delete(t.Context(), d)))

}

// A meta cluster without the recommender's kinds: what has to grow grows, and why nothing shrinks is told.
func TestWithoutProfilesOnAPIServer(t *testing.T) {
	var kinds []string
	for _, kind := range []string{"clusterscalers", "scalingrecords", "tenantclusters"} {
		kinds = append(kinds, "../charts/metapilot-crds/templates/metapilot.io_"+kind+".yaml")
	}
	w := newWorld(t, testenv.Start(t, testenv.Options{CRDs: kinds}).Config, clock.RealClock{})
	w.killed(t, "alone", "{}")
	mustBe(t, "the status", "the kind WorkloadProfile was not installed when the cluster-scaler started", w.status(t, "alone", "kube-apiserver").WhyNotSmaller)
}
