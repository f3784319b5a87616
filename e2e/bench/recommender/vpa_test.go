package main

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/metapilot/metapilot/recommender/estimator"
	"github.com/metapilot/metapilot/recommender/model"
)

// Our vpa is VPA to the unit: with several replicas, gaps, and kills.
func TestVPAIsEqualToVPAsOwnPackages(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 7))
		theirs, c := newVPA(), model.NewContainer()
		pods := []string{"a", "b", "c"}[:1+seed%3]
		at := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
		for range 6000 {
			at = at.Add(time.Minute)
			if random.IntN(200) == 0 {
				at = at.Add(time.Duration(random.IntN(180)) * time.Minute)
			}
			for _, pod := range pods {
				amounts := [model.Resources]float64{float64(random.IntN(3000)), float64(100<<20 + random.Int64N(4<<30))}
				for r, amount := range amounts {
					theirs.see(pod, model.Resource(r), point{at, amount})
					c.Add(at, model.Resource(r), model.Sample{Replica: pod, At: at, Amount: amount})
				}
			}
			if random.IntN(1500) == 0 {
				limit := 6<<30 + random.Int64N(2<<30)
				theirs.killed(pods[0], at, float64(limit))
				c.OOM(at, model.Kill{Replica: pods[0], At: at, Limit: limit})
			}
			compareWithVPA(t, seed, at, theirs, c)
		}
	}
}

func compareWithVPA(t *testing.T, seed uint64, at time.Time, theirs *vpa, c *model.Container) {
	t.Helper()
	for r := range model.Resources {
		want := theirs.recommended(r)
		got := estimator.VPA(c, r)
		if got.Target != want.Target || got.Lower != want.Lower || got.Upper != want.Upper {
			t.Fatalf("seed %d, %v, %v: %v %v %v, want %v %v %v", seed, at, r, got.Target, got.Lower, got.Upper, want.Target, want.Lower, want.Upper)
		}
	}
}
