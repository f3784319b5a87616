package model

import (
	"fmt"
	"math"
	"runtime"
	"testing"
	"time"
)

var start = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

func TestFaultsAreToldAndNotCounted(t *testing.T) {
	for name, tc := range map[string]struct {
		at     time.Duration
		amount float64
		want   Fault
	}{
		"right":              {time.Minute, 100, None},
		"nothing used":       {time.Minute, 0, None},
		"not a number":       {time.Minute, math.NaN(), Invalid},
		"infinite":           {time.Minute, math.Inf(1), Invalid},
		"negative":           {time.Minute, -1, Invalid},
		"more than there is": {time.Minute, 1e12, Invalid},
		"the same again":     {0, 100, Duplicate},
		"older":              {-time.Minute, 100, OutOfOrder},
		"from the future":    {time.Hour, 100, Future},
	} {
		t.Run(name, func(t *testing.T) {
			c := NewContainer()
			c.Add(start, CPU, Sample{"a", start, 100})
			before := c.Usage(CPU).Samples()
			got := c.Add(start.Add(time.Minute), CPU, Sample{"a", start.Add(tc.at), tc.amount})
			if got != tc.want {
				t.Errorf("fault %v, want %v", got, tc.want)
			}
			if counted := c.Usage(CPU).Samples() > before; counted != (tc.want == None) {
				t.Errorf("counted: %v", counted)
			}
			if got != None && c.Faults(got) != 1 {
				t.Errorf("%d faults are told, want 1", c.Faults(got))
			}
		})
	}
}

// A replica whose clock is behind, or that is watched by a second source, is judged by its own samples.
func TestReplicasAreOrderedEachForItself(t *testing.T) {
	c := NewContainer()
	c.Add(start, CPU, Sample{"a", start, 100})
	if f := c.Add(start, CPU, Sample{"b", start.Add(-time.Minute), 300}); f != None {
		t.Errorf("fault %v", f)
	}
	if got := c.Usage(CPU).Peak(2); math.Abs(got-300) > 6 {
		t.Errorf("the peak is %v, not the hungriest replica's", got)
	}
}

func TestReplicasThatAreGoneUseNothing(t *testing.T) {
	c, at := NewContainer(), time.Unix(1_772_438_400, 0)
	for range 3 {
		at = at.Add(time.Minute)
		c.Add(at, CPU, Sample{"old", at, 2000})
		c.Add(at, CPU, Sample{"new", at, 200})
	}
	for minute := range 26 * 60 {
		at = at.Add(time.Minute)
		c.Add(at, CPU, Sample{"new", at, 200})
		if got := c.Lasting(); minute < 9 && got < 2000 || minute > 10 && got > 210 {
			t.Fatalf("%v lasts after %d minutes of 200", got, minute+1)
		}
		if got := c.Replicas(); minute < 20*60 && got != 2 || minute > 24*60 && got != 1 {
			t.Fatalf("%d replicas after %d minutes of one", got, minute+1)
		}
	}
}

func TestGapsAreNotZeros(t *testing.T) {
	c := NewContainer()
	for i := range 12 {
		if i < 3 || i > 8 {
			at := start.Add(time.Duration(i) * Slot)
			c.Add(at, Memory, Sample{"a", at, 1 << 30})
		}
	}
	peaks := c.Usage(Memory).Recent(12, nil)
	for i, p := range peaks {
		if gap := p < 0; gap != (i >= 3 && i <= 8) {
			t.Errorf("slot %d: %v", i, p)
		}
	}
	if got := c.Usage(Memory).Gaps(start.Add(11 * Slot)); got != 0.5 {
		t.Errorf("gaps %v, want half", got)
	}
	if got := c.Usage(Memory).Gaps(start.Add(48 * time.Hour)); got != 1 {
		t.Errorf("gaps a day later %v, want all", got)
	}
}

func TestClockThatWasAheadComesBack(t *testing.T) {
	c := NewContainer()
	ahead := start.Add(30 * 24 * time.Hour)
	c.Add(start, CPU, Sample{"a", start, 100})
	c.Add(ahead, CPU, Sample{"a", ahead, 200})
	now := start.Add(time.Hour)
	if f := c.Add(now, CPU, Sample{"a", now, 150}); f != ClockJump {
		t.Errorf("fault %v, want a clock jump", f)
	}
	if got := c.Usage(CPU).Samples(); got != 3 {
		t.Errorf("%d samples, want all 3", got)
	}
	if f := c.Add(now.Add(time.Minute), CPU, Sample{"a", now.Add(time.Minute), 150}); f != None {
		t.Errorf("then %v", f)
	}
}

func TestTrend(t *testing.T) {
	c := NewContainer()
	for i := range 100 {
		at := start.Add(time.Duration(i) * Slot)
		amount := 1e9 + 1e7*float64(i)
		if i == 50 {
			amount *= 3 // a spike is no trend
		}
		c.Add(at, Memory, Sample{"a", at, amount})
	}
	if got := c.Usage(Memory).Trend(72); math.Abs(got-1e7) > 2e6 {
		t.Errorf("trend %v, want 1e7 a slot", got)
	}
}

func TestRingKeepsPeaksWithinTwoPercent(t *testing.T) {
	var r ring
	codes := make([]uint8, 24)
	for i := range uint32(1000) {
		want := 50 + 45*math.Sin(float64(i)/9)
		r.add(codes, 100+i, want)
		got := r.last(codes, 1, nil)[0]
		if got < want*0.9999 || got > want*step*1.0001 {
			t.Fatalf("slot %d: %v instead of %v", i, got, want)
		}
	}
}

func TestBumpsGrowWithinARow(t *testing.T) {
	const mi = 1 << 20
	c, limit, kills := NewContainer(), int64(237*mi), 0
	reached := map[int64]int{}
	for at := start; limit < 16<<30; at = at.Add(2 * time.Minute) {
		c.OOM(at, Kill{"a", at, limit})
		kills++
		limit = int64(c.Floor().Need)
		for _, gi := range []int64{1, 4, 16} {
			if reached[gi] == 0 && limit >= gi<<30 {
				reached[gi] = kills
			}
		}
	}
	if got, want := fmt.Sprint(reached), "map[1:2 4:3 16:4]"; got != want {
		t.Errorf("kills to GiB %s, want %s", got, want)
	}
}

func TestKillsToldAgainChangeNothing(t *testing.T) {
	c := NewContainer()
	k := Kill{"a", start, 1 << 30}
	c.OOM(start, k)
	before := c.Floor()
	if f := c.OOM(start.Add(time.Hour), k); f != Duplicate || c.Floor() != before {
		t.Errorf("%v: %+v", f, c.Floor())
	}
	other := Kill{"b", start.Add(10 * time.Second), 1 << 30}
	if c.OOM(start.Add(time.Minute), other); c.Floor().Need != before.Need {
		t.Errorf("a second replica killed at the same limit raised the floor to %v", c.Floor().Need)
	}
}

func TestFloorGoesByContraryEvidenceAlone(t *testing.T) {
	for _, replicas := range []int{1, 3, 12} {
		c := NewContainer()
		c.OOM(start, Kill{"pod-0", start, 2 << 30})
		day := func(from time.Time) {
			for i := range Day {
				at := from.Add(time.Duration(i) * Slot)
				for p := range replicas {
					c.Add(at, Memory, Sample{fmt.Sprint("pod-", p), at, 800 << 20})
				}
			}
		}
		at := start.Add(100 * 24 * time.Hour) // time alone is no evidence
		for range 7 {
			day(at)
			at = at.Add(24 * time.Hour)
		}
		if got := c.Floor().Need; got != 3<<30 {
			t.Errorf("%d replicas: the floor after seven days is %v", replicas, got)
		}
		for range 10 {
			day(at)
			at = at.Add(24 * time.Hour)
		}
		if got := c.Floor().Need; got != 0 {
			t.Errorf("%d replicas: the floor after seventeen days is %v", replicas, got)
		}
	}
}

func TestHeapOfAContainer(t *testing.T) {
	const n, bound = 2000, 4096
	all := make([]*Container, n)
	name := "a-pod"
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range all {
		all[i] = NewContainer()
		all[i].Add(start, CPU, Sample{name, start, 100})
		all[i].Add(start, Memory, Sample{name, start, 1 << 30})
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / n
	runtime.KeepAlive(all)
	t.Logf("%d bytes each", each)
	if each > bound {
		t.Errorf("a container costs %d bytes, over the budget of %d", each, bound)
	}
}

func BenchmarkAdd(b *testing.B) {
	c, at := NewContainer(), start
	b.ReportAllocs()
	for i := range b.N {
		at = at.Add(time.Minute)
		c.Add(at, CPU, Sample{"a", at, float64(i % 1000)})
	}
}

func FuzzContainer(f *testing.F) {
	f.Add([]byte{1, 2, 3, 255, 0, 128, 7})
	f.Fuzz(func(t *testing.T, steps []byte) {
		c, now := NewContainer(), start
		for i := 0; i+2 < len(steps); i += 3 {
			now = now.Add(time.Duration(int8(steps[i])) * 37 * time.Minute)
			at := now.Add(time.Duration(int8(steps[i+1])) * time.Minute)
			amount := math.Exp(float64(int8(steps[i+2]))/3) - 1
			r := Resource(steps[i] & 1)
			if steps[i+1] == 7 {
				c.OOM(now, Kill{"a", at, int64(amount)})
				continue
			}
			before := *c.Usage(r)
			if fault := c.Add(now, r, Sample{fmt.Sprint(steps[i+1] & 3), at, amount}); fault == None {
				if got := c.Usage(r).Samples(); got != int(before.samples)+1 {
					t.Fatalf("%d samples after %d", got, before.samples)
				}
			}
			check(t, c, now)
		}
	})
}

// check is what holds whatever was told.
func check(t *testing.T, c *Container, now time.Time) {
	for r := range Resources {
		u := c.Usage(r)
		checkPeaks(t, u)
		if gaps := u.Gaps(now); gaps < 0 || gaps > 1 {
			t.Fatalf("%v gaps %v", r, gaps)
		}
		if u.Span() < 0 || math.IsNaN(u.Trend(Day)) || math.IsNaN(u.Percentile(0.9)) {
			t.Fatalf("%v span %v, trend %v", r, u.Span(), u.Trend(Day))
		}
	}
	if floor := c.Floor(); floor.Need < 0 || floor.Need > 0 && floor.Need < floor.Limit {
		t.Fatalf("floor %+v", floor)
	}
}

func checkPeaks(t *testing.T, u *Usage) {
	for _, p := range u.Recent(Day, nil) {
		if p != -1 && !(p > 0 && p <= mostMemory*step) {
			t.Fatalf("peak %v", p)
		}
	}
}

// A pod tells of its last kill for as long as it lives, and at the limit that it has now.
func TestAKillIsLearnedFromOnce(t *testing.T) {
	c, at := NewContainer(), start
	if f := c.OOM(at, Kill{"a", at, 256 << 20}); f != None {
		t.Fatal(f)
	}
	once := c.Floor()
	for limit := int64(256 << 20); limit < 1<<40; limit *= 3 {
		if f := c.OOM(at.Add(time.Minute), Kill{"a", at, limit}); f != Duplicate || c.Floor() != once {
			t.Fatalf("told again with a limit of %d: %v, floor %v, before %v", limit, f, c.Floor().Need, once.Need)
		}
	}
	now := at
	for c.Floor().Need > 0 && now.Before(at.Add(60*24*time.Hour)) {
		now = now.Add(Slot)
		c.Add(now, Memory, Sample{"a", now, 10 << 20})
	}
	if f := c.OOM(now, Kill{"a", at, 256 << 20}); f == None || c.Floor().Need != 0 {
		t.Errorf("after %s: %v, floor %v", now.Sub(at), f, c.Floor().Need)
	}
	if f := c.OOM(now, Kill{"a", now, 256 << 20}); f != None || c.Floor().Need != 384<<20 {
		t.Errorf("a new kill: %v, floor %v", f, c.Floor().Need)
	}
}

// What is told after it has passed is known as if it had been told at the time.
func TestThePastIsAsGoodAsThePresent(t *testing.T) {
	live, told := NewContainer(), NewContainer()
	end := start.Add(8 * 24 * time.Hour)
	for at := start; at.Before(end); at = at.Add(Slot) {
		for _, pod := range []string{"a", "b", "c"} {
			amount := 300e6
			if at.Hour() == 12 {
				amount = 900e6
			}
			live.Add(at, Memory, Sample{pod, at, amount})
			told.Add(end, Memory, Sample{pod, at, amount})
		}
	}
	alike(t, live, told)
}

// Of two that have learned apart, neither lowers what the other one knows.
func TestKillsThatOthersKnowAreHeeded(t *testing.T) {
	early, late := Kill{"a", start, 256 << 20}, Kill{"b", start.Add(time.Hour), 128 << 20}
	one, other := NewContainer(), NewContainer()
	one.OOM(start, early)
	other.OOM(start.Add(time.Hour), late)
	larger, newer := one.Floor(), other.Floor()
	one.Heed(newer)
	other.Heed(larger)
	for _, c := range []*Container{one, other} {
		if got := c.Floor(); got.At != newer.At || got.Need != larger.Need || got.Limit != larger.Limit || got.Level != 1 {
			t.Errorf("%+v of %+v and %+v", got, larger, newer)
		}
		if again := c.OOM(start.Add(time.Hour), late); again != Duplicate {
			t.Errorf("a kill that was heeded is learned from again: %v", again)
		}
		before := c.Floor()
		if c.Heed(NewContainer().Floor()); c.Floor() != before {
			t.Errorf("it was forgotten: %+v", c.Floor())
		}
		if _, err := Restore(c.Save()); err != nil {
			t.Error(err)
		}
	}
}
