// Package progress shows long work to people: which step, how long it took or usually takes, what was there already, and, when a
// step fails, where its log is. It owns the screen; it never decides what is done.
package progress

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// stillEvery is how often a step that takes long says that it is alive.
const stillEvery = 30 * time.Second

// Reporter writes one line for each finished step. Steps may run at the same time.
type Reporter struct {
	mu    sync.Mutex
	out   io.Writer
	begun time.Time
}

// New returns a reporter that writes to out.
func New(out io.Writer) *Reporter { return &Reporter{out: out, begun: time.Now()} }

// Step does the work and reports it. note, such as "cached", stands behind the time; usually says how long to expect, if long.
func (r *Reporter) Step(name, usually string, work func() (note string, err error)) error {
	begun, done := time.Now(), make(chan struct{})
	var still sync.WaitGroup
	still.Go(func() { r.sayStill(name, usually, begun, done) })
	note, err := work()
	close(done)
	still.Wait()
	if err != nil {
		r.line("✗", name, begun, err.Error())
		return err
	}
	r.line("✓", name, begun, note)
	return nil
}

// Total is the time since the reporter was made.
func (r *Reporter) Total() time.Duration { return time.Since(r.begun) }

// Say writes one line of text.
func (r *Reporter) Say(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Fprintf(r.out, format+"\n", args...)
}

func (r *Reporter) sayStill(name, usually string, begun time.Time, done <-chan struct{}) {
	tick := time.NewTicker(stillEvery)
	defer tick.Stop()
	if usually != "" {
		r.line("…", name, begun, "takes about "+usually+" the first time")
	}
	for {
		select {
		case <-done:
			return
		case <-tick.C:
			r.line("…", name, begun, "still at it")
		}
	}
}

func (r *Reporter) line(mark, name string, begun time.Time, note string) {
	r.Say("%s %-34s %7s  %s", mark, name, time.Since(begun).Round(100*time.Millisecond), note)
}
