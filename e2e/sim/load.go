package sim

import (
	"math"
	"math/rand/v2"
	"time"
)

// load is what a program needs over time, relative to what its component has at birth.
type load struct {
	base   float64
	shape  shape
	settle time.Time
}

// shape is a factor over time. The age is that of the container.
type shape func(at time.Time, age time.Duration) float64

// newLoad draws a shape.
func newLoad(r *rand.Rand, settle time.Time, base float64) load {
	draw := []func(*rand.Rand, time.Duration) shape{constant, daily, steps, leak, storms}[r.IntN(5)]
	return load{base: base, shape: draw(r, settle.Sub(begin)), settle: settle}
}

// at is the need of a container, by its number in the component and when it was started. After the loads have settled it stays, but for a
// flutter that cannot look like a trend.
func (l *load) at(now, started time.Time, number int, noise float64) float64 {
	if now.After(l.settle) {
		noise = 0.02
		if now.Unix()/15%2 == 0 {
			noise = -0.02
		}
		now = l.settle
	}
	need := l.base * l.shape(now, max(now.Sub(started), 0))
	return need * (1 - 0.07*float64(number)) * (1 + noise)
}

// newSeason draws a load that comes again.
func newSeason(r *rand.Rand, settle time.Time, base float64) load {
	draw := []func(*rand.Rand) shape{everyDay, weekly, office, nightly}[r.IntN(4)]
	return load{base: base, shape: draw(r), settle: settle}
}

func everyDay(r *rand.Rand) shape { return daily(r, 0) }

// office is much more from eight to six on workdays, and begins at once.
func office(r *rand.Rand) shape {
	height := 1 + 2*r.Float64()
	return func(at time.Time, _ time.Duration) float64 {
		if hour := at.Hour(); hour >= 8 && hour < 18 && int(at.Sub(begin).Hours()/24)%7 < 5 {
			return height
		}
		return 0.3
	}
}

// nightly is a job of an hour.
func nightly(r *rand.Rand) shape {
	height, hour := 1+2*r.Float64(), r.IntN(24)
	return func(at time.Time, _ time.Duration) float64 {
		if at.Hour() == hour {
			return height
		}
		return 0.3
	}
}

// weekly is less at weekends, and at night.
func weekly(r *rand.Rand) shape {
	height, rest := 0.5+1.5*r.Float64(), 0.3*r.Float64()
	return func(at time.Time, _ time.Duration) float64 {
		day := at.Sub(begin).Hours() / 24
		factor := 1 + height*(1-math.Cos(2*math.Pi*day))/2
		if int(day)%7 >= 5 {
			factor *= rest
		}
		return factor
	}
}

func constant(*rand.Rand, time.Duration) shape {
	return func(time.Time, time.Duration) float64 { return 1 }
}

func daily(r *rand.Rand, _ time.Duration) shape {
	height, phase := 0.2+1.5*r.Float64(), r.Float64()
	return func(at time.Time, _ time.Duration) float64 {
		day := at.Sub(begin).Hours() / 24
		return 1 + height*(1-math.Cos(2*math.Pi*(day+phase)))/2
	}
}

// steps are moments from which on more or less is needed.
func steps(r *rand.Rand, span time.Duration) shape {
	type level struct {
		from   time.Time
		factor float64
	}
	var levels []level
	for at := begin; at.Before(begin.Add(span)); at = at.Add(time.Hour + time.Duration(r.Int64N(int64(span/2)))) {
		levels = append(levels, level{at, 0.5 + 2.5*r.Float64()})
	}
	return func(at time.Time, _ time.Duration) float64 {
		factor := 1.0
		for _, l := range levels {
			if !at.Before(l.from) {
				factor = l.factor
			}
		}
		return factor
	}
}

// leak grows with the age of the container, up to an end: what leaks for ever is no matter of size.
func leak(r *rand.Rand, _ time.Duration) shape {
	perHour, most := 0.02+0.5*r.Float64(), 2+3*r.Float64()
	return func(_ time.Time, age time.Duration) float64 { return min(1+perHour*age.Hours(), most) }
}

// storms come without a warning, and ask for much more at once.
func storms(r *rand.Rand, span time.Duration) shape {
	type storm struct {
		from, to time.Time
		factor   float64
	}
	var all []storm
	for at := begin.Add(time.Hour); at.Before(begin.Add(span)); at = at.Add(3*time.Hour + time.Duration(r.Int64N(int64(20*time.Hour)))) {
		all = append(all, storm{at, at.Add(5*time.Minute + time.Duration(r.Int64N(int64(time.Hour)))), 1.5 + 6*r.Float64()})
	}
	return func(at time.Time, _ time.Duration) float64 {
		for _, s := range all {
			if !at.Before(s.from) && at.Before(s.to) {
				return s.factor
			}
		}
		return 1
	}
}
