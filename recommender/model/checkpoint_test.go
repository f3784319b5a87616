package model

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// used is a container with some days of use by several replicas, a kill and faults.
func used(seed uint64, days int) (*Container, time.Time) {
	random := rand.New(rand.NewPCG(seed, 1))
	c, now := NewContainer(), start
	for range days * 24 * 12 {
		now = now.Add(5 * time.Minute)
		for p := range 3 {
			pod := fmt.Sprintf("pod-%d", p)
			c.Add(now, CPU, Sample{pod, now, random.ExpFloat64() * 500})
			c.Add(now, Memory, Sample{pod, now, (1 + random.Float64()) * 1e9})
		}
		if random.IntN(1000) == 0 {
			c.OOM(now, Kill{"pod-1", now, 2e9})
		}
	}
	c.Add(now, CPU, Sample{"pod-0", now, math.NaN()})
	c.Learned[CPU] = Learned{Scores: [Candidates]Score{{Held: 100, Over: 0.5}}, Held: 130, Slot: 77, Raised: 9, Chosen: 2, Slots: 5}
	return c, now
}

func TestWhatIsRestoredGoesOnAsWhatWasSaved(t *testing.T) {
	for seed := range uint64(20) {
		c, now := used(seed, 1+int(seed)%9)
		state := c.Save()
		restored, err := Restore(state)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 500 {
			alike(t, c, restored)
			now = now.Add(time.Minute)
			s := Sample{"pod-2", now, float64(1+i) * 1e6}
			if a, b := c.Add(now, Memory, s), restored.Add(now, Memory, s); a != b {
				t.Fatalf("seed %d: a sample has fault %v, and %v after a restart", seed, a, b)
			}
			k := Kill{"pod-0", now, 3e9}
			if i == 100 && c.OOM(now, k) != restored.OOM(now, k) {
				t.Fatalf("seed %d: a kill is not the same after a restart", seed)
			}
		}
		if !bytes.Equal(c.Save(), restored.Save()) {
			t.Errorf("seed %d: what goes on from a checkpoint is saved otherwise", seed)
		}
	}
}

func alike(t *testing.T, a, b *Container) {
	t.Helper()
	for r := range Resources {
		x, y := a.Usage(r), b.Usage(r)
		for p := 0.01; p <= 1; p += 0.01 {
			if x.Percentile(p) != y.Percentile(p) {
				t.Fatalf("%v: percentile %.2f is %v, and %v after a restart", r, p, x.Percentile(p), y.Percentile(p))
			}
		}
		if figures(x) != figures(y) {
			t.Fatalf("%v: peak, trend, samples and span are %v, and %v after a restart", r, figures(x), figures(y))
		}
	}
	if a.Floor() != b.Floor() || a.Learned != b.Learned {
		t.Fatal("after a restart the floor or what was learned is another one")
	}
	if a.Lasting() != b.Lasting() || a.Replicas() != b.Replicas() || a.Faults(Invalid) != b.Faults(Invalid) {
		t.Fatal("after a restart the replicas or the faults are others")
	}
}

func figures(u *Usage) [4]float64 {
	return [4]float64{u.Peak(Day), u.Trend(72), float64(u.Samples()), u.Span().Hours()}
}

// Saving itself moves no percentile by more than the one bucket that a tie decides about, and does not keep old weights from fading.
func TestSavingOftenChangesNothing(t *testing.T) {
	saved, now := used(1, 3)
	plain, _ := used(1, 3)
	for i := range 2000 {
		now = now.Add(5 * time.Minute)
		s := Sample{"pod-0", now, float64(50 + i%7)}
		saved.Add(now, CPU, s)
		plain.Add(now, CPU, s)
		saved.Save()
	}
	for p := 0.01; p <= 0.991; p += 0.01 {
		a, b := saved.Usage(CPU).Percentile(p), plain.Usage(CPU).Percentile(p)
		if math.Abs(a-b) > 0.06*b {
			t.Errorf("percentile %.2f: %v saved, %v not", p, a, b)
		}
	}
}

func TestCheckpointOfNothing(t *testing.T) {
	c, err := Restore(NewContainer().Save())
	if err != nil || c.Usage(CPU).Samples() != 0 || c.Usage(Memory).Percentile(0.9) != 0 {
		t.Errorf("%v, %+v", err, c)
	}
	if f := c.Add(start, CPU, Sample{"a", start, 100}); f != None || c.Usage(CPU).Percentile(0.5) == 0 {
		t.Errorf("fault %v", f)
	}
}

// A checkpoint is restored in full or not at all.
func TestDamageIsSeen(t *testing.T) {
	c, _ := used(1, 2)
	state := c.Save()
	if len(state) > 4096 {
		t.Errorf("a checkpoint has %d bytes", len(state))
	}
	for n := range state {
		if _, err := Restore(state[:n]); err == nil {
			t.Fatalf("%d bytes of %d were restored", n, len(state))
		}
		broken := bytes.Clone(state)
		broken[n] ^= 0x10
		if _, err := Restore(broken); err == nil {
			t.Fatalf("byte %d was changed, and it was restored", n)
		}
	}
}

func TestANewerCheckpointIsToldApart(t *testing.T) {
	w := writer{buffer: []byte{format + 1, 1, 2, 3}}
	if _, err := Restore(w.sealed()); !errors.Is(err, ErrNewer) {
		t.Errorf("got %v", err)
	}
}

// Whatever has the right checksum either is refused, or gives a container that can be worked with.
func FuzzRestore(f *testing.F) {
	c, _ := used(1, 2)
	state := c.Save()
	f.Add(state[:len(state)-4])
	empty := NewContainer().Save()
	f.Add(empty[:len(empty)-4])
	f.Fuzz(func(t *testing.T, body []byte) {
		w := writer{buffer: bytes.Clone(body)}
		c, err := Restore(w.sealed())
		if err != nil {
			return
		}
		for r := range Resources {
			c.Add(start, r, Sample{"a", start, 1e6})
			u := c.Usage(r)
			u.Recent(Day, nil)
			u.Weekly(Week, nil)
			u.Gaps(start)
			u.Trend(72)
			if p := u.Percentile(0.9); math.IsNaN(p) || p < 0 {
				t.Errorf("percentile %v", p)
			}
		}
		c.OOM(start, Kill{"a", start, 1e9})
		c.OOM(start.Add(time.Minute), Kill{"a", start.Add(time.Minute), 2e9})
		if _, err := Restore(c.Save()); err != nil {
			t.Errorf("what was restored cannot be saved: %v", err)
		}
	})
}
