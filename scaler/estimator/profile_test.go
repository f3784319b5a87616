package estimator

import (
	"strings"
	"testing"
	"time"

	"github.com/metapilot/metapilot/scaler/model"
)

// profiled has a profile of three days that recommends so much, in thousandths of a core and MiB, and has for longer than the window.
func profiled(o *model.Observed, target int64) *model.Observed {
	since := now.Add(-72 * time.Hour)
	o.Profile = model.Profile{
		Name: "x", Algorithm: "auto", LastSample: now,
		CPU:    model.Recommendation{Target: target, Upper: target, Since: since},
		Memory: model.Recommendation{Target: target * mi, Upper: target * mi, Since: since},
	}
	if target*mi < o.Size.Limits.Memory {
		spell := model.Idle{Since: now.Add(-13 * time.Hour), Seen: now.Add(-time.Minute)}
		o.Idle = model.Spells{CPU: spell, Memory: spell}
		o.Idle.CPU.Highest, o.Idle.Memory.Highest = target, target*mi
	}
	return o
}

// idle is a component of 1 GiB that uses 50 MiB and is recommended 100.
func idle(changes ...func(*model.Observed)) *model.Observed {
	o := profiled(observed(1024*mi, series(60, func(int64) int64 { return 50 * mi }), series(60, func(int64) int64 { return 40 * mi })), 100)
	for _, c := range changes {
		c(o)
	}
	return o
}

func TestProfileProposesTheHighestOfItsWindow(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*model.Observed)
		want   int64 // MiB; 0 if it abstains
		says   string
	}{
		"it has recommended less for longer than the window": {func(*model.Observed) {}, 100, "at most 100Mi is needed since 2026-11-22 14:00:00, 9% of 1024Mi"},
		"the highest counts, not the last":                   {func(o *model.Observed) { o.Idle.Memory.Highest = 300 * mi }, 300, "at most 300Mi"},
		"what is used is let through":                        {func(o *model.Observed) { uses(o, 300*mi) }, 428, "at most 100Mi"},
		"not for so long":                                    {func(o *model.Observed) { o.Idle.Memory.Since = now.Add(-11 * time.Hour) }, 0, "since 2026-11-22 16:00:00, and it shrinks when that was so for 12h0m0s"},
		"what may be needed is too much of the size":         {func(o *model.Observed) { o.Profile.Memory.Upper = 410 * mi }, 0, "40% of it may be needed"},
		"so much was used once in a week":                    {func(o *model.Observed) { o.Profile.Memory.Peak = 350 * mi }, 0, "41% of it may be needed"},
		"half so much was, and is let through, with a fifth": {func(o *model.Observed) { o.Profile.Memory.Peak = 205 * mi }, 246, "at most 246Mi"},
		"the profile's own policy caps what it recommends":   {func(o *model.Observed) { o.Profile.Memory.Uncapped = 600 * mi }, 0, "58% of it may be needed"},
		"more than that was used":                            {func(o *model.Observed) { uses(o, 410*mi) }, 0, "more than 40% of it was used a moment ago"},
		"nothing is recommended":                             {func(o *model.Observed) { o.Profile.Memory = model.Recommendation{Says: "no sample"} }, 0, "recommends nothing of it: no sample"},
		"there is no profile":                                {func(o *model.Observed) { o.Profile = model.Profile{Unknown: "there is none"} }, 0, "there is none"},
		"more is recommended":                                {func(o *model.Observed) { o.Profile.Memory.Target = 2048 * mi }, 2048, "recommends 2048Mi, and it has 1024Mi"},
		"more is recommended of a program that starts": {func(o *model.Observed) {
			o.Profile.Memory.Target, o.Profile.Memory.Since = 2048*mi, now.Add(-59*time.Minute)
		}, 0, "for less than 1h0m0s"},
		"more was recommended long ago": {func(o *model.Observed) {
			o.Profile.Memory.Target, o.Profile.LastSample, o.Idle = 2048*mi, now.Add(-time.Hour), model.Spells{}
		}, 0, "no sample for more than 10m0s"},
		"it was killed a moment ago": {func(o *model.Observed) {
			o.Kills = []model.Kill{{At: now.Add(-20 * time.Minute), Limit: 600 * mi}}
		}, 0, "it shrinks when that was so"},
	} {
		t.Run(name, func(t *testing.T) {
			p := MemoryProfile(idle(tc.change), policy())
			if p.Value/mi != tc.want || !strings.Contains(p.Says, tc.says) {
				t.Errorf("got %d Mi, want %d Mi: %s", p.Value/mi, tc.want, p.Says)
			}
		})
	}
}

// uses has the first pod use so much of memory, and its CPU.
func uses(o *model.Observed, memory int64) {
	o.Pods[0].Usage = series(60, func(int64) int64 { return memory })
}

// Unknown is not idle, and a spell that goes on is one that was seen to.
func TestSpells(t *testing.T) {
	began, ago := now.Add(-13*time.Hour), func(d time.Duration) time.Time { return now.Add(-d) }
	for name, tc := range map[string]struct {
		change func(*model.Observed)
		since  time.Time // zero if there is no spell
		want   int64     // highest, in MiB
	}{
		"it goes on":                       {func(*model.Observed) {}, began, 100},
		"more is recommended":              {func(o *model.Observed) { o.Profile.Memory.Target = 200 * mi }, began, 200},
		"it was never seen before":         {func(o *model.Observed) { o.Idle = model.Spells{} }, now, 100},
		"it ends with a busy look":         {func(o *model.Observed) { uses(o, 500*mi) }, time.Time{}, 0},
		"a size that it is too much for":   {func(o *model.Observed) { o.Idle.Memory.Highest = 500 * mi }, now, 100},
		"nobody looked for 4 minutes":      {seen(4 * time.Minute), began, 100},
		"nobody looked for 9 minutes":      {seen(9 * time.Minute), began.Add(9 * time.Minute), 100},
		"nobody looked for 11 minutes":     {seen(11 * time.Minute), now, 100},
		"the clock went back":              {seen(-time.Minute), now, 100},
		"usage is unknown for a moment":    {func(o *model.Observed) { o.Metrics = "no answer" }, began, 100},
		"usage is unknown for long":        {func(o *model.Observed) { o.Metrics = "no answer"; seen(11 * time.Minute)(o) }, time.Time{}, 0},
		"one pod's use is unknown":         {func(o *model.Observed) { o.Pods[1].Usage = nil; seen(11 * time.Minute)(o) }, time.Time{}, 0},
		"the profile is old":               {func(o *model.Observed) { o.Profile.LastSample = ago(11 * time.Minute); seen(11 * time.Minute)(o) }, time.Time{}, 0},
		"the profile is of tomorrow":       {func(o *model.Observed) { o.Profile.LastSample = ago(-11 * time.Minute); seen(11 * time.Minute)(o) }, time.Time{}, 0},
		"there is no limit and no request": {func(o *model.Observed) { o.Size = model.Size{} }, time.Time{}, 0},
		"its workload is away":             {func(o *model.Observed) { o.Profile.Frozen = "away"; seen(11 * time.Minute)(o) }, time.Time{}, 0},
		"it was killed since":              {func(o *model.Observed) { o.Kills = []model.Kill{{At: ago(time.Hour), Limit: 512 * mi}} }, now, 100},
		"it was killed before":             {func(o *model.Observed) { o.Kills = []model.Kill{{At: ago(14 * time.Hour), Limit: 512 * mi}} }, began, 100},
		"a step was taken back since":      {func(o *model.Observed) { o.Regretted = ago(time.Hour) }, now, 100},
	} {
		t.Run(name, func(t *testing.T) {
			o := idle(tc.change)
			got := NextIdle(o, policy(), model.Memory)
			if !got.Since.Equal(tc.since) || got.Highest/mi != tc.want {
				t.Errorf("idle since %s with at most %d Mi, want since %s with %d Mi", got.Since, got.Highest/mi, tc.since, tc.want)
			}
			o.Idle.Memory = got
			if again := NextIdle(o, policy(), model.Memory); again != got {
				t.Errorf("the same look again makes %+v of %+v", again, got)
			}
		})
	}
}

func seen(ago time.Duration) func(*model.Observed) {
	return func(o *model.Observed) { o.Idle.Memory.Seen = now.Add(-ago) }
}

// That a spell goes on is noted now and then, not at each look.
func TestSpellIsNotedEveryFewMinutes(t *testing.T) {
	o, notes := idle(), map[time.Time]bool{}
	for range 4 * 60 {
		o.Now = o.Now.Add(period)
		o.Profile.LastSample = o.Now
		o.Idle.Memory = NextIdle(o, policy(), model.Memory)
		notes[o.Idle.Memory.Seen] = true
	}
	if len(notes) > 21 || !o.Idle.Memory.Since.Equal(now.Add(-13*time.Hour)) {
		t.Errorf("noted %d times in an hour, idle since %s", len(notes), o.Idle.Memory.Since)
	}
}

// lowered is a component that was made smaller half an hour ago.
func lowered(changes ...func(*model.Observed)) *model.Observed {
	o := observed(384*mi, series(60, func(int64) int64 { return 150 * mi }))
	before := observed(512 * mi).Size
	at := now.Add(-30 * time.Minute)
	o.Lowered = model.Decided{Decision: model.Down, From: before, To: o.Size, At: at, Had: at.Add(time.Second)}
	o.Pods[0].Ready, o.Pods[0].Placed = true, true
	for _, c := range changes {
		c(o)
	}
	return o
}

func TestRegretComesWithTheFirstSign(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*model.Observed)
		says   string // empty if there is none
	}{
		"all is well": {func(*model.Observed) {}, ""},
		"a kill":      {func(o *model.Observed) { o.Kills = []model.Kill{{Pod: "a", At: now, Limit: 384 * mi}} }, "regret: a was OOM-killed at 384Mi, after it was made smaller at 02:30:00"},
		"a kill before": {func(o *model.Observed) {
			o.Kills = []model.Kill{{Pod: "a", At: now.Add(-31 * time.Minute), Limit: 512 * mi}}
		}, ""},
		"use above the threshold": {func(o *model.Observed) { uses(o, 380*mi) }, "regret: a uses 380Mi since"},
		"use of memory after a step of CPU": {func(o *model.Observed) {
			o.Lowered.From, o.Lowered.To = o.Size.With(model.CPU, 2*o.Size.Requests.CPU, 0), o.Size
			uses(o, 380*mi)
			for i := range o.Pods[0].Usage {
				o.Pods[0].Usage[i].CPU = 10
			}
		}, ""},
		"use, while it is unknown": {func(o *model.Observed) { uses(o, 380*mi); o.Metrics = "no answer" }, ""},
		"not ready for a minute":   {func(o *model.Observed) { o.Pods[0].Ready, o.Pods[0].Turned = false, now.Add(-time.Minute) }, "regret: a is not ready since 02:59:00"},
		"not ready for a moment":   {func(o *model.Observed) { o.Pods[0].Ready, o.Pods[0].Turned = false, now.Add(-time.Second) }, ""},
		"not ready, where pods are being replaced": {func(o *model.Observed) {
			o.Pods[0].Ready, o.Pods[0].Turned, o.Replaced = false, now.Add(-5*time.Minute), true
		}, ""},
		"a kill after it was watched": {func(o *model.Observed) {
			o.Lowered.Had = now.Add(-61 * time.Minute)
			o.Kills = []model.Kill{{Pod: "a", At: now, Limit: 384 * mi}}
		}, ""},
		"a kill before its pods have it": {func(o *model.Observed) {
			o.Lowered.Had = time.Time{}
			o.Kills = []model.Kill{{Pod: "a", At: now, Limit: 512 * mi}}
		}, "regret: a was OOM-killed at 512Mi"},
		"a kill long after somebody else has changed one of both": {func(o *model.Observed) {
			o.Size.Requests.CPU++
			o.Lowered.Had = time.Time{}
			o.Carried = o.Lowered
			o.Carried.At = now.Add(-61 * time.Minute)
			o.Kills = []model.Kill{{Pod: "a", At: now, Limit: 384 * mi}}
		}, ""},
		"a kill at a size of somebody else": {func(o *model.Observed) {
			o.Size.Requests.CPU++
			o.Size.Limits.Memory++
			o.Kills = []model.Kill{{Pod: "a", At: now, Limit: 384 * mi}}
		}, ""},
		"use that was high before, and is told now": {func(o *model.Observed) {
			uses(o, 380*mi)
			o.Lowered.At = o.Pods[0].Usage[1].At
		}, "regret: a uses 380Mi since"},
	} {
		t.Run(name, func(t *testing.T) {
			all := Regret(lowered(tc.change), policy())
			if tc.says == "" && len(all) == 0 {
				return
			}
			if len(all) != 2 || tc.says == "" || !strings.HasPrefix(all[0].Says, tc.says) || all[0].Value != 512 || all[1].Value != 512*mi || !all[0].Urgent {
				t.Errorf("it proposes %+v, want %q", all, tc.says)
			}
		})
	}
}
