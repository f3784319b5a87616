package estimator

import (
	"slices"
	"testing"
	"time"

	"github.com/metapilot/metapilot/recommender/model"
)

const peak, little = 1000, 200

// day is the peak from eight to eight, and little at night.
func day(at time.Time) (float64, float64) {
	if at.Hour() < 8 || at.Hour() >= 20 {
		return little, 1 << 30
	}
	return peak, 1 << 30
}

func TestSeasonalLowersInTheLowOfTheDay(t *testing.T) {
	early := func(end time.Duration, low float64) func(time.Time) (float64, float64) {
		return func(at time.Time) (float64, float64) {
			if at.Sub(at.Truncate(24*time.Hour)) < end {
				return low, 1 << 30
			}
			return peak, 1 << 30
		}
	}
	unseen := func(hour int, use func(time.Time) (float64, float64)) func(time.Time) (float64, float64) {
		return func(at time.Time) (float64, float64) {
			if at.Day() == start.AddDate(0, 0, 3).Day() && at.Hour() == hour && at.Minute() >= 20 {
				return -1, -1
			}
			return use(at)
		}
	}
	for _, c := range []struct {
		name  string
		use   func(time.Time) (float64, float64)
		until time.Duration // from midnight of the fifth day
		want  float64
	}{
		{"an hour after the day's end", day, -3 * time.Hour, peak},
		{"an hour and a half after it", day, -2*time.Hour - 29*time.Minute, little},
		{"the night", day, 3 * time.Hour, little},
		{"more than half an hour before the day", day, 7*time.Hour + 29*time.Minute, little},
		{"half an hour before the day", day, 7*time.Hour + 31*time.Minute, peak},
		{"a low of three hours", early(3*time.Hour, little), 150 * time.Minute, peak},
		{"a low that saves little", early(4*time.Hour+10*time.Minute, 590), 2 * time.Hour, peak},
		{"yesterday was not seen soon after this time", unseen(6, day), 6*time.Hour + 5*time.Minute, peak},
		{"yesterday's low was seen in two halves", unseen(3, early(7*time.Hour, little)), 2 * time.Hour, peak},
		{"all of the last day was low", func(at time.Time) (float64, float64) {
			if at.Before(start.AddDate(0, 0, 3)) {
				return day(at)
			}
			return little, 1 << 30
		}, 3 * time.Hour, peak},
	} {
		t.Run(c.name, func(t *testing.T) {
			known := model.NewContainer()
			feed(known, start, 4*24*time.Hour+c.until, c.use)
			if got := Seasonal(known, model.CPU); got.Target < c.want || got.Target > c.want*1.06 {
				t.Errorf("%v of %v: %s", got.Target, c.want, got.Reason)
			}
		})
	}
}

// Memory that comes late is a kill: it is there three hours before it was needed yesterday.
func TestSeasonalHasMemoryEarlier(t *testing.T) {
	use := func(at time.Time) (float64, float64) {
		cpu, _ := day(at)
		return cpu, cpu * (1 << 20)
	}
	for until, want := range map[time.Duration]float64{4*time.Hour + 50*time.Minute: 200, 5*time.Hour + 10*time.Minute: 1000} {
		known := model.NewContainer()
		feed(known, start, 4*24*time.Hour+until, use)
		if got := Seasonal(known, model.Memory).Target / (1 << 20); got < want*spare[model.Memory] || got > want*1.25 {
			t.Errorf("%v at %v, and %v are used by day or night", got, until, want)
		}
	}
}

// What was raised is not lowered within the hour, and then not bit by bit.
func TestAutoRestsAfterItWasRaised(t *testing.T) {
	c := model.NewContainer()
	now := feed(c, start, 3*24*time.Hour, steady(200, 1<<30))
	c.Learned[model.CPU].Chosen = uint8(slices.IndexFunc(All[:], func(a Algorithm) bool { return a.Name == "headroom" })) // it forgets most quickly
	now = feed(c, now, 2*time.Minute, steady(2000, 1<<30))
	high := Auto(c, model.CPU).Target
	now = feed(c, now, 50*time.Minute, steady(200, 1<<30))
	if got := Auto(c, model.CPU).Target; got < high {
		t.Errorf("%v within the hour, of %v", got, high)
	}
	lowered := 0
	for range 24 * 60 {
		now = feed(c, now, time.Minute, steady(200, 1<<30))
		if got := Auto(c, model.CPU).Target; got < high {
			lowered++
			high = got
		}
	}
	if high > 250 || lowered > 2 {
		t.Errorf("lowered %d times in a day, to %v", lowered, high)
	}
}
