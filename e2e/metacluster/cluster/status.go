package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/metapilot/metapilot/e2e/metacluster/cgroup"
	"github.com/metapilot/metapilot/e2e/metacluster/supervisor"
)

// podsPID stands for the process id of what is many processes: all pods of a node.
const podsPID = -1

// PartState is one line of the status.
type PartState struct {
	supervisor.PartStatus
	RSS int64 // bytes, of all processes in its cgroup
}

// Pods says that the line is for all pods of a node.
func (p PartState) Pods() bool { return p.PID == podsPID }

// Running says in one word how the part is.
func (p PartState) Running() string {
	switch {
	case p.PID != 0:
		return "running"
	case p.Held:
		return "stopped"
	}
	return "dead"
}

// Status is how the meta cluster is.
type Status struct {
	Run        Run
	State      string
	Supervisor int // process id; 0 if there is none
	Parts      []PartState
	Unready    []string // what stands against "ready", in words; empty if all is well
}

// Status looks at processes and asks the API.
func (c *Cluster) Status(ctx context.Context) (Status, error) {
	s := Status{State: c.State}
	if run := readRun(c.State); run != nil {
		s.Run = *run
	}
	running, err := findLive()
	if err != nil {
		return s, err
	}
	if running == nil {
		s.Unready = append(s.Unready, fmt.Sprintf("the supervisor is dead and all parts with it; its log is %s; make up goes on", c.Log("supervisor")))
	} else {
		s.Supervisor = running.pid
	}
	if s.Parts, err = c.parts(running); err != nil {
		return s, err
	}
	for _, p := range s.Parts {
		if p.PID == 0 {
			s.Unready = append(s.Unready, fmt.Sprintf("%s is %s%s; its log is %s", p.Name, p.Running(), because(p), c.Log(p.Name)))
		}
	}
	if running != nil {
		s.Unready = append(s.Unready, c.unready(ctx)...)
	}
	return s, nil
}

func because(p PartState) string {
	if p.LastExit == "" || p.Held {
		return ""
	}
	return fmt.Sprintf(" (%s, %s)", p.LastExit, p.DiedAt.Format(time.TimeOnly))
}

// parts are the supervisor, what it said of its parts, and the pods of each node.
func (c *Cluster) parts(running *live) ([]PartState, error) {
	said, err := c.files.ReadStatus()
	if err != nil {
		return nil, err
	}
	all := []supervisor.PartStatus{{Name: "supervisor", Cgroup: supervisor.Cgroup}}
	if running != nil {
		all[0].PID, all[0].StartedAt = running.pid, running.run.StartedAt
	}
	for _, status := range said {
		if running == nil {
			status.PID = 0 // parts die with the supervisor, which could not say so any more
		}
		all = append(all, status)
	}
	for _, node := range c.Nodes {
		all = append(all, supervisor.PartStatus{Name: node.Name + "/pods", Cgroup: filepath.Join(node.Name, "kubepods"), PID: podsPID})
	}
	return weigh(all)
}

// weigh adds the memory of each part's cgroup.
func weigh(all []supervisor.PartStatus) (parts []PartState, err error) {
	for _, status := range all {
		rss, err := groupRSS(status.Cgroup)
		if err != nil {
			return nil, err
		}
		parts = append(parts, PartState{PartStatus: status, RSS: rss})
	}
	return parts, nil
}

// unready asks the API what is not ready.
func (c *Cluster) unready(ctx context.Context) (reasons []string) {
	client, err := c.Client()
	if err != nil {
		return []string{err.Error()}
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	for _, check := range c.checks() {
		if ok, why := check.ready(ctx, client); !ok {
			reasons = append(reasons, fmt.Sprintf("%s: %s", check.name, why))
		}
	}
	return reasons
}

// groupRSS is the resident memory of all processes of a cgroup, in bytes.
func groupRSS(group string) (total int64, problem error) {
	pids, problem := cgroup.Processes(group)
	for _, pid := range pids {
		rss, err := processRSS(pid)
		total, problem = total+rss, errors.Join(problem, err)
	}
	return total, problem
}

// processRSS is 0 for a process that has ended.
func processRSS(pid int) (int64, error) {
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "statm"))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(raw)) // proc_pid_statm(5): size resident ...
	if len(fields) < 2 {
		return 0, fmt.Errorf("process %d has no readable statm: %q", pid, raw)
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize()), err
}
