package exposition

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	clocktesting "k8s.io/utils/clock/testing"
)

// fleet is turns on a clock that the scenario moves. Dice show the middle.
type fleet struct {
	*Turns[string]
	clock *clocktesting.FakeClock
	asked map[string]*turn[string]
}

func newFleet(perSecond int64) *fleet {
	clock := clocktesting.NewFakeClock(time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC))
	f := &fleet{NewTurns[string](clock, NewPurse(perSecond)), clock, map[string]*turn[string]{}}
	f.dice = func() float64 { return 0 }
	return f
}

// commands of the scenario files.
var commands = map[string]func(*testing.T, *fleet, *datadriven.TestData) string{
	// want [trouble]: lines of names.
	"want": func(_ *testing.T, f *fleet, d *datadriven.TestData) string {
		for _, name := range strings.Fields(d.Input) {
			f.Want(name, "at "+name, d.HasArg("trouble"))
		}
		return ""
	},
	// run for=1h bytes=5000000 [wanted]: everybody who is asked answers at once; says how often and when last. With wanted, they are wanted all the time.
	"run": func(t *testing.T, f *fleet, d *datadriven.TestData) string {
		var bytes int64
		d.ScanArgs(t, "bytes", &bytes)
		return f.run(span(t, d, "for"), bytes, d.HasArg("wanted"))
	},
	// ask: whoever has their turn now, all of them.
	"ask": func(_ *testing.T, f *fleet, _ *datadriven.TestData) string { return f.ask() },
	// answer NAME bytes=N, and fail NAME bytes=N.
	"answer": func(t *testing.T, f *fleet, d *datadriven.TestData) string { return f.end(t, d, true) },
	"fail":   func(t *testing.T, f *fleet, d *datadriven.TestData) string { return f.end(t, d, false) },
	"after": func(t *testing.T, f *fleet, d *datadriven.TestData) string {
		f.clock.Step(parsed(t, d.CmdArgs[0].Key))
		return ""
	},
}

func (f *fleet) run(over time.Duration, bytes int64, wanted bool) string {
	times, last := map[string]int{}, map[string]time.Time{}
	end := f.clock.Now().Add(over)
	for f.clock.Now().Before(end) {
		if wanted {
			f.mu.Lock()
			for _, one := range f.known {
				one.wanted = f.clock.Now()
			}
			f.mu.Unlock()
		}
		one, wait := f.next()
		if one == nil {
			f.clock.Step(min(max(wait, time.Millisecond), 10*time.Second))
			continue
		}
		times[one.id]++
		last[one.id] = f.clock.Now()
		f.done(one, bytes, true)
	}
	var said []string
	for name, n := range times {
		said = append(said, fmt.Sprintf("%s %d times", name, n))
	}
	slices.Sort(said)
	return strings.Join(said, "\n") + "\n"
}

func (f *fleet) ask() string {
	var said []string
	for {
		one, wait := f.next()
		if one == nil && wait == 0 {
			continue
		}
		if one == nil {
			return strings.Join(append(said, "then wait "+wait.Round(time.Millisecond).String()), "\n") + "\n"
		}
		f.asked[one.id] = one
		said = append(said, "asked "+one.id+" "+one.whom)
	}
}

func (f *fleet) end(t *testing.T, d *datadriven.TestData, answered bool) string {
	var bytes int64
	d.ScanArgs(t, "bytes", &bytes)
	one := f.asked[d.CmdArgs[0].Key]
	if one == nil || !one.busy {
		d.Fatalf(t, "it is not being asked")
	}
	f.done(one, bytes, answered)
	return "next in " + one.due.Sub(f.clock.Now()).Round(time.Millisecond).String() + "\n"
}

func span(t *testing.T, d *datadriven.TestData, key string) time.Duration {
	var text string
	d.ScanArgs(t, key, &text)
	return parsed(t, text)
}

func parsed(t *testing.T, text string) time.Duration {
	t.Helper()
	got, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata/scenarios", func(t *testing.T, path string) {
		f := newFleet(1_000_000)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			command, ok := commands[d.Cmd]
			if !ok {
				d.Fatalf(t, "there is no such command")
			}
			return command(t, f, d)
		})
	})
}

// TestTheFleetHasItsBytesAndNoMore runs a thousand programs, a tenth of them in trouble and a tenth of them broken, for six hours.
func TestTheFleetHasItsBytesAndNoMore(t *testing.T) {
	const rate, size = 8 << 20, 5_000_000
	f := newFleet(rate)
	f.dice = func() float64 { return 0.5 }
	trouble := func(i int) bool { return i%10 == 0 }
	broken := func(i int) bool { return i%10 == 1 }
	var spent float64
	questions := make([]int, 1000)
	start := f.clock.Now()
	const hours = 6 * time.Hour
	for f.clock.Now().Sub(start) < hours {
		for i := range questions {
			f.Want(fmt.Sprint(i), fmt.Sprint(i), trouble(i))
		}
		until := f.clock.Now().Add(15 * time.Second)
		for f.clock.Now().Before(until) {
			one, wait := f.next()
			if one == nil {
				f.clock.Step(min(max(wait, time.Millisecond), time.Second))
				continue
			}
			i, err := strconv.Atoi(one.whom)
			if err != nil {
				t.Fatal(err)
			}
			questions[i]++
			if broken(i) {
				f.done(one, 0, false)
				continue
			}
			spent += size
			f.done(one, size, true)
		}
	}
	if per := spent / hours.Seconds(); per > rate*1.05 || per < rate*0.8 {
		t.Errorf("%.1f MiB a second came, of %d", per/(1<<20), rate>>20)
	}
	mustBeAskedFairly(t, questions, broken, trouble)
}

func mustBeAskedFairly(t *testing.T, questions []int, broken, trouble func(int) bool) {
	t.Helper()
	for i, n := range questions {
		least, most := 10, 18 // a round is of 800 answers and of 20 times 100, of 5 MB each: 28 minutes
		switch {
		case broken(i):
			least, most = 10, 14
		case trouble(i):
			least, most = 220, 330
		}
		if n < least || n > most {
			t.Errorf("%d (trouble %t, broken %t) was asked %d times", i, trouble(i), broken(i), n)
		}
	}
}

// TestSlowOnesLeaveRoom: half of the places are for those that answered last, and nobody is asked twice at a time.
func TestSlowOnesLeaveRoom(t *testing.T) {
	turns := NewTurns[int](clocktesting.NewFakeClock(time.Now()), NewPurse(1<<40))
	fake := turns.clock.(*clocktesting.FakeClock)
	var mu sync.Mutex
	now, most, good := map[int]int{}, 0, 0
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		turns.Serve(ctx, func(ctx context.Context, i int) (int64, error) {
			mu.Lock()
			now[i]++
			if now[i] > 1 {
				t.Errorf("%d was asked twice at a time", i)
			}
			most = max(most, len(now))
			mu.Unlock()
			defer func() {
				mu.Lock()
				defer mu.Unlock()
				if delete(now, i); i >= 100 {
					good++
				}
			}()
			if i >= 100 {
				return 1, nil
			}
			select { // as long as a question may take
			case <-ctx.Done():
			case <-fake.After(patience):
			}
			return 0, errors.New("late")
		})
	}()
	for range 300 {
		for i := range 110 {
			turns.Want(fmt.Sprint(i), i, true)
		}
		fake.Step(time.Second)
		time.Sleep(time.Millisecond)
	}
	cancel()
	<-ended
	if most > parallel || most < parallel/2 {
		t.Errorf("%d were asked at a time", most)
	}
	if good < 100 {
		t.Errorf("those that answer were asked %d times in five minutes", good)
	}
}

func TestAPurseIsShared(t *testing.T) {
	f := newFleet(1_000_000)
	other := NewTurns[string](f.clock, f.purse)
	f.Want("a", "a", true)
	other.Want("b", "b", true)
	if one, _ := f.next(); one == nil {
		t.Fatal("nobody was asked")
	}
	if one, wait := other.next(); one != nil || wait < 5*time.Second {
		t.Errorf("got %v, %s", one, wait)
	}
}
