package exposition

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"sort"
	"time"
	"unique"
)

// Answer is the sums of what was wanted. It is small, for one is kept of each program of a fleet: labels are shared with all other answers.
type Answer struct {
	At     time.Time
	wanted Wanted
	seen   uint64 // bits of the families that it tells of
	sums   []sum  // those that are not zero, and all buckets, in order
}

type sum struct {
	key   unique.Handle[key]
	value float64
}

func (r *reading) answer(at time.Time) *Answer {
	a := &Answer{At: at, wanted: r.wanted, seen: r.seen, sums: make([]sum, 0, len(r.sums))}
	for _, k := range slices.SortedFunc(maps.Keys(r.sums), key.compare) {
		a.sums = append(a.sums, sum{unique.Make(k), r.sums[k]})
	}
	return a
}

// Tells is whether it has any sample of a family. A sum that is not there is zero if it does, and unknown if it does not.
func (a *Answer) Tells(family string) bool { return a.seen&a.wanted[family].bit != 0 }

// Of are the sums of a family that are not zero, by its labels.
func (a *Answer) Of(family string) iter.Seq2[Labels, float64] {
	return func(yield func(Labels, float64) bool) {
		from := sort.Search(len(a.sums), func(i int) bool { return a.sums[i].key.Value().family >= family })
		for _, s := range a.sums[from:] {
			if k := s.key.Value(); k.family != family || !yield(k.labels, s.value) {
				return
			}
		}
	}
}

// Total is the sum of a whole family.
func (a *Answer) Total(family string) (total float64) {
	for _, value := range a.Of(family) {
		total += value
	}
	return total
}

// Answers are compared when they are so far apart: nearer ones say little, and further ones nothing about now.
const (
	nearest  = 3 * time.Second
	furthest = 15 * time.Minute
)

// Compare is what has happened between two answers of one program: the newer one with its counters as rates a second. It fails if the program was
// restarted in between, for then nobody knows what it counted last.
func (w Wanted) Compare(older, newer *Answer) (*Rates, error) {
	over := newer.At.Sub(older.At)
	if over < nearest || over > furthest {
		return nil, fmt.Errorf("its metrics were told at times that are %s apart", over.Round(time.Second))
	}
	r := &Rates{Over: over, newer: newer}
	i := 0
	for _, s := range newer.sums {
		k := s.key.Value()
		for ; i < len(older.sums) && older.sums[i].key.Value().compare(k) < 0; i++ {
			if w.lost(older.sums[i]) {
				return nil, errRestarted
			}
		}
		was := 0.0
		if i < len(older.sums) && older.sums[i].key == s.key {
			was, i = older.sums[i].value, i+1
		}
		var ok bool
		if s.value, ok = w[k.family].since(was, s.value, over); !ok {
			return nil, errRestarted
		}
		r.sums = append(r.sums, s)
	}
	if slices.ContainsFunc(older.sums[i:], w.lost) {
		return nil, errRestarted
	}
	return r, nil
}

// since is what a value has become: that of a counter is its rate a second. It is not ok if only a new start explains it.
func (f *Family) since(was, is float64, over time.Duration) (value float64, ok bool) {
	switch {
	case f.Kind == Counter && is < was, f.Kind == Birth && is != was:
		return 0, false
	case f.Kind == Counter:
		return (is - was) / over.Seconds(), true
	}
	return is, true
}

// lost: it was counted before, and is not any more.
func (w Wanted) lost(s sum) bool { return w[s.key.Value().family].Kind != Gauge }

var errRestarted = fmt.Errorf("it was restarted since its metrics were told before")
