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

type usage = func(time.Time) (cpu, memory float64)

// early uses little from midnight on, and the peak for the rest of the day.
func early(end time.Duration, low float64) usage {
	return func(at time.Time) (float64, float64) {
		if at.Sub(at.Truncate(24*time.Hour)) < end {
			return low, 1 << 30
		}
		return peak, 1 << 30
	}
}

// once has one other sample on the fifth day, or none for five minutes if that is negative.
func once(use usage, amount float64, at time.Duration) usage {
	return func(now time.Time) (float64, float64) {
		after := now.Sub(start.AddDate(0, 0, 4).Add(at))
		if after >= 0 && after < time.Minute || amount < 0 && after > 0 && after < 5*time.Minute {
			return amount, amount
		}
		return use(now)
	}
}

// unseen is from twenty past an hour of the fourth day on, until the next hour.
func unseen(hour int, use usage) usage {
	return func(at time.Time) (float64, float64) {
		if at.Day() == start.AddDate(0, 0, 3).Day() && at.Hour() == hour && at.Minute() >= 20 {
			return -1, -1
		}
		return use(at)
	}
}

func TestSeasonalLowersInTheLowOfTheDay(t *testing.T) {
	for _, c := range []struct {
		name  string
		use   usage
		until time.Duration // from midnight of the fifth day
		want  float64
	}{
		{"an hour after the day's end", day, -3 * time.Hour, peak},
		{"an hour and a half after it", day, -2*time.Hour - 29*time.Minute, little},
		{"one sample that is a little higher", once(day, 300, 3*time.Hour-10*time.Minute), 3 * time.Hour, 300},
		{"one sample that is as high as by day", once(day, peak, 3*time.Hour-10*time.Minute), 3 * time.Hour, peak},
		{"a short time that was not seen", once(day, -1, 3*time.Hour-10*time.Minute), 3 * time.Hour, little},
		{"the night", day, 3 * time.Hour, little},
		{"more than half an hour before the day", day, 7*time.Hour + 29*time.Minute, little},
		{"half an hour before the day", day, 7*time.Hour + 31*time.Minute, peak},
		{"a low of three hours", early(3*time.Hour, little), 150 * time.Minute, peak},
		{"a low that saves little", early(5*time.Hour+30*time.Minute, 500), 3 * time.Hour, peak},
		{"the evening was hardly seen", unseen(20, day), -2*time.Hour - 25*time.Minute, peak},
		{"yesterday was not seen soon after this time", unseen(6, day), 6*time.Hour + 5*time.Minute, peak},
		{"all of the last day was low, or not seen", unseen(20, func(at time.Time) (float64, float64) {
			if at.Before(start.AddDate(0, 0, 3)) {
				return day(at)
			}
			return little, 1 << 30
		}), 3 * time.Hour, peak},
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

// Memory that comes late is a kill: it is not lowered by the hour.
func TestSeasonalLeavesMemory(t *testing.T) {
	known := model.NewContainer()
	feed(known, start, 4*24*time.Hour+3*time.Hour, func(at time.Time) (float64, float64) {
		cpu, _ := day(at)
		return cpu, cpu * (1 << 20)
	})
	if got := Seasonal(known, model.Memory).Target / (1 << 20); got < peak*spare[model.Memory] {
		t.Errorf("%v of memory at night, and %v is used by day", got, peak)
	}
	if got := Seasonal(known, model.CPU); got.Target > 1.06*little || got.Later < peak {
		t.Errorf("%v of CPU at night, later %v", got.Target, got.Later)
	}
}

// Whoever sees nothing does not see the morning.
func TestLowOfTheDayEndsWithTheSamples(t *testing.T) {
	c := model.NewContainer()
	now := feed(c, start, 6*24*time.Hour+3*time.Hour, day)
	c.Learned[model.CPU].Chosen, c.Learned[model.CPU].Held = named(t, "seasonal"), little
	for _, at := range []struct {
		silent time.Duration
		want   float64
	}{{5 * time.Minute, little}, {11 * time.Minute, peak}, {6 * time.Hour, peak}} {
		l := Limit(c, model.CPU, now.Add(at.silent), Published{Target: little}, Bounds{}, Auto(c, model.CPU))
		if l.Target < at.want || l.Target > 1.06*at.want {
			t.Errorf("%v after %s without a sample: %q", l.Target, at.silent, l.Why)
		}
	}
}

func named(t *testing.T, name string) uint8 {
	t.Helper()
	i := slices.IndexFunc(All[:], func(a Algorithm) bool { return a.Name == name })
	if i < 0 {
		t.Fatalf("there is no algorithm %s", name)
	}
	return uint8(i)
}

// What was raised is not lowered within the hour, and then not bit by bit.
func TestAutoRestsAfterItWasRaised(t *testing.T) {
	c := model.NewContainer()
	now := feed(c, start, 3*24*time.Hour, steady(200, 1<<30))
	c.Learned[model.CPU].Chosen = named(t, "headroom") // it forgets most quickly
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
