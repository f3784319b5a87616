package scaler

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/metapilot/metapilot/e2e/scenario/hosted"
)

// The story: a list storm kills etcd and the API server, both grow where they are until they survive it, and every decision is explained.
func TestStormIsSurvived(t *testing.T) {
	tc := newScaled(t, "stormy", "")
	tc.Remember("before")
	tc.fill()
	stop, told := tc.storm()
	tc.awaitGrowth()
	tc.Eventually("the storm is answered and kills nothing any more", 2*hosted.Usable, func(ctx context.Context) (bool, string) {
		out, err := hosted.Metapilot(ctx, tc.Scenario, "records", tc.Name)
		return tc.quiet(ctx) && told.Answered.Load() > clients, fmt.Sprint(told.Answered.Load(), " answers\n", out, err)
	})
	stop()
	tc.AwaitReady()
	tc.MustRemember("before")
	tc.mustBeAsDecided()
	for _, p := range tc.Pods(t.Context(), "etcd") {
		if n := p.Status.ContainerStatuses[0].RestartCount; int(n) > len(tc.carriedOut(t.Context(), "etcd")) {
			t.Errorf("%s was restarted %d times: more often than it was resized", p.Name, n)
		}
	}
	tc.mustExplain("etcd", "OOM kill", "etcd-0 at 512Mi", "% of", "not smaller")
}

// quiet: nothing was killed for a while of the storm.
func (tc scaled) quiet(ctx context.Context) bool {
	last := time.Time{}
	for _, component := range []string{"etcd", "kube-apiserver"} {
		for _, r := range tc.records(ctx, component) {
			if strings.Contains(r.Spec.Reason, "OOM-killed") && r.Spec.DecidedAt.After(last) {
				last = r.Spec.DecidedAt.Time
			}
		}
	}
	return !last.IsZero() && time.Since(last) > 20*time.Second
}

func (tc scaled) mustExplain(component string, says ...string) {
	tc.Helper()
	out, err := hosted.Metapilot(tc.Context(), tc.Scenario, "explain", tc.Name)
	if err != nil {
		tc.Fatal(out, err)
	}
	_, about, _ := strings.Cut(out, "\n"+component+"\n")
	for _, s := range says {
		if !strings.Contains(about, s) {
			tc.Errorf("metapilot explain does not say %q of %s:\n%s", s, component, out)
		}
	}
}

// Whoever dies between the kill and its mending: the next one goes on, and decides nothing twice.
func TestProgramsDieBetweenKillAndMending(t *testing.T) {
	for name, programs := range map[string][]string{"scaler": {hosted.ClusterScaler}, "operator": {hosted.MasterOperator}, "both": hosted.Programs} {
		t.Run(name, func(t *testing.T) {
			tc := newScaled(t, "orphan", "")
			tc.fill()
			var stop func()
			hosted.Without(tc.Scenario, programs, func() {
				stop, _ = tc.storm()
				tc.awaitKill("etcd-0")
				stop()
			})
			tc.awaitGrowth()
			tc.AwaitReady()
			tc.mustBeAsDecided()
		})
	}
}

// While nothing of Metapilot runs, etcd is killed until Kubernetes only starts it after a pause: then it is mended by another pod, with its data.
func TestCrashLoopIsEnded(t *testing.T) {
	tc := newScaled(t, "looping", "")
	tc.Remember("before")
	tc.fill()
	before := tc.Pods(t.Context(), "etcd")[0].UID
	stop, _ := tc.storm()
	hosted.Without(tc.Scenario, hosted.Programs, func() {
		tc.Eventually("etcd waits in back-off", hosted.Usable, func(ctx context.Context) (bool, string) {
			out, err := tc.TryKubectl(ctx, "--namespace", tc.Home, "get", "pod", "etcd-0", "-o", "jsonpath={.status.containerStatuses[0].state}")
			return err == nil && strings.Contains(out, "CrashLoopBackOff"), fmt.Sprint(out, err)
		})
	})
	tc.awaitGrowth()
	stop()
	tc.AwaitReady()
	tc.MustRemember("before")
	tc.mustBeAsDecided()
	if after := tc.Pods(t.Context(), "etcd")[0].UID; after == before {
		t.Log("the pod was not replaced: its container ran again when the programs were back")
	}
}

// A scaler that is killed again and again while a storm goes on loses nothing and does nothing twice.
func TestScalerIsKilledInTheStorm(t *testing.T) {
	tc := newScaled(t, "beheaded", "")
	tc.fill()
	stop, _ := tc.storm()
	for range 4 {
		hosted.Kill(tc.Scenario, hosted.ClusterScaler)
		time.Sleep(5 * time.Second)
	}
	tc.awaitGrowth()
	stop()
	tc.AwaitReady()
	tc.mustBeAsDecided()
}

// Without metrics, kills are mended all the same, and it is said that usage is not known.
func TestMetricsAreGone(t *testing.T) {
	tc := newScaled(t, "blind", "")
	tc.stopMetrics()
	time.Sleep(20 * time.Second) // a period of the scaler's question
	tc.fill()
	stop, _ := tc.storm()
	tc.awaitGrowth()
	stop()
	tc.AwaitReady()
	tc.mustBeAsDecided()
	all := tc.carriedOut(t.Context(), "etcd")
	if evidence := fmt.Sprint(all[len(all)-1].Spec.Evidence); !strings.Contains(evidence, "metrics API") {
		t.Errorf("the evidence does not say that usage is not known: %s", evidence)
	}
}

// stopMetrics stops metrics-server until the test ends, or it is started again: the others need it, whatever happens here.
func (tc scaled) stopMetrics() {
	tc.Helper()
	tc.Kubectl("--namespace", "kube-system", "scale", "deployment/metrics-server", "--replicas=0")
	tc.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(tc.Context()), time.Minute)
		defer cancel()
		tc.startMetrics(ctx)
	})
}

func (tc scaled) startMetrics(ctx context.Context) {
	tc.Helper()
	if _, err := tc.TryKubectl(ctx, "--namespace", "kube-system", "scale", "deployment/metrics-server", "--replicas=1"); err != nil {
		tc.Error(err)
	}
}

// The meta cluster's own API server dies in the storm.
func TestMetaAPIServerDies(t *testing.T) {
	tc := newScaled(t, "cutoff", "")
	tc.fill()
	status, err := tc.Cluster.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stop, _ := tc.storm()
	for _, p := range status.Parts {
		if p.Name == "kube-apiserver" {
			if err := unix.Kill(p.PID, unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
	}
	tc.Eventually("the meta cluster is ready again", 2*hosted.Usable, func(ctx context.Context) (bool, string) {
		status, err := tc.Cluster.Status(ctx)
		return err == nil && len(status.Unready) == 0, fmt.Sprintf("%v %q", err, status.Unready)
	})
	tc.awaitGrowth()
	stop()
	tc.AwaitReady()
	tc.mustBeAsDecided()
}

// Somebody else writes the size: that is said, and not fought; and when they let go, the scaler goes on.
func TestForeignWriter(t *testing.T) {
	t.Parallel() // with those that stop no program
	tc := newScaled(t, "foreign", "")
	tc.Kubectl("patch", "tenantcluster", tc.Name, "--type=merge", "--field-manager=somebody", "--patch",
		`{"spec":{"sizing":{"etcd":{"resources":{"limits":{"memory":"320Mi"}}}}}}`)
	tc.fill()
	stop, _ := tc.storm()
	if says := tc.awaitHold("etcd", "owner"); !strings.Contains(says, "somebody") {
		t.Errorf("it is held, but not said for whom: %s", says)
	}
	stop()
	if n := len(tc.carriedOut(t.Context(), "etcd")); n != 0 {
		t.Errorf("%d decisions were carried out against somebody", n)
	}
	if got := tc.Get("{.spec.sizing.etcd.resources.limits.memory}"); got != "320Mi" {
		t.Errorf("what somebody wrote is %q now", got)
	}
	tc.Kubectl("patch", "tenantcluster", tc.Name, "--type=json", "--field-manager=somebody", "--patch", `[{"op":"remove","path":"/spec/sizing/etcd"}]`)
	stop, _ = tc.storm()
	tc.awaitGrowth()
	stop()
	tc.AwaitReady()
}

// A size larger than the node can never be had, and one larger than what is free has to wait: both are shown, and gone when they are mended.
func TestInfeasibleAndDeferredAreShown(t *testing.T) {
	t.Parallel() // with those that stop no program
	tc := newScaled(t, "large", "")
	node := tc.Pods(t.Context(), "etcd")[0].Spec.NodeName
	size := func(request string) {
		tc.Kubectl("patch", "tenantcluster", tc.Name, "--type=merge", "--field-manager=somebody", "--patch",
			fmt.Sprintf(`{"spec":{"sizing":{"etcd":{"resources":{"requests":{"memory":%q},"limits":{"memory":%q}}}}}}`, request, request))
	}
	size("900Gi")
	tc.awaitUnsized("Infeasible")
	size("512Mi")
	tc.awaitUnsized("")
	tc.occupy(node)
	size("6Gi")
	tc.awaitUnsized("Deferred")
	tc.Kubectl("delete", "pod", "lodger", "--grace-period=1")
	tc.awaitUnsized("")
}

func (tc scaled) awaitUnsized(why string) {
	tc.Helper()
	tc.Eventually("the TenantCluster's SizeApplied says "+why, hosted.Usable, func(ctx context.Context) (bool, string) {
		out, err := tc.TryKubectl(ctx, "get", "tenantcluster", tc.Name, "-o",
			`jsonpath={range .status.conditions[?(@.type=="SizeApplied")]}{.status} {.message}{end}`)
		done := why == "" && strings.HasPrefix(out, "True") || why != "" && strings.HasPrefix(out, "False") && strings.Contains(out, why)
		return err == nil && done, fmt.Sprint(out, err)
	})
}

// occupy requests, without using it, nearly all memory of a node.
func (tc scaled) occupy(node string) {
	tc.Helper()
	all, err := tc.TryKubectl(tc.Context(), "get", "node", node, "-o", "jsonpath={.status.allocatable.memory}")
	if err != nil {
		tc.Fatal(err)
	}
	var kib int64
	if _, err := fmt.Sscanf(all, "%dKi", &kib); err != nil {
		tc.Fatalf("allocatable memory is %q: %v", all, err)
	}
	tc.Apply(fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: lodger}
spec:
  nodeName: %s
  tolerations: [{operator: Exists}]
  terminationGracePeriodSeconds: 1
  containers:
  - name: lodger
    image: {{image "workload"}}
    imagePullPolicy: Never
    args: [wait]
    resources: {requests: {memory: %dMi}}
`, node, kib>>10-4<<10))
	tc.RunningPod("lodger")
}

// All three members are killed before anybody helps: they end at one size, with their data.
func TestThreeMembersAreKilled(t *testing.T) {
	tc := newScaled(t, "triple", "  etcd: {members: 3}")
	tc.Remember("before")
	tc.fill()
	stop, _ := tc.storm()
	hosted.Without(tc.Scenario, []string{hosted.ClusterScaler}, func() {
		for i := range 3 {
			tc.awaitKill(fmt.Sprintf("etcd-%d", i))
		}
	})
	tc.awaitGrowth()
	stop()
	tc.AwaitReady()
	tc.MustRemember("before")
	tc.mustBeAsDecided()
}
