package sim

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Config is one run.
type Config struct {
	Seed    uint64
	Tenants int
	Days    int
	Step    time.Duration // of virtual time; every controller gets its turn once a step
	Worlds
}

// Worlds are what a fleet may have to stand besides its loads. Each is a switch of its own, so that a broken promise has one reason.
type Worlds struct {
	Talk     bool // it counts how often the same is told
	Restarts bool // programs read their memory limit only at their start, and restarts pay for it
	Refusals bool // some nodes refuse sizes that look as if they had room
	Crowded  bool // nodes have little room
	Shrinks  bool // there are profiles, and what is too large is made smaller
	Seasons  bool // loads come again by the day or the week, and nothing else happens to them
}

// Report is what happened.
type Report struct {
	Components, Pods int
	Decisions        int
	Records          int
	Ups, Downs       int
	Reverts          int
	Restarts         int // decided
	Replaced         int // pods, by us and by choice
	Needless         int // of them, because another pod of the component needed it
	Kills            int
	Deaths           int            // of the scaler, in the middle of what it did
	Holds            map[string]int // decisions by the guard that held
	LongestRow       time.Duration  // from a container's first kill until it ran for good
	Broken           []string       // promises, the first few
}

// brokenAtMost is how many broken promises are worth reading.
const brokenAtMost = 10

func (r *Report) broken(format string, args ...any) {
	if len(r.Broken) < brokenAtMost {
		r.Broken = append(r.Broken, fmt.Sprintf(format, args...))
	}
}

var begin = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

// fleet is the whole world.
type fleet struct {
	config  Config
	random  *rand.Rand
	now     time.Time
	settled time.Time // from when on loads stay as they are
	quiet   time.Time // from when on nothing has a reason to change
	end     time.Time
	nodes   []*node
	named   map[string]*node
	tenants []*tenant
	moves   []time.Time // restarts, as the records tell
	outage  time.Time   // of the metrics API: until when
	silence time.Time   // of the recommender
	serial  int         // of containers
	queue   queue
	report  *Report
}

// grace is how long after the last change of load sizes may still follow it: rows of kills end within half an hour.
const grace = 2 * time.Hour

// Run is what happens to the fleet of a seed.
func Run(config Config) *Report {
	f := newFleet(config)
	for f.now = begin; f.now.Before(f.end); f.now = f.now.Add(config.Step) {
		f.step()
	}
	f.judgeEnd()
	return f.report
}

// step gives every controller of every tenant its turn, in an order of its own.
func (f *fleet) step() {
	f.weather()
	f.reckon()
	turns := []func(*fleet, *tenant){kubelet, metrics, operator, scaler}
	if f.config.Shrinks {
		turns = append(turns, recommender)
	}
	for _, t := range f.tenants {
		f.random.Shuffle(len(turns), func(i, j int) { turns[i], turns[j] = turns[j], turns[i] })
		for _, turn := range turns {
			turn(f, t)
		}
	}
}

// weather is what strikes the whole fleet: the metrics API and the recommender fail now and then, and the scaler is restarted once a day.
func (f *fleet) weather() {
	if f.chance(2 * f.stepsPerDay() / 3) {
		f.outage = f.now.Add(time.Duration(1+f.random.IntN(30)) * time.Minute)
	}
	if f.chance(f.stepsPerDay()) {
		f.forget()
	}
	if f.config.Shrinks && f.chance(f.stepsPerDay()) {
		f.silence = f.now.Add(time.Duration(1+f.random.IntN(60)) * time.Minute)
	}
}

func (f *fleet) stepsPerDay() int { return int(24 * time.Hour / f.config.Step) }

// forget is what a restart of the scaler does: readings are kept in memory only, and caches are filled anew.
func (f *fleet) forget() {
	clear(f.queue.turns)
	for _, t := range f.tenants {
		for _, c := range t.components {
			for _, p := range c.pods {
				p.usage = nil
			}
			c.look(f)
		}
	}
}

// chance is true once in so many times.
func (f *fleet) chance(in int) bool { return f.random.IntN(max(in, 1)) == 0 }
