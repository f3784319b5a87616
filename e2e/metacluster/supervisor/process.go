package supervisor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"gopkg.in/natefinch/lumberjack.v2"

	"github.com/metapilot/metapilot/e2e/metacluster/cgroup"
	"github.com/metapilot/metapilot/e2e/metacluster/network"
	"github.com/metapilot/metapilot/e2e/metacluster/supervisor/plan"
)

const (
	logMiB       = 64              // then a part's log is rotated, once
	killAfter    = 5 * time.Second // of asking politely
	furnishLimit = 5 * time.Second
	cgroupLimit  = 10 * time.Second
)

// process is one running part.
type process struct {
	plan.Process
	part Part
	cmd  *exec.Cmd
}

// exit says that a process has ended.
type exit struct {
	name string
	text string
}

// start runs the part. It must be called on the supervisor's main thread: the kernel ends a part when the thread that started it ends.
func (s *Supervisor) start(part Part) error {
	if part.Holder != nil {
		if err := clearAway(part.Holder.Cgroup); err != nil {
			return err
		}
	}
	if err := cgroup.Make(part.Cgroup); err != nil {
		return err
	}
	cmd, err := s.command(part)
	if err != nil {
		return err
	}
	log := &lumberjack.Logger{Filename: s.files.Log(part.Name), MaxSize: logMiB, MaxBackups: 1}
	cmd.Stdout, cmd.Stderr = log, log
	if part.Holder != nil {
		err = s.startHolder(part, cmd)
	} else {
		err = cmd.Start()
	}
	if err != nil {
		return fmt.Errorf("starting %s: %w", part.Name, err)
	}
	go s.report(s.add(part, cmd), cmd, log)
	return nil
}

// add notes that the part runs, and returns the exit that it will have.
func (s *Supervisor) add(part Part, cmd *exec.Cmd) exit {
	s.nextID++
	s.running[part.Name] = &process{
		Process: plan.Process{
			ID: s.nextID, Needs: part.Needs, NeedsID: s.idOf(part.Needs), Hash: part.hash(), StartedAt: time.Now(),
		},
		part: part, cmd: cmd,
	}
	return exit{name: part.Name}
}

// report waits for the end of a part and says it.
func (s *Supervisor) report(e exit, cmd *exec.Cmd, log io.Closer) {
	e.text = "exit status 0"
	if err := cmd.Wait(); err != nil {
		e.text = err.Error()
	}
	log.Close()
	s.exits <- e
}

// clearAway ends what an earlier holder left, as a power failure does. Its cgroups go too: a kubelet would spend three seconds on each of them.
func clearAway(group string) error {
	if err := cgroup.Kill(group, cgroupLimit); err != nil {
		return err
	}
	return cgroup.Remove(group, cgroupLimit)
}

// command is the program that joins cgroup and namespaces and then becomes the part.
func (s *Supervisor) command(part Part) (*exec.Cmd, error) {
	attributes := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setsid: true}
	args := []string{"enter", "--cgroup", part.Cgroup}
	if part.Holder != nil {
		raw, err := json.Marshal(part.Holder)
		if err != nil {
			return nil, fmt.Errorf("encoding holder %s: %w", part.Name, err)
		}
		attributes.Cloneflags = cloneFlags()
		args = []string{"hold", "--cgroup", part.Cgroup, string(raw)}
	} else {
		if needed := s.running[part.Needs]; needed != nil {
			args = append(args, "--holder", strconv.Itoa(needed.cmd.Process.Pid))
		}
		args = append(append(args, "--", part.Path), part.Args...)
	}
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"}
	cmd.Dir = "/"
	cmd.WaitDelay = time.Second // children of the part may hold its log open
	cmd.SysProcAttr = attributes
	return cmd, nil
}

// startHolder starts a holder, waits until it has furnished its namespaces, and wires its network.
func (s *Supervisor) startHolder(part Part, cmd *exec.Cmd) error {
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer read.Close()
	cmd.ExtraFiles = []*os.File{write}
	err = cmd.Start()
	write.Close()
	if err != nil {
		return err
	}
	if err := s.awaitHolder(part, cmd.Process.Pid, read); err != nil {
		cmd.Process.Kill()
		return errors.Join(err, cmd.Wait())
	}
	return nil
}

func (s *Supervisor) awaitHolder(part Part, pid int, ready *os.File) error {
	if err := ready.SetReadDeadline(time.Now().Add(furnishLimit)); err != nil {
		return err
	}
	said, err := io.ReadAll(ready)
	if err != nil {
		return fmt.Errorf("waiting for its namespaces: %w", err)
	}
	if string(said) != "ready" {
		return fmt.Errorf("its namespaces could not be made; see %s", s.files.Log(part.Name))
	}
	if part.Holder.Node == nil {
		return network.WireControl(pid, part.Holder.Nodes)
	}
	return network.WireNode(pid, s.running[part.Needs].cmd.Process.Pid, *part.Holder.Node, part.Holder.Nodes)
}

// stop asks a part to end, and ends it when it does not listen.
func (p *process) stop() {
	p.Stopping = true
	p.cmd.Process.Signal(syscall.SIGTERM)
	time.AfterFunc(killAfter, func() { p.cmd.Process.Kill() }) // no effect on a process that has been waited for
}
