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
				l := Limit(c, r, now, 1<<33, Bounds{}, Auto(c, r))
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
			l := Limit(c, tc.r, now, 0, tc.b, around(tc.target, "test"))
			if l.Target != tc.want || l.Uncapped != tc.wantUncapt {
				t.Errorf("target %v, uncapped %v, want %v and %v", l.Target, l.Uncapped, tc.want, tc.wantUncapt)
			}
			if l.Lower > l.Target || l.Upper < l.Target {
				t.Errorf("bounds %v and %v", l.Lower, l.Upper)
			}
		})
	}
}
