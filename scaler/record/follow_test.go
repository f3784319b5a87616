package record

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler/model"
	"github.com/metapilot/metapilot/scaler/plan"
)

// past is a decided growth of etcd from 512Mi to 768Mi, and what is seen of it later: two members that have it and are well.
type past struct {
	record *v1alpha1.ScalingRecord
	o      *model.Observed
	p      model.Policy
}

func decided(phase v1alpha1.RecordPhase, changes ...func(*past)) *past {
	o, p := killed()
	h := &past{record: New(scaler(), o, p), p: plan.Defaults()}
	h.record.Status.Phase = phase
	h.o = &model.Observed{Now: noon.Add(2 * time.Second), Component: "etcd", Size: memory(512, 768), Kills: o.Kills}
	for _, name := range []string{"etcd-0", "etcd-1"} {
		h.o.Pods = append(h.o.Pods, model.Pod{Name: name, Size: h.o.Size, Actual: h.o.Size, Running: true, Ready: true, Placed: true})
	}
	for _, c := range changes {
		c(h)
	}
	return h
}

// effective is what followed when the size was there for a while.
func effective(after time.Duration, changes ...func(*past)) *past {
	return decided(v1alpha1.PhaseEffective, append([]func(*past){func(h *past) {
		at := metav1.NewMicroTime(noon.Add(2 * time.Second))
		h.record.Status.EffectiveAt = &at
		h.o.Now = at.Add(after)
	}}, changes...)...)
}

func (h *past) follow() (v1alpha1.ScalingRecordStatus, time.Duration) {
	return Follow(h.record, h.o, &h.p)
}

func (h *past) kill(after time.Duration, limit int64) {
	at := h.record.Status.EffectiveAt.Add(after).Truncate(time.Second) // kubelets tell whole seconds
	h.o.Kills = append(h.o.Kills, model.Kill{Pod: "etcd-0", Container: after.String(), At: at, Limit: limit * mi})
}

func TestRecordSaysHowFarItsDecisionHasGot(t *testing.T) {
	restart := func(h *past) {
		h.record.Spec.Decision, h.record.Spec.To = v1alpha1.DecisionRestart, plan.InAPI(h.o.Size)
	}
	for name, tc := range map[string]struct {
		of      *past
		phase   v1alpha1.RecordPhase
		message string
	}{
		"its scaler died before it could say that the mode is DryRun": {
			decided("", func(h *past) { h.record.Spec.DryRun = true }), v1alpha1.PhaseDryRun, "left out, because the mode is DryRun",
		},
		"its scaler died before it could say that a guard held it": {
			decided("", func(h *past) { h.record.Spec.Decision, h.record.Spec.Reason = v1alpha1.DecisionHold, "paused" }), v1alpha1.PhaseHeld, "paused",
		},
		"its scaler died after it had stored the size": {
			decided("", func(h *past) { h.o.Pods[0].Actual = memory(96, 512) }), v1alpha1.PhaseApplied, "etcd-0 still has 512Mi of memory, not 768Mi",
		},
		"its scaler died before it had stored the size, a moment ago": {
			decided("", func(h *past) { h.o.Size = memory(96, 512) }), "", "",
		},
		"its scaler died before it had stored the size, and nobody has": {
			decided("", func(h *past) { h.o.Size, h.o.Now = memory(96, 512), noon.Add(2*time.Minute) }), v1alpha1.PhaseFailed, "it was not carried out",
		},
		"another size came before any container had it": {
			decided(v1alpha1.PhaseApplied, func(h *past) { h.o.Size = memory(512, 1024) }),
			v1alpha1.PhaseSuperseded, "another size was decided before this one took effect",
		},
		"a pod does not ask for it": {
			decided(v1alpha1.PhaseApplied, func(h *past) { h.o.Pods[1].Size = memory(96, 512) }), v1alpha1.PhaseApplied, "etcd-1 has not been resized yet",
		},
		"a pod asks for it and has not got it": {
			decided(v1alpha1.PhaseApplied, func(h *past) { h.o.Pods[1].Actual = memory(96, 512) }), v1alpha1.PhaseApplied, "etcd-1 still has 512Mi of memory, not 768Mi",
		},
		"the kubelet has no room": {
			decided(v1alpha1.PhaseApplied, func(h *past) { h.o.Pods[1].Pending, h.o.Pods[1].Says = "Deferred", "node is full" }),
			v1alpha1.PhaseApplied, "the resize of etcd-1 is Deferred: node is full",
		},
		"a container does not run": {
			decided(v1alpha1.PhaseApplied, func(h *past) { h.o.Pods[0].Running = false }), v1alpha1.PhaseApplied, "etcd-0 does not run",
		},
		"there are no pods": {decided(v1alpha1.PhaseApplied, func(h *past) { h.o.Pods = nil }), v1alpha1.PhaseApplied, "it has no pods"},
		"only a pod that leaves has not got it": {
			decided(v1alpha1.PhaseApplied, func(h *past) { h.o.Pods[0].Terminating, h.o.Pods[0].Size = true, memory(96, 512) }),
			v1alpha1.PhaseEffective, "all its containers run with it",
		},
		"all containers run with it": {decided(v1alpha1.PhaseApplied), v1alpha1.PhaseEffective, "all its containers run with it"},
		"a restart, and a pod is still of before": {
			decided(v1alpha1.PhaseApplied, restart, func(h *past) { h.o.Restarting = true }), v1alpha1.PhaseApplied, "its pods are being replaced",
		},
		"a restart, and all pods are new": {decided(v1alpha1.PhaseApplied, restart), v1alpha1.PhaseEffective, "all its containers run with it"},
		"a restart, and its scaler died before it had asked for it": {
			decided("", restart, func(h *past) { h.o.Now = noon.Add(2 * time.Minute) }), v1alpha1.PhaseFailed, "it was not carried out",
		},
		"a restart, and its scaler died after it had asked for it": {
			decided("", restart, func(h *past) { h.o.Restarted, h.o.Restarting = noon, true }), v1alpha1.PhaseApplied, "its pods are being replaced",
		},
		"its write has failed": {
			decided(v1alpha1.PhaseFailed, func(h *past) { h.o.Size = memory(96, 512) }), v1alpha1.PhaseFailed, "",
		},
		"its write has failed, and arrived all the same": {
			decided(v1alpha1.PhaseFailed, func(h *past) { h.o.Pods[0].Actual = memory(96, 512) }),
			v1alpha1.PhaseApplied, "etcd-0 still has 512Mi of memory, not 768Mi",
		},
		"no node takes a pod of this size": {
			decided(v1alpha1.PhaseApplied, func(h *past) {
				h.o.Pods[1].Pending, h.o.Pods[1].Says, h.o.Pods[1].Placed = "Unschedulable", "0/2 nodes", false
			}),
			v1alpha1.PhaseApplied, "no node takes etcd-1: 0/2 nodes",
		},
		"early check of more CPU": {
			effective(15*time.Minute, func(h *past) { h.record.Spec.From.Limits = h.record.Spec.To.Limits }), v1alpha1.PhaseVerified, "every pod is ready",
		},
		"before the early check":              {effective(14 * time.Minute), v1alpha1.PhaseEffective, ""},
		"early check, all is well":            {effective(15 * time.Minute), v1alpha1.PhaseVerified, "no OOM kill at this size"},
		"killed again at this size":           {effective(time.Minute, func(h *past) { h.kill(30*time.Second, 768) }), v1alpha1.PhaseEscalated, "it was not enough: killed again at this size"},
		"killed at a lower size, as before":   {effective(time.Minute, func(h *past) { h.kill(30*time.Second, 512) }), v1alpha1.PhaseEffective, ""},
		"killed before it had the size":       {effective(time.Minute, func(h *past) { h.kill(-time.Minute, 768) }), v1alpha1.PhaseEffective, ""},
		"killed in the second of the effect":  {effective(time.Minute, func(h *past) { h.late(900); h.kill(50*time.Millisecond, 768) }), v1alpha1.PhaseEscalated, "it was not enough: killed again at this size"},
		"early check, and a pod is not ready": {effective(15*time.Minute, func(h *past) { h.o.Pods[1].Ready = false }), v1alpha1.PhaseDegraded, "no OOM kill at this size; etcd-1 is not ready"},
	} {
		t.Run(name, func(t *testing.T) {
			got, _ := tc.of.follow()
			if got.Phase != tc.phase || got.Message != tc.message {
				t.Errorf("it is %q: %s\nwant %q: %s", got.Phase, got.Message, tc.phase, tc.message)
			}
		})
	}
}

// late moves the effect by some milliseconds.
func (h *past) late(milliseconds int) {
	at := metav1.NewMicroTime(h.record.Status.EffectiveAt.Add(time.Duration(milliseconds) * time.Millisecond))
	h.record.Status.EffectiveAt = &at
}

func TestRecordMeasuresFromTheKillToTheEffect(t *testing.T) {
	got, again := decided(v1alpha1.PhaseApplied).follow()
	if got.EffectiveAt == nil || !got.EffectiveAt.Time.Equal(noon.Add(2*time.Second)) {
		t.Fatalf("the effect is told at %v", got.EffectiveAt)
	}
	if *got.DecisionToEffectMilliseconds != 1500 || *got.SignalToEffectMilliseconds != 2000 {
		t.Errorf("%d ms from the decision and %d ms from the kill", *got.DecisionToEffectMilliseconds, *got.SignalToEffectMilliseconds)
	}
	if again != 15*time.Minute {
		t.Errorf("it is looked at again in %s, not at its early check", again)
	}
}

func TestRecordWithoutASignalMeasuresFromItsDecision(t *testing.T) {
	h := decided(v1alpha1.PhaseApplied)
	h.record.Spec.SignalAt = nil
	if got, _ := h.follow(); got.SignalToEffectMilliseconds != nil || *got.DecisionToEffectMilliseconds != 1500 {
		t.Errorf("measured are %v and %v", got.SignalToEffectMilliseconds, got.DecisionToEffectMilliseconds)
	}
}

// From its decision to the end: each look is as long as the look before said, and what is said once stays.
func TestRecordIsLookedAtTwiceAndThenNeverAgain(t *testing.T) {
	h := decided(v1alpha1.PhaseApplied)
	var phases []v1alpha1.RecordPhase
	for range 10 {
		status, again := h.follow()
		h.record.Status = status
		phases = append(phases, status.Phase)
		if again == 0 {
			break
		}
		h.o.Now = h.o.Now.Add(again)
	}
	if want := []v1alpha1.RecordPhase{v1alpha1.PhaseEffective, v1alpha1.PhaseVerified, v1alpha1.PhaseVerified}; !slices.Equal(phases, want) {
		t.Errorf("its phases are %q, want %q", phases, want)
	}
	outcomes := h.record.Status.Outcomes
	if len(outcomes) != 2 || outcomes[0].Check != "early" || outcomes[1].Check != "late" || !outcomes[0].Good || !outcomes[1].Good {
		t.Errorf("its outcomes are %+v", outcomes)
	}
	if gap := outcomes[1].At.Sub(h.record.Status.EffectiveAt.Time); gap != 24*time.Hour {
		t.Errorf("the late check was %s after the effect", gap)
	}
	before := h.record.Status
	h.o.Now = h.o.Now.Add(time.Hour)
	if after, again := h.follow(); !equality.Semantic.DeepEqual(before, after) || again != 0 {
		t.Errorf("it goes on after its late check: %+v, again in %s", after, again)
	}
}

func TestOutcomeCountsKills(t *testing.T) {
	got, _ := effective(time.Minute, func(h *past) { h.kill(10*time.Second, 768); h.kill(30*time.Second, 768) }).follow()
	if len(got.Outcomes) != 1 || got.Outcomes[0].Good || got.Outcomes[0].OOMKills != 2 || got.Outcomes[0].Says != "2 OOM kills at this size" {
		t.Errorf("its outcomes are %+v", got.Outcomes)
	}
}

// lowered is a step down that has taken effect, and what came after.
func lowered(back model.Decision, after time.Duration, to model.Size) *past {
	return effective(after, func(h *past) {
		h.record.Spec.Decision, h.record.Spec.From, h.record.Spec.To = v1alpha1.DecisionDown, plan.InAPI(memory(512, 768)), plan.InAPI(memory(384, 576))
		h.o.Size = to
		h.o.Carried = model.Decided{Decision: back, From: memory(384, 576), To: to, At: h.o.Now}
	})
}

func TestStepDownThatIsTakenBackSaysSo(t *testing.T) {
	for name, tc := range map[string]struct {
		of   *past
		want v1alpha1.RecordPhase
	}{
		"to what it had":                  {lowered(model.Up, 10*time.Minute, memory(512, 768)), v1alpha1.PhaseRegretted},
		"to more":                         {lowered(model.Up, 10*time.Minute, memory(512, 2048)), v1alpha1.PhaseRegretted},
		"because a kubelet did not do it": {lowered(model.Revert, 20*time.Minute, memory(512, 768)), v1alpha1.PhaseRegretted},
		"to less than it had":             {lowered(model.Up, 10*time.Minute, memory(384, 600)), v1alpha1.PhaseEffective},
		"after it was watched":            {lowered(model.Up, 2*time.Hour, memory(512, 768)), v1alpha1.PhaseVerified},
		"by another step down":            {lowered(model.Down, 10*time.Minute, memory(512, 768)), v1alpha1.PhaseEffective},
		"by what was not carried out yet": {func() *past {
			h := lowered(model.Up, 10*time.Minute, memory(512, 768))
			h.o.Size = memory(384, 576)
			return h
		}(), v1alpha1.PhaseEffective},
		"before any container had it": {func() *past {
			h := lowered(model.Up, 10*time.Minute, memory(512, 768))
			h.record.Status.Phase, h.record.Status.EffectiveAt = v1alpha1.PhaseApplied, nil
			return h
		}(), v1alpha1.PhaseRegretted},
	} {
		t.Run(name, func(t *testing.T) {
			got, _ := tc.of.follow()
			if got.Phase != tc.want {
				t.Errorf("it is %s: %s, want %s", got.Phase, got.Message, tc.want)
			}
			if regretted := len(got.Outcomes) == 1 && got.Outcomes[0].Check == "watch" && !got.Outcomes[0].Good; regretted != (tc.want == v1alpha1.PhaseRegretted) {
				t.Errorf("its outcomes are %+v", got.Outcomes)
			}
		})
	}
}

// What is at its end stays there, whatever happens later.
func TestRecordAtItsEndStaysAsItIs(t *testing.T) {
	for _, phase := range []v1alpha1.RecordPhase{
		v1alpha1.PhaseEscalated, v1alpha1.PhaseRegretted, v1alpha1.PhaseSuperseded, v1alpha1.PhaseDryRun, v1alpha1.PhaseHeld,
	} {
		h := effective(48*time.Hour, func(h *past) { h.record.Status.Phase = phase; h.kill(time.Minute, 768) })
		if got, again := h.follow(); got.Phase != phase || again != 0 || len(got.Outcomes) != 0 {
			t.Errorf("%s became %s with %d outcomes, and is looked at again in %s", phase, got.Phase, len(got.Outcomes), again)
		}
	}
}

// A kill says something about the size at which it happened, and nothing about those before it.
func TestKillAtALaterSizeSaysNothingAboutThisOne(t *testing.T) {
	got, _ := effective(time.Hour, func(h *past) {
		h.record.Status.Phase = v1alpha1.PhaseVerified
		h.record.Status.Outcomes = []v1alpha1.Outcome{{Check: "early", Good: true}}
		h.o.Size = memory(768, 2048)
		h.kill(50*time.Minute, 2048)
	}).follow()
	if got.Phase != v1alpha1.PhaseVerified {
		t.Errorf("after a kill at 2Gi the growth to 768Mi, which was followed by others, is %s: %s", got.Phase, got.Message)
	}
}

func TestKillSaysNothingAboutAGrowthOfCPU(t *testing.T) {
	got, _ := effective(time.Minute, func(h *past) {
		from, to := memory(512, 768), memory(512, 768)
		to.Requests.CPU = 200
		h.record.Spec.From, h.record.Spec.To, h.o.Size = plan.InAPI(from), plan.InAPI(to), to
		h.kill(30*time.Second, 768)
	}).follow()
	if got.Phase != v1alpha1.PhaseEffective {
		t.Errorf("after an OOM kill the growth of CPU is %s: %s", got.Phase, got.Message)
	}
}

func TestFollowingChangesNothingButTheStatusThatItReturns(t *testing.T) {
	h := decided(v1alpha1.PhaseApplied)
	record, o := h.record.DeepCopy(), *h.o
	h.follow()
	if !equality.Semantic.DeepEqual(record, h.record) || !reflect.DeepEqual(o, *h.o) {
		t.Error("the record or what was observed has changed")
	}
}

func TestExpiredRecords(t *testing.T) {
	for name, tc := range map[string]struct {
		newestFirst string // component, age in hours, and the decision if it is not Up
		keep        int
		want        string
	}{
		"none":                                          {"", 2, ""},
		"fewer than are kept":                           {"etcd 1, etcd 2", 2, ""},
		"more than are kept":                            {"etcd 1, etcd 2, etcd 3, etcd 4", 2, "etcd 3, etcd 4"},
		"each component is counted alone":               {"etcd 1, kube-apiserver 1, etcd 2, kube-apiserver 2, etcd 3", 2, "etcd 3"},
		"too old":                                       {"etcd 1, etcd 30", 9, "etcd 30"},
		"as old as is allowed":                          {"etcd 1, etcd 24", 9, ""},
		"the newest stays, however old":                 {"etcd 100, etcd 200", 9, "etcd 200"},
		"the newest of each stays":                      {"etcd 100, kube-apiserver 100", 1, ""},
		"only one is kept of each":                      {"etcd 1, etcd 2", 1, "etcd 2"},
		"of those that were never dropped":              {"etcd 1, etcd 2, etcd 30, etcd 40", 3, "etcd 30, etcd 40"},
		"holds do not push out why it has its size":     {"etcd 1 Hold, etcd 2 Hold, etcd 3 Hold, etcd 90", 1, "etcd 2 Hold, etcd 3 Hold"},
		"nor do restarts":                               {"etcd 1 Restart, etcd 2 Restart, etcd 90", 1, "etcd 2 Restart"},
		"restarts of the last hour count for the fleet": {"etcd 0 Restart, etcd 0.5 Restart, etcd 2 Restart", 1, "etcd 2 Restart"},
		"what was refused is remembered for a day":      {"etcd 0, etcd 0.5 Revert, etcd 25 Revert", 1, "etcd 25 Revert"},
		"and so are steps down":                         {"etcd 0, etcd 1, etcd 2 Down, etcd 3 Down, etcd 25 Down", 1, "etcd 1, etcd 25 Down"},
		"the newest step down stays":                    {"etcd 0, etcd 90 Down", 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var all, want []*v1alpha1.ScalingRecord
			byName := map[string]*v1alpha1.ScalingRecord{}
			for _, one := range fields(tc.newestFirst) {
				r := aged(t, one)
				all, byName[one] = append(all, r), r
			}
			for _, one := range fields(tc.want) {
				want = append(want, byName[one])
			}
			if got := Expired(all, tc.keep, 24*time.Hour, noon); !slices.Equal(got, want) {
				t.Errorf("%d records are dropped, want %s", len(got), tc.want)
			}
		})
	}
}

// aged is a record of a component, an age in hours, and a decision.
func aged(t *testing.T, words string) *v1alpha1.ScalingRecord {
	t.Helper()
	parts := append(strings.Fields(words), "Up")
	hours, err := time.ParseDuration(parts[1] + "h")
	if err != nil {
		t.Fatal(err)
	}
	return &v1alpha1.ScalingRecord{Spec: v1alpha1.ScalingRecordSpec{
		Component: parts[0], DecidedAt: metav1.NewMicroTime(noon.Add(-hours)), Decision: v1alpha1.Decision(parts[2]), Disruptive: parts[2] == "Restart",
	}}
}

func fields(list string) []string {
	return slices.DeleteFunc(strings.Split(list, ", "), func(s string) bool { return s == "" })
}
