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
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/internal/testenv"
	"github.com/metapilot/metapilot/scaler"
)

// Twelve tenants of two groups that could all be smaller, two an hour: two go, what is taken back in one group stops that group only, and a scaler that
// is started anew knows all that.
func TestStepsDownOfAFleetOnAPIServer(t *testing.T) {
	env := testenv.Start(t, testenv.Options{CRDs: []string{"../charts/metapilot-crds/templates"}})
	c := clocktesting.NewFakePassiveClock(time.Now().Add(time.Hour))
	s := &slowWorld{newWorld(t, env.Config, c), c}
	s.fleetPolicy(t, "{groupBy: example.com/stage, downs: {count: 2, within: 1h}, perGroup: {regrets: {count: 0, within: 6h}}}")
	f := s.fleetOf(t, 12)

	f.pass(t, 26*time.Minute)
	f.awaitLowered(t, "t00", "t01")
	f.pass(t, 4*time.Minute)
	f.awaitLowered(t, "t00", "t01")
	s.tellsItsTurn(t)

	s.stop()
	s.start()
	f.pass(t, 10*time.Minute)
	f.awaitLowered(t, "t00", "t01")

	s.carriesOut(t, f.tenants[0], f.tenants[0].apiServer) // of group even
	f.pass(t, 4*time.Minute)
	s.kills(t, f.tenants[0].apiServer)
	s.awaitLimit(t, f.tenants[0], "kube-apiserver", "1152Mi")
	f.awaitHeld(t, "t02", "nothing shrinks in group even: 1 step down was taken back within 6h0m0s, and it may have 0")
	s.awaitStopTold(t, 1)

	s.stop()
	s.start()
	f.pass(t, 50*time.Minute)
	f.awaitLowered(t, "t00", "t01", "t03", "t05")
	f.awaitHeld(t, "t02", "nothing shrinks in group even: 1 step down was taken back within 6h0m0s, and it may have 0")
	s.awaitStopTold(t, 1)

	// A word of people ends it.
	s.fleetPolicy(t, "{groupBy: example.com/stage, downs: {count: 3, within: 1h}, perGroup: {regrets: {count: 1, within: 6h}}}")
	f.awaitLowered(t, "t00", "t01", "t02", "t03", "t05")
	checkWithinBudget(t, f.downs(t))
}

// fleetPolicy says what the fleet may do.
func (s *slowWorld) fleetPolicy(t *testing.T, spec string) {
	t.Helper()
	must(t, client.IgnoreAlreadyExists(s.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.SystemNamespace}})))
	p := &v1alpha1.ScalingPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: v1alpha1.SystemNamespace, Name: "fleet"}}
	must(t, client.IgnoreAlreadyExists(s.Create(t.Context(), p)))
	s.edit(t, p, func() {
		p.Spec.Fleet = &v1alpha1.FleetPolicy{}
		must(t, yaml.UnmarshalStrict([]byte(spec), p.Spec.Fleet))
	})
}

// idleFleet is tenants that need less than they have.
type idleFleet struct {
	*slowWorld
	tenants  []*tenant
	profiles []*v1alpha1.WorkloadProfile
}

func (s *slowWorld) fleetOf(t *testing.T, n int) *idleFleet {
	t.Helper()
	f := &idleFleet{slowWorld: s}
	for i := range n {
		name := fmt.Sprintf("t%02d", i)
		tc := s.tenantOf(t, name)
		s.edit(t, tc.TenantCluster, func() { tc.Labels = map[string]string{"example.com/stage": []string{"even", "odd"}[i%2]} })
		s.meter.uses(tc.apiServer, "10m", "150Mi")
		f.tenants = append(f.tenants, tc)
		f.profiles = append(f.profiles, s.profile(t, "tc-"+name, "Deployment", "kube-apiserver", "kube-apiserver", "20m", "200Mi"))
		s.scalerOf(t, name, "{mode: {down: Auto}, "+swift+"}")
	}
	s.looks(t, f.tenants[n-1].apiServer, 1)
	return f
}

// pass lets time pass, with a look at each tenant every two minutes.
func (f *idleFleet) pass(t *testing.T, d time.Duration) {
	t.Helper()
	for range d / (2 * time.Minute) {
		f.slowWorld.pass(t, 2*time.Minute, f.tenants[0].apiServer, f.profiles...)
		for _, tc := range f.tenants[1:] {
			f.looks(t, tc.apiServer, 1)
		}
	}
}

// downs are all records of steps down, oldest first.
func (f *idleFleet) downs(t *testing.T) (all []v1alpha1.ScalingRecord) {
	t.Helper()
	for _, tc := range f.tenants {
		for _, r := range f.records(t, tc.Name) {
			if r.Spec.Decision == v1alpha1.DecisionDown {
				all = append(all, r)
			}
		}
	}
	slices.SortFunc(all, func(a, b v1alpha1.ScalingRecord) int { return a.Spec.DecidedAt.Compare(b.Spec.DecidedAt.Time) })
	return all
}

// awaitLowered waits until these were made smaller, and nobody else.
func (f *idleFleet) awaitLowered(t *testing.T, want ...string) {
	t.Helper()
	eventually(t, func() string {
		f.meter.asked(f.tenants[0].apiServer)
		var lowered []string
		for _, r := range f.downs(t) {
			lowered = append(lowered, r.Spec.Scaler)
		}
		if slices.Sort(lowered); !slices.Equal(lowered, want) {
			return fmt.Sprintf("%q were made smaller, want %q", lowered, want)
		}
		return ""
	})
}

// awaitHeld waits until the tenant's API server is held by its turn, in these words.
func (f *idleFleet) awaitHeld(t *testing.T, name, says string) {
	t.Helper()
	eventually(t, func() string {
		f.meter.asked(f.tenants[0].apiServer)
		held := f.status(t, name, "kube-apiserver").Held
		if held == nil || held.Guard != "fleet-downs" || !strings.Contains(held.Reason, says) {
			return fmt.Sprintf("%s is held by %+v, want %q", name, held, says)
		}
		return ""
	})
}

// tellsItsTurn: the status of one that waits tells what it would save and risk, and its place.
func (s *slowWorld) tellsItsTurn(t *testing.T) {
	t.Helper()
	c := s.status(t, "t02", "kube-apiserver")
	if c.Held == nil || c.Held.Reason != "the fleet may have 2 steps down within 1h0m0s; it is 1st of 10" || c.Held.Until == nil {
		t.Errorf("it is held by %+v", c.Held)
	}
	turn := c.Turn
	if turn == nil || turn.Saving.Requests.CPU.String() != "20m" || turn.Saving.Pods != 1 || turn.Risk != 6 || turn.DryRun || sizeWords(turn.To) != "80m 240Mi/768Mi" {
		t.Errorf("its turn is %+v", turn)
	}
	if gone := s.status(t, "t00", "kube-apiserver").Turn; gone != nil {
		t.Errorf("one that was made smaller still waits: %+v", gone)
	}
	s.sameFromObjects(t, c.Held.Reason)
}

// sameFromObjects: who reads the objects comes to the same order as the scaler that runs.
func (s *slowWorld) sameFromObjects(t *testing.T, first string) {
	t.Helper()
	var scalers v1alpha1.ClusterScalerList
	var tenants v1alpha1.TenantClusterList
	var policies v1alpha1.ScalingPolicyList
	var records v1alpha1.ScalingRecordList
	for _, list := range []client.ObjectList{&scalers, &tenants, &policies, &records} {
		must(t, s.List(t.Context(), list))
	}
	queue := scaler.Queue(s.clock.Now(), &scaler.Fleet{Scalers: scalers.Items, Tenants: tenants.Items, Policies: policies.Items, Records: records.Items})
	if n := len(queue.Places); n != 10 {
		t.Fatalf("%d wait, want 10", n)
	}
	if p := queue.Places[0]; p.Name != "t02" || p.Turn.Says != first || p.Group != "even" {
		t.Errorf("the first is %+v, and its status says %q", p, first)
	}
}

// awaitStopTold waits for the event that the group is stopped, which is told once.
func (s *slowWorld) awaitStopTold(t *testing.T, times int) {
	t.Helper()
	eventually(t, func() string {
		var list eventsv1.EventList
		must(t, s.List(t.Context(), &list))
		n := 0
		for _, e := range list.Items {
			if e.Reason == "DownsStopped" && e.Regarding.Kind == "ScalingPolicy" && e.Regarding.Name == "fleet" {
				n++
			}
		}
		if n != times {
			return fmt.Sprintf("the stop is told %d times, want %d", n, times)
		}
		return ""
	})
}

// checkWithinBudget: in no hour more than two, but for the last one, which a larger budget let go.
func checkWithinBudget(t *testing.T, downs []v1alpha1.ScalingRecord) {
	t.Helper()
	for i := 2; i < len(downs)-1; i++ {
		if apart := downs[i].Spec.DecidedAt.Sub(downs[i-2].Spec.DecidedAt.Time); apart < time.Hour {
			t.Errorf("three steps within %s:%s", apart, words(downs))
		}
	}
}
