package estimator

import (
	"testing"
	"time"

	"github.com/metapilot/metapilot/recommender/model"
)

func TestNothingIsDecreasedForWantOfData(t *testing.T) {
	for name, tc := range map[string]struct {
		known, gap time.Duration
		decreased  bool
	}{
		"a day is known":                  {25 * time.Hour, 0, true},
		"an hour short of it":             {23 * time.Hour, 0, false},
		"four hours of a day are missing": {48 * time.Hour, 4 * time.Hour, true},
		"five":                            {48 * time.Hour, 5 * time.Hour, false},
		"nothing is known":                {0, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			c := model.NewContainer()
			now := feed(c, start, tc.known, steady(100, 1<<28)).Add(tc.gap)
			for r := range model.Resources {
				l := Limit(c, r, now, Published{Target: 1 << 33}, Bounds{}, Auto(c, r))
				if got := l.Target < 1<<33; got != tc.decreased {
					t.Errorf("%v decreased: %v (%v, %v)", r, got, l.Target, l.Why)
				}
			}
		})
	}
}

func TestLimit(t *testing.T) {
	const mi = 1 << 20
	c := model.NewContainer()
	now := feed(c, start, 25*time.Hour, steady(100, 100*mi))
	c.OOM(now, model.Kill{Replica: "b", At: now, Limit: 200 * mi})
	for name, tc := range map[string]struct {
		r                model.Resource
		b                Bounds
		target           float64
		want, wantUncapt float64
	}{
		"as it is":          {model.CPU, Bounds{}, 100, 100, 100},
		"rounded up":        {model.CPU, Bounds{}, 100.2, 101, 101},
		"a floor":           {model.CPU, Bounds{Min: 250}, 100, 250, 250},
		"a cap":             {model.CPU, Bounds{Max: 80}, 100, 80, 100},
		"abstains":          {model.CPU, Bounds{Min: 250}, 0, 0, 0},
		"what a kill says":  {model.Memory, Bounds{}, 120 * mi, 300 * mi, 300 * mi},
		"more than that":    {model.Memory, Bounds{}, 400*mi + 1, 401 * mi, 401 * mi},
		"a cap below kills": {model.Memory, Bounds{Max: 256 * mi}, 120 * mi, 256 * mi, 300 * mi},
	} {
		t.Run(name, func(t *testing.T) {
			l := Limit(c, tc.r, now, Published{}, tc.b, around(tc.target, "test"))
			if l.Target != tc.want || l.Uncapped != tc.wantUncapt {
				t.Errorf("target %v, uncapped %v, want %v and %v", l.Target, l.Uncapped, tc.want, tc.wantUncapt)
			}
			if l.Lower > l.Target || l.Upper < l.Target {
				t.Errorf("bounds %v and %v", l.Lower, l.Upper)
			}
		})
	}
}

func TestDoubtHoldsWhatWasPublished(t *testing.T) {
	c := model.NewContainer()
	now := feed(c, start, 25*time.Hour, steady(100, 1<<28))
	for _, before := range []float64{50, 4000} {
		l := Limit(c, model.CPU, now, Published{before, "nobody knows"}, Bounds{}, around(100, "test"))
		if want := max(before, 100); l.Target != want {
			t.Errorf("target %v after %v, want %v", l.Target, before, want)
		}
	}
}

func TestProportionRaisesAndNeverLowers(t *testing.T) {
	const gi = 1 << 30
	for name, tc := range map[string]struct {
		cpu, memory         float64
		p                   Proportion
		bounds              Bounds // of memory
		wantCPU, wantMemory float64
	}{
		"none":                  {1000, 8 * gi, Proportion{}, Bounds{}, 1000, 8 * gi},
		"within":                {1000, 4 * gi, Proportion{2 * gi, 8 * gi}, Bounds{}, 1000, 4 * gi},
		"too little memory":     {4000, 4 * gi, Proportion{2 * gi, 8 * gi}, Bounds{}, 4000, 8 * gi},
		"too little CPU":        {500, 8 * gi, Proportion{2 * gi, 8 * gi}, Bounds{}, 1000, 8 * gi},
		"a cap is stronger":     {4000, 4 * gi, Proportion{2 * gi, 8 * gi}, Bounds{Max: 6 * gi}, 4000, 6 * gi},
		"nothing of the one":    {0, 4 * gi, Proportion{2 * gi, 8 * gi}, Bounds{}, 0, 4 * gi},
		"not even a thousandth": {1, 4 * gi, Proportion{0, 8 * gi}, Bounds{}, 500, 4 * gi},
	} {
		t.Run(name, func(t *testing.T) {
			cpu, memory := Limited{Recommendation: around(tc.cpu, "test")}, Limited{Recommendation: around(tc.memory, "test")}
			tc.p.Keep(&cpu, &memory, Bounds{}, tc.bounds)
			if cpu.Target != tc.wantCPU || memory.Target != tc.wantMemory {
				t.Errorf("%v and %v, want %v and %v", cpu.Target, memory.Target, tc.wantCPU, tc.wantMemory)
			}
		})
	}
}
