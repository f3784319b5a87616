package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// program is a running cluster-scaler, seen from outside.
type program struct {
	cmd      *exec.Cmd
	log      *os.File
	metrics  string // addresses
	profiles string
	began    time.Time
	ended    chan error
}

// build compiles the program as it is shipped.
func build(ctx context.Context, checkout, folder string) (path string, err error) {
	path = filepath.Join(folder, "cluster-scaler")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", path, "./cmd/cluster-scaler")
	cmd.Dir, cmd.Env = checkout, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building cluster-scaler: %w: %s", err, out)
	}
	return path, nil
}

// start the program; it ends with this one at the latest.
func start(path, kubeconfig, log, more string) (*program, error) {
	ports, err := free(3)
	if err != nil {
		return nil, err
	}
	s := &program{metrics: ports[0], profiles: ports[1], ended: make(chan error, 1)}
	if s.log, err = os.Create(log); err != nil {
		return nil, err
	}
	flags := append([]string{"--metrics-address=" + ports[0], "--pprof-address=" + ports[1], "--health-address=" + ports[2], "--leader-namespace=metapilot-system"}, strings.Fields(more)...)
	s.cmd = exec.Command(path, flags...)
	s.cmd.Env = []string{"KUBECONFIG=" + kubeconfig} // nothing else, as in a pod
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	s.began = time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { s.ended <- s.cmd.Wait() }()
	return s, nil
}

// free addresses on this machine.
func free(n int) (addresses []string, err error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer func() { _ = l.Close() }()
		addresses = append(addresses, l.Addr().String())
	}
	return addresses, nil
}

// stop ends the program as Kubernetes does.
func (s *program) stop() error {
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case err := <-s.ended:
		return errors.Join(err, s.log.Close())
	case <-time.After(30 * time.Second):
		return errors.Join(errors.New("the cluster-scaler did not end within 30 s of being asked to"), s.cmd.Process.Kill(), <-s.ended, s.log.Close())
	}
}

// use of a process, as the kernel counts it.
type use struct {
	at        time.Time
	cpu       time.Duration // since it was started
	rss, peak float64       // MiB
}

const (
	mib   = 1 << 20
	ticks = 100 // in a second: USER_HZ, which Linux has promised to all programs
)

func (s *program) use() (use, error) {
	folder := filepath.Join("/proc", strconv.Itoa(s.cmd.Process.Pid))
	stat, err := os.ReadFile(filepath.Join(folder, "stat"))
	if err != nil {
		return use{}, fmt.Errorf("the cluster-scaler has ended: %w", err)
	}
	status, err := os.ReadFile(filepath.Join(folder, "status"))
	if err != nil {
		return use{}, fmt.Errorf("the cluster-scaler has ended: %w", err)
	}
	return parseUse(time.Now(), string(stat), string(status))
}

// parseUse reads /proc/<pid>/stat and status (proc_pid_stat(5), proc_pid_status(5)).
func parseUse(at time.Time, stat, status string) (use, error) {
	u := use{at: at}
	fields := strings.Fields(stat[strings.LastIndex(stat, ")")+1:]) // the third field is the first one
	if len(fields) < 13 {
		return u, fmt.Errorf("/proc/<pid>/stat holds %q", stat)
	}
	for _, field := range fields[11:13] { // utime, stime
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return u, fmt.Errorf("/proc/<pid>/stat holds %q: %w", stat, err)
		}
		u.cpu += time.Duration(n) * time.Second / ticks
	}
	for line := range strings.Lines(status) {
		name, value, _ := strings.Cut(line, ":")
		kib, _, _ := strings.Cut(strings.TrimSpace(value), " ")
		into := map[string]*float64{"VmRSS": &u.rss, "VmHWM": &u.peak}[name]
		if into == nil {
			continue
		}
		n, err := strconv.ParseFloat(kib, 64)
		if err != nil {
			return u, fmt.Errorf("/proc/<pid>/status holds %q: %w", line, err)
		}
		*into = n / 1024
	}
	return u, nil
}

// metric sums up a metric of the program over the series that have the labels.
func (s *program) metric(ctx context.Context, name string, labels ...string) (float64, error) {
	raw, err := get(ctx, "http://"+s.metrics+"/metrics")
	if err != nil {
		return 0, err
	}
	return sumOf(raw, name, labels...)
}

func sumOf(raw []byte, name string, labels ...string) (sum float64, err error) {
	for line := range bytes.Lines(raw) {
		series, value, _ := strings.Cut(strings.TrimSpace(string(line)), "} ")
		of, with, found := strings.Cut(series, "{")
		if !found || of != name || !containsAll(with, labels) {
			continue
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0, fmt.Errorf("reading %q: %w", line, err)
		}
		sum += n
	}
	return sum, nil
}

func containsAll(text string, parts []string) bool {
	for _, part := range parts {
		if !strings.Contains(text, part) {
			return false
		}
	}
	return true
}

func get(ctx context.Context, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	return io.ReadAll(answer.Body)
}

// reconciles that have ended.
func (s *program) reconciles(ctx context.Context) (float64, error) {
	return s.metric(ctx, "controller_runtime_reconcile_total", `controller="clusterscaler"`)
}

// keep writes what pprof tells.
func (s *program) keep(ctx context.Context, folder, name string) error {
	for _, one := range []string{"heap", "allocs", "profile?seconds=30"} {
		raw, err := get(ctx, "http://"+s.profiles+"/debug/pprof/"+one)
		if err != nil {
			return err
		}
		kind, _, _ := strings.Cut(one, "?")
		if err := os.WriteFile(filepath.Join(folder, name+"-"+kind+".pprof"), raw, 0o644); err != nil {
			return err
		}
	}
	return nil
}
