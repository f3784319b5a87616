package exposition

import (
	"container/heap"
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

const (
	often    = 20               // times as often as others are those asked that are in trouble
	soonest  = 15 * time.Second // until one in trouble is asked again
	calm     = time.Minute      // until one of a small fleet is asked again that is not
	backOff  = 30 * time.Second // after the first question without an answer; doubled each time
	backMost = time.Hour
	gone     = 10 * time.Minute // nobody has wanted it for so long
	guess    = 5 << 20          // bytes of an answer that was never given
	parallel = 16               // questions of one source at a time
	doubtful = parallel / 2     // of them, those to programs that did not answer last: slow ones leave room for the others
)

// Purse is what all answers of a fleet may have in bytes a second.
type Purse struct {
	rate float64
	mu   sync.Mutex
	free time.Time // when all is paid for
}

// NewPurse makes one of so many bytes a second.
func NewPurse(perSecond int64) *Purse { return &Purse{rate: float64(perSecond)} }

// spend takes bytes, or gives them back, and tells when the next question may be asked.
func (p *Purse) spend(now time.Time, bytes int64) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if bytes != 0 && p.free.Before(now) {
		p.free = now
	}
	p.free = p.free.Add(time.Duration(float64(bytes) / p.rate * float64(time.Second)))
	return p.free
}

// Turns is who is asked when. Each has its turn after a time that grows with what all of them tell, so that the purse is enough; who is in trouble has
// it 20 times as often, and who does not answer more and more seldom. Nobody is asked twice at a time.
type Turns[T any] struct {
	clock clock.Clock
	purse *Purse
	dice  func() float64 // from 0 to 1

	mu     sync.Mutex
	known  map[string]*turn[T]
	lines  [2]line[T] // those that answered last, and those that did not
	asking [2]int     // how many of each are asked now
	burden float64    // bytes of all answers, and 20 times those of who is in trouble
	news   chan struct{}
}

type turn[T any] struct {
	id       string
	whom     T
	due      time.Time
	asked    time.Time // when last; zero if never
	wanted   time.Time // when last
	bytes    int64
	failures int
	trouble  bool
	busy     bool
	at       int // in its line
}

// NewTurns makes turns that pay from the purse, which may have others that pay from it.
func NewTurns[T any](clock clock.Clock, purse *Purse) *Turns[T] {
	return &Turns[T]{clock: clock, purse: purse, dice: rand.Float64, known: map[string]*turn[T]{}, news: make(chan struct{}, 1)}
}

// Want says that somebody is to be asked, and whether they are in trouble. It has to be said again and again, or they are forgotten. It never waits.
func (t *Turns[T]) Want(id string, whom T, trouble bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.clock.Now()
	one := t.known[id]
	if one == nil {
		one = &turn[T]{id: id, due: now, bytes: guess, trouble: trouble}
		t.known[id] = one
		t.burden += one.weight()
		if !trouble { // a fleet that is new does not come all at once
			one.due = now.Add(time.Duration(t.dice() * float64(t.round())))
		}
		heap.Push(t.line(one), one)
	}
	one.whom, one.wanted = whom, now
	if one.trouble != trouble {
		t.burden -= one.weight()
		one.trouble = trouble
		t.burden += one.weight()
		if trouble && !one.busy && one.failures == 0 && !one.asked.IsZero() {
			one.due = earlier(one.due, one.asked.Add(t.pause(one)))
			heap.Fix(t.line(one), one.at)
		}
	}
	if !one.busy && one.at == 0 {
		t.tell()
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// tell those who wait that there may be somebody to ask earlier than they think.
func (t *Turns[T]) tell() {
	select {
	case t.news <- struct{}{}:
	default:
	}
}

// Serve asks whoever has their turn until the context ends.
func (t *Turns[T]) Serve(ctx context.Context, ask func(context.Context, T) (size int64, err error)) {
	var work sync.WaitGroup
	defer work.Wait()
	for ctx.Err() == nil {
		one, wait := t.next()
		if one == nil {
			t.rest(ctx, wait)
			continue
		}
		work.Go(func() {
			size, err := ask(ctx, one.whom)
			t.done(one, size, err == nil)
		})
	}
}

func (t *Turns[T]) rest(ctx context.Context, wait time.Duration) {
	timer := t.clock.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-t.news:
	case <-timer.C():
	}
}

// next takes whoever has their turn now, or tells how long to wait.
func (t *Turns[T]) next() (*turn[T], time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.clock.Now()
	if free := t.purse.spend(now, 0); free.After(now) {
		return nil, free.Sub(now)
	}
	wait := gone
	if t.asking[0]+t.asking[1] >= parallel {
		return nil, wait
	}
	for i := range t.lines {
		if len(t.lines[i]) == 0 || i == 1 && t.asking[1] >= doubtful {
			continue
		}
		one := t.lines[i][0]
		if now.Sub(one.wanted) > gone {
			t.forget(one)
			return nil, 0
		}
		if one.due.After(now) {
			wait = min(wait, one.due.Sub(now))
			continue
		}
		heap.Pop(&t.lines[i])
		one.busy, one.asked = true, now
		t.asking[i]++
		t.purse.spend(now, one.bytes)
		return one, 0
	}
	return nil, wait
}

func (t *Turns[T]) forget(one *turn[T]) {
	heap.Remove(t.line(one), one.at)
	delete(t.known, one.id)
	t.burden -= one.weight()
}

// done says what it cost, and gives the next turn.
func (t *Turns[T]) done(one *turn[T], size int64, answered bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.clock.Now()
	t.asking[one.doubt()]--
	t.purse.spend(now, size-one.bytes)
	t.burden -= one.weight()
	one.bytes, one.failures, one.busy = size, one.failures+1, false
	if answered {
		one.failures = 0
	}
	t.burden += one.weight()
	one.due = now.Add(t.pause(one))
	heap.Push(t.line(one), one)
	t.tell()
}

// pause is the time until somebody's next turn.
func (t *Turns[T]) pause(one *turn[T]) time.Duration {
	if one.failures > 0 {
		return t.jitter(min(backOff<<min(one.failures-1, 10), backMost))
	}
	if one.trouble {
		return t.jitter(max(t.round()/often, soonest))
	}
	return t.jitter(max(t.round(), calm))
}

// round is the time in which the purse pays for everybody's answer.
func (t *Turns[T]) round() time.Duration {
	return time.Duration(t.burden / t.purse.rate * float64(time.Second))
}

// jitter is about so long, a tenth less at most, so that a fleet does not go on in step.
func (t *Turns[T]) jitter(d time.Duration) time.Duration {
	return d - time.Duration(t.dice()*float64(d)/10)
}

// weight is its part of the burden. Those that do not answer are asked seldom enough to have none.
func (one *turn[T]) weight() float64 {
	switch {
	case one.failures > 0:
		return 0
	case one.trouble:
		return often * float64(one.bytes)
	}
	return float64(one.bytes)
}

func (one *turn[T]) doubt() int { return min(one.failures, 1) }

func (t *Turns[T]) line(one *turn[T]) *line[T] { return &t.lines[one.doubt()] }

// line is those who wait, whoever is due first in front.
type line[T any] []*turn[T]

func (l line[T]) Len() int           { return len(l) }
func (l line[T]) Less(i, j int) bool { return l[i].due.Before(l[j].due) }
func (l line[T]) Swap(i, j int) {
	l[i], l[j] = l[j], l[i]
	l[i].at, l[j].at = i, j
}

// Push and Pop are what container/heap needs.
func (l *line[T]) Push(x any) {
	one := x.(*turn[T])
	one.at = len(*l)
	*l = append(*l, one)
}

// Pop takes the last one.
func (l *line[T]) Pop() any {
	last := (*l)[len(*l)-1]
	*l = (*l)[:len(*l)-1]
	return last
}
