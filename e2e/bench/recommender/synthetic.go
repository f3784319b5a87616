package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/metapilot/metapilot/e2e/bench"
	"github.com/metapilot/metapilot/recommender/estimator"
	"github.com/metapilot/metapilot/recommender/model"
)

const mi = 1 << 20

var epoch = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

func auto() recommender { return newOurs("auto") }

func itself() recommender { return newVPA() }

func syntheticRows(seed uint64) []bench.Row {
	var rows []bench.Row
	for _, to := range []struct{ gib, bound float64 }{{1, 2}, {4, 3}, {16, 4}} {
		rows = append(rows, bench.AtMost(fmt.Sprintf("oom_kills_to_%ggib", to.gib), "", killsTo(auto(), to.gib), to.bound,
			"kills from 237 MiB on").Beside(vpaItself, killsTo(itself(), to.gib)))
	}
	for _, replicas := range []int{3, 12} {
		rows = append(rows, atLeast(fmt.Sprintf("replica_oom_remembered_days_1_of_%d", replicas), "d", remembered(auto(), replicas), 7,
			"one replica killed at 2 GiB, all use 800 MiB; until less than 2 GiB is recommended, 30 at most").Beside(vpaItself, remembered(itself(), replicas)))
	}
	rows = append(rows, bench.AtMost("cpu_step_up_seconds", "s", stepUp(auto()), 120,
		"0.2 to 2 cores after a day; samples every minute, until 2 are recommended").Beside(vpaItself, stepUp(itself())))
	saved, slack := growth(seed, auto)
	theirSaved, theirSlack := growth(seed, itself)
	rows = append(rows, atLeast("growth_saved_percent", "%", saved, 95, "leaks and ramps that never exceed what is recommended").Beside(vpaItself, theirSaved),
		bench.Plain("growth_slack_percent", "%", slack, "the same series").Beside(vpaItself, theirSlack))
	return append(rows, scaleRows()...)
}

// atLeast is a row whose aim is a lower bound.
func atLeast(metric, unit string, ours, bound float64, how string) bench.Row {
	row, holds := bench.Plain(metric, unit, ours, how), ours >= bound
	row.Aim, row.Holds = fmt.Sprintf(">= %g", bound), &holds
	return row
}

// killsTo counts kills, each as soon as the new limit is there, until a limit is reached.
func killsTo(by recommender, gib float64) (kills float64) {
	limit, at := 237.0*mi, epoch
	for ; limit < gib*1024*mi && kills < 100; kills++ {
		by.see(only, model.Memory, point{at, limit * 0.99})
		limit = max(limit, by.killed(only, at.Add(time.Minute), limit))
		at = at.Add(2 * time.Minute)
	}
	return kills
}

// remembered is for how many days a kill of one replica keeps the target up; 0 if it does not raise it.
func remembered(by recommender, replicas int) float64 {
	const limit, use, most = 2048 * mi, 800 * mi, 30 * 24
	at, target := epoch, 0.0
	hour := func() {
		for minute := 0; minute < 60; minute += 5 {
			for i := range replicas {
				target = by.see(fmt.Sprint("pod-", i), model.Memory, point{at, use})
			}
			at = at.Add(5 * time.Minute)
		}
	}
	for range 25 {
		hour()
	}
	if by.killed(only, at, limit) < limit {
		return 0
	}
	for hours := range most {
		if hour(); target < limit {
			return float64(hours) / 24
		}
	}
	return most / 24
}

// stepUp is how long after a step of CPU it is recommended.
func stepUp(by recommender) float64 {
	at := epoch
	for ; at.Before(epoch.Add(24 * time.Hour)); at = at.Add(time.Minute) {
		by.see(only, model.CPU, point{at, 200})
	}
	for step := at; at.Before(step.Add(24 * time.Hour)); at = at.Add(time.Minute) {
		if by.see(only, model.CPU, point{at, 2000}) >= 2000 {
			return at.Sub(step).Seconds() + 60 // a sample is there a minute after what it tells began
		}
	}
	return 24 * 3600
}

// growth tells how many of 200 leaks and ramps are raised in time, and the mean slack, in percent.
func growth(seed uint64, build func() recommender) (saved, slack float64) {
	const series = 200
	random := rand.New(rand.NewPCG(seed, 11))
	for range series {
		kept, left := grow(random, build())
		if kept {
			saved++
		}
		slack += left
	}
	return 100 * saved / series, 100 * slack / series
}

// grow is six quiet hours, and then twelve in which memory grows by 1 to 600 % of its start an hour; noise is 2 %. What is recommended holds a
// minute later.
func grow(random *rand.Rand, by recommender) (kept bool, slack float64) {
	base, rate := (100+1900*random.Float64())*mi, 0.01*math.Pow(600, random.Float64())
	limit, next := 0.0, 0.0
	kept = true
	for minute := range 18 * 60 {
		use := base * (1 + rate*max(0, float64(minute)/60-6)) * (0.98 + 0.04*random.Float64())
		if minute >= 60 {
			kept = kept && use <= limit
			slack += max(0, 1-use/limit) / (17 * 60)
		}
		limit = next
		target := by.see(only, model.Memory, point{epoch.Add(time.Duration(minute) * time.Minute), use})
		if minute < 60 || math.Abs(target-limit) > applied*limit {
			next = target
		}
	}
	return kept, slack
}

// scaleRows measure what 100,000 containers cost. They are a tenth of that many, with a day of history for their memory, and with three and in the low of
// the third for their time, so that all algorithms have to say something.
func scaleRows() []bench.Row {
	const n, times = 10_000, 10
	all := make([]*model.Container, n)
	before := heap()
	for i := range all {
		all[i] = model.NewContainer()
		live(all[i], i, 0, model.Day)
	}
	used := float64(heap()-before) / mi * times
	for i, c := range all {
		live(c, i, model.Day, 3*model.Day)
	}
	began := time.Now()
	for _, c := range all {
		estimator.Learn(c)
		for r := range model.Resources {
			estimator.Limit(c, r, epoch.Add(3*24*time.Hour), estimator.Published{}, estimator.Bounds{}, estimator.Auto(c, r))
		}
	}
	pass := time.Since(began).Seconds() * times
	saved, other := restart(all)
	return []bench.Row{
		bench.AtMost("heap_mib_100k", "MiB", used, 400, "ten times 10,000 with a day of history"),
		bench.AtMost("pass_seconds_100k", "s", pass, 5, "ten times 10,000 on one thread, all algorithms scored on three days, at night"),
		bench.Plain("checkpoint_bytes", "B", saved/n, "of a container with one replica and a day of history"),
		bench.AtMost("restart_other_recommendations", "", other, 0, "of 10,000 containers, all algorithms, both resources and both bounds, restored from checkpoints"),
	}
}

// live uses more and more all day, and little in its last eight hours.
func live(c *model.Container, i, from, to int) {
	for slot := from; slot < to; slot++ {
		at, cpu := epoch.Add(time.Duration(slot)*model.Slot), float64(i+slot%model.Day)
		if slot%model.Day >= model.Day*2/3 {
			cpu /= 8
		}
		for r, amount := range []float64{cpu, mi * float64(100+slot%model.Day)} {
			c.Add(at, model.Resource(r), model.Sample{Replica: only, At: at, Amount: amount})
		}
	}
}

// restart saves and restores all, and counts the recommendations that are not the same then.
func restart(all []*model.Container) (saved, other float64) {
	for _, c := range all {
		state := c.Save()
		saved += float64(len(state))
		restored, err := model.Restore(state)
		if err != nil {
			return saved, math.NaN()
		}
		for r := range model.Resources {
			for _, a := range append([]estimator.Algorithm{{Name: "auto", Recommend: estimator.Auto}}, estimator.All[:]...) {
				if a.Recommend(c, r) != a.Recommend(restored, r) {
					other++
				}
			}
		}
	}
	return saved, other
}

func heap() uint64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
