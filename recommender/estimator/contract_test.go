package estimator

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/metapilot/metapilot/recommender/model"
)

var start = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// feed adds a sample of both resources every minute from a time on, and learns.
func feed(c *model.Container, from time.Time, span time.Duration, use func(time.Time) (cpu, memory float64)) time.Time {
	end := from.Add(span)
	for at := from; at.Before(end); at = at.Add(time.Minute) {
		cpu, memory := use(at)
		c.Add(at, model.CPU, model.Sample{Replica: "a", At: at, Amount: cpu})
		c.Add(at, model.Memory, model.Sample{Replica: "a", At: at, Amount: memory})
		Learn(c)
	}
	return end
}

func steady(cpu, memory float64) func(time.Time) (float64, float64) {
	return func(time.Time) (float64, float64) { return cpu, memory }
}

func everyAlgorithm(t *testing.T, check func(*testing.T, Algorithm)) {
	auto, _ := Named("auto")
	for _, a := range append([]Algorithm{auto}, All[:]...) {
		t.Run(a.Name, func(t *testing.T) { check(t, a) })
	}
}

func TestContract(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	noise := func(time.Time) (float64, float64) { return 1000 * random.Float64(), 1e9 * (1 + random.Float64()) }
	known := model.NewContainer()
	feed(known, start, 4*24*time.Hour, noise)
	everyAlgorithm(t, func(t *testing.T, a Algorithm) {
		for r := range model.Resources {
			if got := a.Recommend(model.NewContainer(), r); got.Target != 0 || got.Reason == "" {
				t.Errorf("%v of nothing: %+v", r, got)
			}
			got := a.Recommend(known, r)
			if got.Reason == "" || got.Target <= 0 || got.Lower > got.Target || got.Upper < got.Target || math.IsInf(got.Upper, 0) {
				t.Errorf("%v: %+v", r, got)
			}
			if again := a.Recommend(known, r); again != got {
				t.Errorf("%v: %+v, and then %+v", r, got, again)
			}
		}
	})
}

// What is steady needs little more than what is used.
func TestSteadyUseSettles(t *testing.T) {
	c := model.NewContainer()
	feed(c, start, 5*24*time.Hour, steady(500, 1<<30))
	everyAlgorithm(t, func(t *testing.T, a Algorithm) {
		if got := a.Recommend(c, model.CPU).Target; got < 500 || got > 650 {
			t.Errorf("cpu %v of 500", got)
		}
		if got := a.Recommend(c, model.Memory).Target; got < 1<<30 || got > 1.3*(1<<30) {
			t.Errorf("memory %v of %v", got, 1<<30)
		}
	})
}

// All but vpa follow a step of CPU within two minutes of samples, and one high sample is no step.
func TestStepIsFollowed(t *testing.T) {
	everyAlgorithm(t, func(t *testing.T, a Algorithm) {
		c := model.NewContainer()
		now := feed(c, start, 7*24*time.Hour, steady(200, 1<<30))
		now = feed(c, now, time.Minute, steady(2000, 1<<30))
		if a.Name == "vpa" {
			t.Skip("takes hours by design")
		}
		now = feed(c, now, time.Minute, steady(2000, 1<<30))
		if got := a.Recommend(c, model.CPU).Target; got < 2000 {
			t.Errorf("%v after two minutes at 2000", got)
		}
		feed(c, now, time.Minute, steady(200, 1<<30))
	})
}

func TestAutoChoosesWhatDoesBestAndStays(t *testing.T) {
	c := model.NewContainer()
	now := feed(c, start, 2*24*time.Hour, steady(500, 1<<30))
	burst := func(at time.Time) (float64, float64) {
		if at.Hour() == 3 && at.Minute() == 0 {
			return 5000, 1 << 30 // one sample a day, that peaks of days are wasted on
		}
		return 500, 1 << 30
	}
	now = feed(c, now, 6*24*time.Hour, burst)
	if got := All[c.Learned[model.CPU].Chosen].Name; got == "peak-trend" {
		t.Errorf("%s was chosen: %+v", got, c.Learned[model.CPU].Scores)
	}
	switches := 0
	for range 5 * 24 {
		before := c.Learned[model.CPU].Chosen
		if now = feed(c, now, time.Hour, burst); c.Learned[model.CPU].Chosen != before {
			switches++
		}
	}
	if switches > 2 {
		t.Errorf("%d switches in five days that are alike", switches)
	}
}

func TestLeakIsFollowedAhead(t *testing.T) {
	c := model.NewContainer()
	leak := func(at time.Time) (float64, float64) { return 100, 1e9 + 1e8*at.Sub(start).Hours() }
	feed(c, start, 12*time.Hour, leak)
	for i := range All {
		if All[i].Name == "vpa" {
			c.Learned[model.Memory].Chosen = uint8(i) // did best while nothing grew
		}
	}
	for _, a := range []func(*model.Container, model.Resource) Recommendation{PeakTrend, Auto} {
		if got := a(c, model.Memory); got.Target < 1e9+1e8*14 || got.Target > 3.5e9 {
			t.Errorf("%v for 2.2e9 that grow by 1e8 an hour: %s", got.Target, got.Reason)
		}
	}
}
