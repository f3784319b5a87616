package supervisor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"

	"github.com/metapilot/metapilot/e2e/metacluster/cgroup"
	"github.com/metapilot/metapilot/e2e/metacluster/supervisor/plan"
)

// Cgroup is where the supervisor itself runs.
const Cgroup = "supervisor"

// InheritedLock is the file descriptor at which Run expects the lock of the up that started it.
const InheritedLock = 3

// ErrRunning means that another supervisor has the lock.
var ErrRunning = errors.New("a supervisor is running already")

// Supervisor is the loop: look, think, act, tell.
type Supervisor struct {
	files   Files
	log     *slog.Logger
	exits   chan exit
	wanted  []Part
	running map[string]*process
	died    map[string]plan.Death
	status  map[string]PartStatus
	nextID  int
}

// Run keeps the parts running until the context ends; then all parts end with it.
func Run(ctx context.Context, files Files, log *slog.Logger) error {
	runtime.LockOSThread() // see start
	lock, err := Lock(files.Lock)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := errors.Join(cgroup.Make(Cgroup), cgroup.Join(Cgroup)); err != nil {
		return err
	}
	// From now on the supervisor can be found; until now the lock of whoever started it has kept a down from overlooking it.
	if err := os.NewFile(InheritedLock, "lock").Close(); err != nil {
		return fmt.Errorf("releasing the inherited lock: %w", err)
	}
	s := &Supervisor{
		files: files, log: log, exits: make(chan exit),
		running: map[string]*process{}, died: map[string]plan.Death{}, status: map[string]PartStatus{},
	}
	return s.loop(ctx)
}

// Lock takes the supervisor's lock; ErrRunning if somebody has it. The kernel frees it with the process.
func Lock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening lock: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, ErrRunning
		}
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	return f, nil
}

func (s *Supervisor) loop(ctx context.Context) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watching %s: %w", s.files.Parts, err)
	}
	defer watcher.Close()
	if err := watcher.Add(s.files.Folder()); err != nil {
		return fmt.Errorf("watching %s: %w", s.files.Folder(), err)
	}
	for {
		p := s.pass()
		if err := s.wait(ctx, watcher, p.Recheck); err != nil {
			return ctx.Err()
		}
	}
}

// pass makes one round. After a start it goes round again at once, because other parts may have waited for it.
func (s *Supervisor) pass() plan.Plan {
	for {
		s.observe()
		p := plan.Decide(s.observed())
		s.act(p)
		if err := s.tell(); err != nil {
			s.log.Error("Status is not writable", "error", err)
		}
		if len(p.Start) == 0 {
			return p
		}
	}
}

func (s *Supervisor) observe() {
	wanted, err := s.files.ReadParts()
	if err != nil { // what runs goes on: a damaged file or a full disk is no reason to end everything
		s.log.Error("Wanted parts are not readable", "error", err)
		return
	}
	s.wanted = wanted
}

func (s *Supervisor) observed() plan.Observed {
	obs := plan.Observed{Now: time.Now(), Running: map[string]plan.Process{}, Died: s.died}
	for _, part := range s.wanted {
		obs.Wanted = append(obs.Wanted, part.planned())
	}
	for name, process := range s.running {
		obs.Running[name] = process.Process
	}
	return obs
}

func (s *Supervisor) act(p plan.Plan) {
	for _, a := range p.Stop {
		s.log.Info("Stopping part", "part", a.Part, "reason", a.Reason)
		s.running[a.Part].stop()
	}
	for _, a := range p.Start {
		i := slices.IndexFunc(s.wanted, func(p Part) bool { return p.Name == a.Part })
		s.log.Info("Starting part", "part", a.Part, "reason", a.Reason)
		if err := s.start(s.wanted[i]); err != nil {
			s.log.Error("Part did not start", "part", a.Part, "error", err)
			s.dead(a.Part, time.Now(), err.Error())
		}
	}
}

// wait returns when something has happened or the time is over; an error means the end.
func (s *Supervisor) wait(ctx context.Context, watcher *fsnotify.Watcher, recheck time.Duration) error {
	var timer <-chan time.Time
	if recheck > 0 {
		timer = time.After(recheck)
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer:
			return nil
		case e := <-s.exits:
			s.ended(e)
			return nil
		case event := <-watcher.Events:
			if event.Name == s.files.Parts {
				return nil
			}
		case err := <-watcher.Errors: // events may be lost, so look
			s.log.Error("Watching the wanted parts failed", "error", err)
			return nil
		}
	}
}

func (s *Supervisor) ended(e exit) {
	process := s.running[e.name]
	delete(s.running, e.name)
	s.log.Info("Part ended", "part", e.name, "exit", e.text, "asked", process.Stopping)
	if holder := process.part.Holder; holder != nil {
		if err := cgroup.Kill(holder.Cgroup, cgroupLimit); err != nil {
			s.log.Error("Something is left of the part", "part", e.name, "error", err)
		}
	}
	if process.Stopping {
		delete(s.died, e.name)
		return
	}
	s.dead(e.name, process.StartedAt, e.text)
}

func (s *Supervisor) dead(name string, startedAt time.Time, text string) {
	now := time.Now()
	s.died[name] = plan.NextDeath(s.died[name], startedAt, now)
	status := s.status[name]
	status.LastExit, status.DiedAt = text, now
	status.Restarts++
	s.status[name] = status
}

func (s *Supervisor) idOf(name string) int {
	if p, ok := s.running[name]; ok {
		return p.ID
	}
	return 0
}

// tell writes the status of every wanted part.
func (s *Supervisor) tell() error {
	all := make([]PartStatus, 0, len(s.wanted))
	for _, part := range s.wanted {
		status := s.status[part.Name]
		status.Name, status.Cgroup, status.Held = part.Name, part.Cgroup, part.Held
		status.PID, status.StartedAt = 0, time.Time{}
		if p, ok := s.running[part.Name]; ok {
			status.PID, status.StartedAt = p.cmd.Process.Pid, p.StartedAt
		}
		all = append(all, status)
	}
	return writeJSON(s.files.Status, all)
}
