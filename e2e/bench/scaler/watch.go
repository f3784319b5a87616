package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/metapilot/metapilot/e2e/metacluster/cgroup"
)

// glance is how often the kernel is asked: far below what is measured.
const glance = 5 * time.Millisecond

// watcher sees by the kernel alone when the containers of a component die and when they run again, and with which limit.
type watcher struct {
	uids func() []string // of the component's pods that nobody has deleted

	mu     sync.Mutex
	kills  []kill
	last   time.Time // of the deaths
	mourns bool      // between a death and the next life with a larger limit
}

// seen is what was seen so far.
func (w *watcher) seen() []kill {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.kills)
}

// mended: so many kills, and nothing waits for a larger limit.
func (w *watcher) mended(enough int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.mourns && len(w.kills) >= enough
}

// calm: nothing has died for a while, and what died has a larger limit.
func (w *watcher) calm() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.mourns && time.Since(w.last) > calm
}

// kill is one death, and the life that followed it with a larger limit.
type kill struct {
	at        time.Time
	limit     int64
	recovered time.Duration // zero until it did
	deaths    int           // at the old limit, this one included
}

// waits are the seconds from each kill to the larger limit. One that is not there yet counts as far as it was waited for: who never mends anything
// must not look fast.
func waits(kills []kill) (seconds []float64) {
	for _, k := range kills {
		if k.recovered == 0 {
			k.recovered = time.Since(k.at)
		}
		seconds = append(seconds, k.recovered.Seconds())
	}
	return seconds
}

// life is a container that runs.
type life struct {
	uid    string // of its pod
	folder string
	limit  int64
}

// run looks until the context ends. What dies without having been killed for memory is not counted.
func (w *watcher) run(ctx context.Context) {
	var now life
	ticker := time.NewTicker(glance)
	defer ticker.Stop()
	for ctx.Err() == nil {
		<-ticker.C
		if now.folder != "" && lives(now.folder) {
			if limit := limitOf(now.folder); limit != now.limit {
				now.limit = limit
				w.lived(now)
			}
			continue
		}
		if now.folder != "" && slices.Contains(w.uids(), now.uid) { // one whose pod was deleted was not killed
			w.died(now)
		}
		if now = w.find(); now.folder != "" {
			w.lived(now)
		}
	}
}

func (w *watcher) died(l life) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = time.Now()
	if w.mourns {
		w.kills[len(w.kills)-1].deaths++
		return
	}
	w.kills, w.mourns = append(w.kills, kill{at: time.Now(), limit: l.limit, deaths: 1}), true
}

func (w *watcher) lived(l life) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.mourns {
		return
	}
	if last := &w.kills[len(w.kills)-1]; l.limit > last.limit {
		last.recovered, w.mourns = time.Since(last.at), false
	}
}

// find is the container of one of the pods that runs: not the sandbox's, which has no memory limit of its own.
func (w *watcher) find() life {
	for _, uid := range w.uids() {
		folders, err := filepath.Glob(filepath.Join("/sys/fs/cgroup/memory", cgroup.Root, "*", "kubepods", "*", "pod"+uid, "*", "cgroup.procs"))
		if err != nil {
			panic(err) // the pattern is ours
		}
		for _, file := range folders {
			folder := filepath.Dir(file)
			if own := number(filepath.Join(folder, "memory.limit_in_bytes")); own < unlimited && lives(folder) {
				return life{uid, folder, limitOf(folder)}
			}
		}
	}
	return life{}
}

// unlimited is what cgroup v1 says of a group without a limit, or more.
const unlimited = 1 << 60

func lives(folder string) bool {
	raw, err := os.ReadFile(filepath.Join(folder, "cgroup.procs"))
	return err == nil && len(raw) > 0
}

// limitOf is the lower one of the container's and its pod's.
func limitOf(folder string) int64 {
	return min(number(filepath.Join(folder, "memory.limit_in_bytes")), number(filepath.Join(filepath.Dir(folder), "memory.limit_in_bytes")))
}

func number(file string) int64 {
	raw, err := os.ReadFile(file)
	if err != nil {
		return unlimited // it is just being taken away
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(raw)), 10, 64)
	if err != nil {
		panic(fmt.Sprintf("%s holds %q", file, raw)) // the kernel's own format
	}
	return n
}
