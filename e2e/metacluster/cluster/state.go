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

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"

	"github.com/metapilot/metapilot/e2e/metacluster/cgroup"
	"github.com/metapilot/metapilot/e2e/metacluster/supervisor"
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
		return filepath.Abs(folder)
	}
	return defaultState, nil
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
	return renameio.WriteFile(runFile(state), append(raw, '\n'), 0o644)
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
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, ErrBusy
		}
		return nil, fmt.Errorf("locking: %w", err)
	}
	return f, nil
}
