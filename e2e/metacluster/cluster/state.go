// Package cluster brings the local meta cluster up and down and says how it is. It is the library behind the metacluster program
// and behind the scenarios.
//
// There is at most one meta cluster on a machine, because its network and its cgroups have fixed names. Everything it leaves on disk
// is in one state folder; everything it leaves in the kernel dies with its processes, which are all in one cgroup subtree. It never
// decides how a part is run (package part) or kept running (package supervisor).
package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/metapilot/metapilot/e2e/metacluster/cgroup"
	"github.com/metapilot/metapilot/e2e/metacluster/supervisor"
	"github.com/metapilot/metapilot/e2e/metacluster/wholefile"
)

// defaultState is outside every checkout: the meta cluster belongs to the machine, and a checkout may be deleted while it runs.
const defaultState = "/var/lib/metapilot"

// Run is what a meta cluster remembers about itself, so that whoever finds it needs neither its checkout nor the store.
type Run struct {
	Checkout  string            `json:"checkout"`
	Nodes     int               `json:"nodes"`
	StartedAt time.Time         `json:"startedAt"`
	Tools     string            `json:"tools,omitempty"`  // folder of kubectl
	Images    map[string]string `json:"images,omitempty"` // component -> image
}

// StateFolder is where the state is or will be: METAPILOT_STATE, or the machine's default.
func StateFolder() (string, error) {
	if folder := os.Getenv("METAPILOT_STATE"); folder != "" {
		folder, err := filepath.Abs(folder)
		if err != nil {
			return "", err
		}
		if resolved, err := filepath.EvalSymlinks(folder); err == nil {
			return resolved, nil
		}
		return folder, nil
	}
	return defaultState, nil
}

// marker is in every state folder from its first moment to its last. Nothing is deleted from a folder without it.
const marker = ".metapilot-state"

// makeState makes the state folder, or finds that it is one already.
func makeState(state string) error {
	if err := ownState(state); err != nil {
		return err
	}
	return wholefile.Write(filepath.Join(state, marker), []byte("Everything here belongs to metacluster and is deleted by metacluster down.\n"), 0o644)
}

// ownState refuses a folder that holds something and is not a state folder.
func ownState(state string) error {
	entries, err := os.ReadDir(state)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	// A marker that was being written when its writer was killed has more letters before and after.
	isMarker := func(entry fs.DirEntry) bool { return strings.Contains(entry.Name(), marker) }
	if len(entries) > 0 && !slices.ContainsFunc(entries, isMarker) {
		return fmt.Errorf("%s holds something and is not a state folder of metacluster (it has no %s), so nothing in it is touched: "+
			"name a folder of its own in METAPILOT_STATE", state, marker)
	}
	return nil
}

// removeState deletes the state folder: first what says that there is a run to go on with, last what says that the folder is ours.
func removeState(state string) error {
	if err := os.RemoveAll(runFile(state)); err != nil {
		return err
	}
	entries, err := os.ReadDir(state)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, entry := range entries {
		if entry.Name() != marker {
			err = errors.Join(err, os.RemoveAll(filepath.Join(state, entry.Name())))
		}
	}
	if err != nil {
		return err
	}
	return os.RemoveAll(state)
}

func runFile(state string) string { return filepath.Join(state, "run.json") }

// readRun returns nil if there is no readable record: half of one is as good as none.
func readRun(state string) *Run {
	var run Run
	raw, err := os.ReadFile(runFile(state))
	if err != nil || json.Unmarshal(raw, &run) != nil {
		return nil
	}
	return &run
}

func writeRun(state string, run Run) error {
	raw, err := json.MarshalIndent(run, "", "  ")
	if err != nil {
		return err
	}
	return wholefile.Write(runFile(state), append(raw, '\n'), 0o644)
}

// superviseCommand is the command of this program that is the supervisor.
const superviseCommand = "supervise"

// live describes the supervisor that is alive on this machine.
type live struct {
	pid   int
	state string // its state folder
	run   Run
}

// findLive returns the supervisor that is alive, of any checkout and any state folder, or nil. The kernel's list of processes in the
// supervisor's cgroup cannot be stale.
func findLive() (*live, error) {
	pids, err := cgroup.Processes(supervisor.Cgroup)
	if err != nil {
		return nil, err
	}
	for _, pid := range pids {
		raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ESRCH) {
			return nil, err
		}
		args := strings.Split(string(raw), "\x00")
		if len(args) < 2 || args[1] != superviseCommand {
			continue // it has ended, or is a part on its way to its own cgroup
		}
		found := &live{pid: pid, state: argument(args, "--state")}
		if run := readRun(found.state); run != nil {
			found.run = *run
		}
		return found, nil
	}
	return nil, nil
}

func argument(args []string, name string) string {
	if i := slices.Index(args, name); i >= 0 && i+1 < len(args) {
		return args[i+1]
	}
	return ""
}

func (l *live) String() string {
	return fmt.Sprintf("a meta cluster of %s is running since %s (supervisor: process %d, state: %s)",
		l.run.Checkout, l.run.StartedAt.Format(time.DateTime), l.pid, l.state)
}

// ErrBusy means that somebody else brings a meta cluster up or down.
var ErrBusy = errors.New("another metacluster up or down is at work on this machine: wait until it has ended, or end it")

// lock keeps a second up or down away, of any checkout. It locks a folder that every machine has, so that no file is left behind.
func lock() (*os.File, error) {
	f, err := os.Open("/sys/fs/cgroup")
	if err != nil {
		return nil, fmt.Errorf("locking: %w", err)
	}
	if err := flock(f); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// flock waits a little: a supervisor that was just started has the lock for a moment, also when its up was killed (see
// supervisor.InheritedLock).
func flock(f *os.File) error {
	for deadline := time.Now().Add(lockPatience); ; time.Sleep(50 * time.Millisecond) { //nolint:forbidigo // flock(2) has no timeout
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return err
		}
		if time.Now().After(deadline) {
			return ErrBusy
		}
	}
}

// lockPatience is a multiple of what a supervisor needs to start.
const lockPatience = 3 * time.Second
