package plan

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/metapilot/metapilot/internal/units"
	"github.com/metapilot/metapilot/scaler/model"
)

// Faults that decisions have had. Each test says what is right; one whose fault is known and not mended yet is skipped, and says why.

// member is an etcd of three members with room on its node.
func member() (*model.Observed, *model.Policy) {
	w := newWorld()
	w.build("etcd", 3, true, model.Size{Requests: model.Amounts{CPU: 50, Memory: 96 << 20}, Limits: model.Amounts{Memory: 512 << 20}})
	w.o.Nodes = []model.Node{
		{Name: "n1", Allocatable: model.Amounts{CPU: 4000, Memory: 15 << 30}, Free: model.Amounts{CPU: 4000, Memory: 15 << 30}},
	}
	for i := range w.o.Pods {
		w.o.Pods[i].Node = "n1"
	}
	p := Defaults()
	return &w.o, &p
}

// settle gives every pod the decided size.
func settle(o *model.Observed) {
	resize(o, o.Size)
	for i := range o.Pods {
		o.Pods[i].Actual = o.Size
	}
}

// uses gives a pod readings that go from one amount to the other.
func uses(pod *model.Pod, cpu, from, to int64) {
	for k := range int64(40) {
		pod.Usage = append(pod.Usage, model.Sample{
			At: start.Add(time.Duration(k-39) * samplePeriod), CPU: cpu, Memory: from + (to-from)*k/39,
		})
	}
}

func killed(o *model.Observed, pod int, limit int64) {
	o.Pods[pod].Ready = false
	o.Kills = append(o.Kills, model.Kill{Pod: o.Pods[pod].Name, Container: fmt.Sprint(len(o.Kills)), At: o.Now, Limit: limit})
}

func TestKillStaysUrgentWhereUseProposesMore(t *testing.T) {
	o, p := member()
	killed(o, 0, 512<<20)
	uses(&o.Pods[1], 10, 350<<20, 500<<20) // its line leads to more than 1.5 times the limit
	o.Grown = start.Add(-time.Second)
	if plan := Decide(o, p); plan.Decision != model.Up {
		t.Errorf("%s: %s", plan.Decision, plan.Reason)
	}
}

func TestCPUWithoutRoomDoesNotKeepMemoryFromGrowing(t *testing.T) {
	o, p := member()
	killed(o, 0, 512<<20)
	uses(&o.Pods[1], 49, 200<<20, 200<<20)
	o.Nodes[0].Free.CPU = 0
	if plan := Decide(o, p); plan.Decision != model.Up || plan.To.Limits.Memory <= 512<<20 || plan.To.Requests.CPU != 50 {
		t.Errorf("%s to %s: %s", plan.Decision, words(plan.To), plan.Reason)
	}
}

func TestStepThatIsTooLargeForTheNodeIsTrimmedToIt(t *testing.T) {
	o, p := member()
	o.Size.Limits.Memory = 6 << 30
	settle(o)
	o.Kills = []model.Kill{{Pod: "etcd-1", Container: "old", At: start.Add(-time.Minute), Limit: 4 << 30}}
	killed(o, 0, 6<<30)
	if plan := Decide(o, p); plan.Decision != model.Up || plan.To.Limits.Memory <= 6<<30 || plan.To.Limits.Memory > 15<<30 {
		t.Errorf("%s to %s: %s", plan.Decision, words(plan.To), plan.Reason)
	}
}

// reverted is a component whose growth was taken back, with the kill that had called for it.
func reverted(o *model.Observed, from model.Size) {
	killed(o, 0, o.Size.Limits.Memory)
	o.Remember(model.Decided{Decision: model.Revert, From: from, To: o.Size, At: o.Now})
}

func TestRevertIsNotForgottenWithItsOwnHold(t *testing.T) {
	o, p := member()
	reverted(o, o.Size.With(model.Memory, 768<<20, 512<<20))
	for range 3 {
		plan := Decide(o, p)
		if plan.Decision != model.Hold {
			t.Fatalf("%s: %s", plan.Decision, plan.Reason)
		}
		carryOut(o, &plan)
		o.Now = o.Now.Add(time.Minute)
	}
}

func TestRevertHoldsWithoutKnownNodes(t *testing.T) {
	o, p := member()
	o.Nodes = nil
	reverted(o, o.Size.With(model.Memory, 768<<20, 512<<20))
	if plan := Decide(o, p); plan.Decision != model.Hold {
		t.Errorf("%s: %s", plan.Decision, plan.Reason)
	}
}

func TestInfeasibleLimitIsNotTriedAgain(t *testing.T) {
	o, p := member()
	o.Nodes[0].Free.Memory = 0
	reverted(o, o.Size.With(model.Memory, 768<<20, 0))
	if plan := Decide(o, p); plan.Decision != model.Hold {
		t.Errorf("%s to %s: %s", plan.Decision, words(plan.To), plan.Reason)
	}
}

func TestDryRunOfRevertRemembersNothing(t *testing.T) {
	o, p := member()
	killed(o, 0, o.Size.Limits.Memory)
	o.Remember(model.Decided{Decision: model.Revert, DryRun: true, From: o.Size.With(model.Memory, 768<<20, 512<<20), To: o.Size, At: o.Now})
	if plan := Decide(o, p); plan.Decision != model.Up {
		t.Errorf("%s: %s", plan.Decision, plan.Reason)
	}
}

func TestHoldAfterRevertKnowsItsEnd(t *testing.T) {
	o, p := member()
	reverted(o, o.Size.With(model.Memory, 768<<20, 512<<20))
	if plan := Decide(o, p); plan.Recheck != time.Hour {
		t.Errorf("looked at again in %s", plan.Recheck)
	}
}

func TestInfeasibleSizeIsRevertedAfterAnotherRecord(t *testing.T) {
	o, p := member()
	before := o.Size
	p.Max.Memory = 768 << 20
	killed(o, 0, 512<<20)
	plan := Decide(o, p)
	carryOut(o, &plan)
	uses(&o.Pods[1], 49, 300<<20, 300<<20) // what other resource is held for long enough to be told
	o.Nodes[0].Free.CPU = 0
	o.Now, o.Pods[0].Ready = o.Now.Add(2*time.Minute), true
	settle(o)
	plan = Decide(o, p)
	carryOut(o, &plan)
	o.Pods[2].Actual, o.Pods[2].Pending, o.Pods[2].Says = before, "Infeasible", "not supported"
	if plan := Decide(o, p); plan.Decision != model.Revert {
		t.Errorf("after %s by %s: %s: %s", o.Last.Decision, o.Last.Guard, plan.Decision, plan.Reason)
	}
}

func TestRevertThatWasOnlyWrittenDownIsCarriedOut(t *testing.T) {
	o, p := member()
	kept := o.Size
	o.Size = o.Size.With(model.Memory, 768<<20, 512<<20)
	settle(o)
	o.Pods[2].Actual, o.Pods[2].Pending, o.Pods[2].Says = kept, "Infeasible", "not supported"
	o.Remember(model.Decided{Decision: model.Up, From: kept, To: o.Size, At: start.Add(-time.Minute)})
	plan := Decide(o, p)
	if plan.Decision != model.Revert {
		t.Fatalf("%s: %s", plan.Decision, plan.Reason)
	}
	o.Remember(plan.Decided(o.Now)) // and here the scaler dies
	if again := Decide(o, p); again.Decision != model.Revert {
		t.Errorf("%s: %s", again.Decision, again.Reason)
	}
}

func TestRestartThatGoesOnIsNotDecidedAgain(t *testing.T) {
	o, p := member()
	o.Pods[0].GoMemLimit = units.GoMemLimit(256 << 20)
	plan := Decide(o, p)
	if plan.Decision != model.Restart {
		t.Fatalf("%s: %s", plan.Decision, plan.Reason)
	}
	o.Remember(plan.Decided(o.Now))
	o.Moves, o.Restarted, o.Restarting = append(o.Moves, o.Now), o.Now, true
	o.Now = o.Now.Add(time.Second) // restartedAt is written, and the pods are still there
	if again := Decide(o, p); acts(&again) {
		t.Errorf("%s: %s", again.Decision, again.Reason)
	}
}

func TestHoldIsNotToldAnewForOneGrain(t *testing.T) {
	o, p := member()
	p.Up = model.Off
	uses(&o.Pods[0], 41, 200<<20, 200<<20) // to 70m
	plan := Decide(o, p)
	carryOut(o, &plan)
	o.Pods[0].Usage = nil
	uses(&o.Pods[0], 43, 200<<20, 200<<20) // to 80m
	if again := Decide(o, p); plan.Decision != model.Hold || again.Decision != model.Hold || again.Record() {
		t.Errorf("%s, and then %s, news %t", Explain(&plan), Explain(&again), again.Record())
	}
}

// Noise takes one of two wishes away, and brings it back.
func TestHoldIsNotToldAnewForLess(t *testing.T) {
	o, p := member()
	p.Up = model.Off
	killed(o, 0, 512<<20)
	uses(&o.Pods[0], 500, 200<<20, 200<<20)
	plan := Decide(o, p)
	carryOut(o, &plan)
	busy := o.Pods[0].Usage
	for range 3 {
		o.Pods[0].Usage = nil
		if less := Decide(o, p); less.Decision != model.Hold || less.News || less.Wants == plan.Wants {
			t.Errorf("%s, and then %s, news %t", Explain(&plan), Explain(&less), less.News)
		}
		o.Pods[0].Usage = busy
		if again := Decide(o, p); again.Decision != model.Hold || again.News || again.Wants != plan.Wants {
			t.Errorf("%s, and then %s, news %t", Explain(&plan), Explain(&again), again.News)
		}
	}
}

func TestWhatWasToldIsComparedWithWhatIsWanted(t *testing.T) {
	size := func(cpu, memory int64) model.Size {
		return model.Size{Requests: model.Amounts{CPU: cpu, Memory: memory << 20}}
	}
	for name, tc := range map[string]struct {
		before, wanted model.Size
		want           bool
	}{
		"the same":                   {size(200, 768), size(200, 768), true},
		"a little more":              {size(200, 768), size(210, 768), true},
		"one of two is left":         {size(200, 768), size(100, 768), true},
		"the other one is":           {size(200, 768), size(200, 512), true},
		"more of one":                {size(200, 768), size(100, 1024), false},
		"another one":                {size(200, 512), size(100, 768), false},
		"a restart at the same size": {size(100, 512), size(100, 512), true},
		"a restart at another size":  {size(300, 512), size(100, 512), false},
	} {
		if got := told(tc.before, tc.wanted, size(100, 512)); got != tc.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestHoldAtTheBoundIsToldWithWhatWasWanted(t *testing.T) {
	o, p := member()
	p.Max.Memory = 512 << 20
	killed(o, 0, 512<<20)
	if plan := Decide(o, p); plan.Decision != model.Hold || !plan.Record() || plan.Wants.Limits.Memory != 768<<20 {
		t.Errorf("%s to %s, news %t: %s", plan.Decision, words(plan.Wants), plan.Record(), plan.Reason)
	}
}

func TestUrgencyOfMemoryIsNotThatOfCPU(t *testing.T) {
	o, p := member()
	p.Max.Memory = 512 << 20
	killed(o, 0, 512<<20)
	uses(&o.Pods[1], 500, 200<<20, 200<<20)
	o.Grown = o.Now
	if plan := Decide(o, p); plan.Decision == model.Up {
		t.Errorf("without waiting for the cool-down: %s", Explain(&plan))
	}
}

func TestGrowthReachesTheLowerBound(t *testing.T) {
	o, p := member()
	p.Min.Memory = 2 << 30
	killed(o, 0, 512<<20)
	if plan := Decide(o, p); plan.To.Limits.Memory != 2<<30 {
		t.Errorf("%s to %s", plan.Decision, words(plan.To))
	}
}

func TestUpperBoundHoldsAlsoBelowTheLowerOneOfAnotherLayer(t *testing.T) {
	o, p := member()
	p.Min.Memory, p.Max.Memory = 2<<30, 600<<20
	killed(o, 0, 512<<20)
	if plan := Decide(o, p); plan.To.Limits.Memory > 600<<20 {
		t.Errorf("%s to %s", plan.Decision, words(plan.To))
	}
}

func TestLimitAboveEveryNodeDoesNotKeepCPUFromGrowing(t *testing.T) {
	o, p := member()
	o.Size.Limits.Memory = 64 << 30
	settle(o)
	uses(&o.Pods[0], 49, 200<<20, 200<<20)
	if plan := Decide(o, p); plan.Decision != model.Up {
		t.Errorf("%s: %s", plan.Decision, plan.Reason)
	}
}

func TestKillOnClosedNodeIsFollowedInPlace(t *testing.T) {
	o, p := member()
	o.Nodes[0].Closed = true // cordoned for maintenance, like all others that are large enough
	killed(o, 0, 512<<20)
	if plan := Decide(o, p); plan.Decision != model.Up {
		t.Errorf("%s: %s", plan.Decision, plan.Reason)
	}
}

func TestTrimmedRequestIsNotBelowTheDecidedOne(t *testing.T) {
	o, p := member()
	o.Size = o.Size.With(model.Memory, 768<<20, 512<<20)
	o.Nodes[0].Free.Memory = 0
	o.Pods[0].Size = o.Size
	killed(o, 0, 768<<20)
	if plan := Decide(o, p); plan.Decision == model.Up && plan.To.Requests.Memory < o.Size.Requests.Memory {
		t.Errorf("from %s to %s: %s", words(plan.From), words(plan.To), plan.Reason)
	}
}

func TestPodsOfOneNodeShareItsRoom(t *testing.T) {
	o, p := member()
	o.Nodes[0].Free.CPU = 40
	uses(&o.Pods[0], 49, 200<<20, 200<<20) // 32m more, for each of three pods
	if plan := Decide(o, p); plan.Decision != model.Hold {
		t.Errorf("%s: %s", plan.Decision, Explain(&plan))
	}
}

func TestRowOfKillsGoesOnFromTheFirstKillAtALimit(t *testing.T) {
	o, p := member()
	for _, k := range []struct {
		ago   time.Duration
		limit int64
	}{{35 * time.Minute, 256 << 20}, {25 * time.Minute, 512 << 20}} {
		o.Kills = append(o.Kills, model.Kill{Pod: "etcd-0", Container: k.ago.String(), At: start.Add(-k.ago), Limit: k.limit})
	}
	before := Decide(o, p)
	killed(o, 1, 512<<20)
	if after := Decide(o, p); after.To.Limits.Memory < before.To.Limits.Memory {
		t.Errorf("with one more kill %s, before it was %s", words(after.To), words(before.To))
	}
}

func TestGrowthNeverMakesAPodGuaranteed(t *testing.T) {
	o, p := member()
	o.Size.Limits.CPU = o.Size.Requests.CPU
	settle(o)
	p.Max.Memory = 700 << 20
	killed(o, 0, 512<<20)
	uses(&o.Pods[1], 10, 900<<20, 900<<20) // it has a larger limit from before
	if plan := Decide(o, p); plan.To.Requests == plan.To.Limits {
		t.Errorf("%s to %s", plan.Decision, words(plan.To))
	}
}

func TestContainerWithoutAmountsIsNotGivenAny(t *testing.T) {
	o, p := member()
	o.Size = model.Size{}
	settle(o)
	killed(o, 0, 0)
	uses(&o.Pods[1], 10, 900<<20, 900<<20)
	if plan := Decide(o, p); plan.Decision != model.Stay {
		t.Errorf("%s to %s", plan.Decision, words(plan.To))
	}
}

func TestContainerWithoutAmountsIsNotGivenAnyByAProfile(t *testing.T) {
	o, p := large()
	o.Size = model.Size{}
	settle(o)
	if plan := Decide(o, p); plan.Decision != model.Stay || plan.Smaller == "" {
		t.Errorf("%s to %s: %s", plan.Decision, words(plan.To), plan.Smaller)
	}
}

func TestReasonSaysThatTheStepWasTrimmed(t *testing.T) {
	o, p := member()
	uses(&o.Pods[0], 500, 200<<20, 200<<20)
	plan := Decide(o, p)
	for _, v := range plan.Verdicts {
		if v.Guard == "step" && strings.Contains(v.Says, "trimmed") {
			return
		}
	}
	t.Errorf("%s: %+v", Explain(&plan), plan.Verdicts)
}

func TestReasonIsOnlyAboutWhatChanges(t *testing.T) {
	o, p := member()
	p.Max.Memory = 512 << 20
	uses(&o.Pods[0], 49, 500<<20, 500<<20)
	if plan := Decide(o, p); plan.Decision != model.Up || strings.Contains(plan.Reason, "500Mi") {
		t.Errorf("%s: %s", plan.Decision, Explain(&plan))
	}
}

func TestBudgetSaysWhenThereIsRoomAgain(t *testing.T) {
	o, p := member()
	o.Pods[0].GoMemLimit = units.GoMemLimit(256 << 20)
	for ago := range 8 {
		o.Moves = append(o.Moves, start.Add(time.Duration(ago-9)*time.Minute))
	}
	plan := Decide(o, p)
	o.Now = o.Now.Add(plan.Recheck)
	if again := Decide(o, p); again.Decision != model.Restart {
		t.Errorf("after waiting for %s: %s: %s", plan.Recheck, again.Decision, again.Reason)
	}
}

func TestHeldGrowthDoesNotKeepARestartFromHelping(t *testing.T) {
	o, p := member()
	p.Max.CPU = 50
	o.Pods[0].GoMemLimit = units.GoMemLimit(256 << 20) // with it, the collector needs the CPU
	uses(&o.Pods[0], 49, 300<<20, 300<<20)
	if plan := Decide(o, p); plan.Decision != model.Restart {
		t.Errorf("%s: %s", plan.Decision, plan.Reason)
	}
}

func TestResizeThatTheKubeletHasNotDoneYetIsUnderWay(t *testing.T) {
	o, p := member()
	uses(&o.Pods[0], 49, 300<<20, 300<<20)
	o.Pods[1].Actual.Requests.CPU = 20
	if plan := Decide(o, p); plan.Decision != model.Hold {
		t.Errorf("%s: %s", plan.Decision, plan.Reason)
	}
}

// homeless is a component that has grown at a time, of which one pod finds no node since.
func homeless(grown time.Duration) (*model.Observed, *model.Policy) {
	o, p := member()
	before := o.Size
	o.Size = o.Size.With(model.Memory, 768<<20, 512<<20)
	settle(o)
	o.Remember(model.Decided{Decision: model.Up, From: before, To: o.Size, At: o.Now.Add(-grown), Stored: true})
	pod := &o.Pods[2]
	pod.Node, pod.Placed, pod.Running, pod.Ready, pod.Pending, pod.Says = "", false, false, false, "Unschedulable", "0/2 nodes"
	return o, p
}

func TestRequestsThatNoNodeHasAreGivenBackAndTheLimitStays(t *testing.T) {
	o, p := homeless(time.Minute)
	before := o.Carried.From
	plan := Decide(o, p)
	if plan.Decision != model.Revert || plan.To.Requests != before.Requests || plan.To.Limits != o.Size.Limits {
		t.Fatalf("%s to %s: %s", plan.Decision, words(plan.To), plan.Reason)
	}
	carryOut(o, &plan)
	settle(o)
	o.Pods[2].Node, o.Pods[2].Placed, o.Pods[2].Running, o.Pods[2].Pending = o.Pods[0].Node, true, true, ""
	o.Now = o.Now.Add(time.Minute)
	killed(o, 0, 768<<20)
	if plan := Decide(o, p); plan.Decision != model.Up || plan.To.Requests.Memory != before.Requests.Memory || plan.To.Limits.Memory <= 768<<20 {
		t.Errorf("after another kill: %s to %s: %s", plan.Decision, words(plan.To), plan.Reason)
	}
}

func TestGrowthOfLongAgoIsNotBlamedForAPodWithoutANode(t *testing.T) {
	o, p := homeless(time.Hour)
	if plan := Decide(o, p); acts(&plan) {
		t.Errorf("%s to %s: %s", plan.Decision, words(plan.To), plan.Reason)
	}
}

// Where a written size replaces pods, growth by utilisation is a disruptive move, and a rescue is not held for it.
func TestGrowthThatReplacesPodsCountsInTheFleet(t *testing.T) {
	o, p := member()
	o.Replaced = true
	for range p.FleetMoves {
		o.Moves = append(o.Moves, o.Now.Add(-time.Minute))
	}
	uses(&o.Pods[0], 49, 200<<20, 200<<20)
	if plan := Decide(o, p); plan.Decision != model.Hold || plan.Held.Guard != "fleet-budget" {
		t.Errorf("growth by utilisation: %s: %s", plan.Decision, plan.Reason)
	}
	killed(o, 0, 512<<20)
	if plan := Decide(o, p); plan.To.Limits.Memory != 768<<20 {
		t.Errorf("after a kill: %s to %s: %s", plan.Decision, words(plan.To), plan.Reason)
	}
}

// Somebody else's size of a plain workload is left alone for a while, which is told, and not for ever.
func TestSomebodyElsesSizeIsLeftAloneForAWhile(t *testing.T) {
	o, p := member()
	killed(o, 0, 512<<20)
	o.Foreign, o.Yields = "helm", o.Now.Add(10*time.Minute)
	if plan := Decide(o, p); plan.Decision != model.Hold || plan.Held.Guard != "owner" || plan.Recheck != 10*time.Minute {
		t.Errorf("%s, again in %s: %s", plan.Decision, plan.Recheck, plan.Reason)
	}
}
