// Package cgroup owns one subtree in every cgroup hierarchy of the machine, Root, and everything in it.
//
// All processes of the meta cluster, also those that containers start, are in this subtree, so the kernel keeps the record of what
// is ours: nothing outside the subtree is ever ended, and nothing in it is missed, whoever was killed before. The package never
// limits anything; that is the kubelet's work below a node's cgroup.
package cgroup

import (
	"bufio"
	"context"
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
	"k8s.io/apimachinery/pkg/util/wait"
)

// Root is the meta cluster's subtree, as a path below each hierarchy.
const Root = "/metapilot"

// Hierarchies returns the mount points of the cgroup hierarchies, in the order of /proc/self/mountinfo. Beside the v1 hierarchies many
// machines mount a v2 one without controllers; runc makes cgroups in that, too.
func Hierarchies() ([]string, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("looking for cgroup hierarchies: %w", err)
	}
	defer f.Close()
	var found []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		// Format: proc_pid_mountinfo(5); the filesystem type follows the separator.
		before, after, _ := strings.Cut(lines.Text(), " - ")
		fields := strings.Fields(before)
		if len(fields) >= 5 && (strings.HasPrefix(after, "cgroup ") || strings.HasPrefix(after, "cgroup2 ")) {
			found = append(found, fields[4])
		}
	}
	return found, nil
}

// Make creates the cgroup below Root in every hierarchy.
func Make(path string) error {
	hierarchies, err := Hierarchies()
	if err != nil {
		return err
	}
	for _, h := range hierarchies {
		if err := makeRoot(h); err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Join(h, Root, path), 0o755); err != nil {
			return fmt.Errorf("making cgroup: %w", err)
		}
	}
	return nil
}

// makeRoot creates Root in one hierarchy. A new cpuset has no CPUs and takes no process, so it gets its parent's, and hands them on.
func makeRoot(hierarchy string) error {
	root := filepath.Join(hierarchy, Root)
	if err := os.Mkdir(root, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("making cgroup: %w", err)
	}
	for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
		inherited, err := os.ReadFile(filepath.Join(hierarchy, name))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(root, name), inherited, 0o644)
		}
		if err != nil {
			return fmt.Errorf("handing on %s: %w", name, err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "cgroup.clone_children"), []byte("1"), 0o644); err != nil {
		return fmt.Errorf("handing on the cpuset: %w", err)
	}
	return nil
}

// Join moves the calling process into the cgroup.
func Join(path string) error {
	hierarchies, err := Hierarchies()
	if err != nil {
		return err
	}
	for _, h := range hierarchies {
		if err := os.WriteFile(filepath.Join(h, Root, path, "cgroup.procs"), []byte("0"), 0o644); err != nil {
			return fmt.Errorf("joining cgroup: %w", err)
		}
	}
	return nil
}

// Processes returns the ids of all processes in the cgroup and below it, in any hierarchy, sorted.
func Processes(path string) ([]int, error) {
	var pids []int
	err := eachDir(path, func(dir string) error {
		raw, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
			return nil // the cgroup went away in between
		}
		if err != nil {
			return err
		}
		for _, field := range strings.Fields(string(raw)) {
			pid, err := strconv.Atoi(field)
			if err != nil {
				return fmt.Errorf("%s: %w", dir, err)
			}
			pids = append(pids, pid)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("listing processes of cgroup %s: %w", path, err)
	}
	slices.Sort(pids)
	return slices.Compact(pids), nil
}

// Exists reports whether any hierarchy has the meta cluster's subtree.
func Exists() (bool, error) {
	found := false
	err := eachDir("", func(string) error {
		found = true
		return fs.SkipAll
	})
	return found, err
}

// retryEvery is how often the kernel is asked whether it is done.
const retryEvery = 20 * time.Millisecond

// Kill ends every process in the cgroup and below it, and returns when there is none, or with an error when the time is over.
func Kill(path string, within time.Duration) error {
	var left []int
	err := wait.PollUntilContextTimeout(context.Background(), retryEvery, within, true, func(context.Context) (done bool, err error) {
		if left, err = Processes(path); err != nil {
			return false, err
		}
		return len(left) == 0, endAll(left)
	})
	if wait.Interrupted(err) {
		return fmt.Errorf("processes %v of cgroup %s are still there %s after SIGKILL; see their state with: ps -o pid,stat,wchan,cmd -p %d",
			left, path, within, left[0])
	}
	return err
}

func endAll(pids []int) error {
	for _, pid := range pids {
		if err := unix.Kill(pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("ending process %d: %w", pid, err)
		}
	}
	return nil
}

// Remove takes the cgroup and all below it away; they must be empty of processes. The kernel lets go of a cgroup some time after its last
// process.
func Remove(path string, within time.Duration) error {
	var busy error
	err := wait.PollUntilContextTimeout(context.Background(), retryEvery, within, true, func(context.Context) (done bool, err error) {
		busy = removeOnce(path)
		if busy == nil || errors.Is(busy, unix.EBUSY) {
			return busy == nil, nil
		}
		return false, busy
	})
	if wait.Interrupted(err) {
		return busy
	}
	return err
}

func removeOnce(path string) error {
	var dirs []string
	if err := eachDir(path, func(dir string) error {
		dirs = append(dirs, dir)
		return nil
	}); err != nil {
		return err
	}
	for _, dir := range slices.Backward(dirs) { // children come after their parents
		if err := unix.Rmdir(dir); err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("removing cgroup %s: %w", dir, err)
		}
	}
	return nil
}

// eachDir calls f for the cgroup and all below it in every hierarchy, parents first.
func eachDir(path string, f func(dir string) error) error {
	hierarchies, err := Hierarchies()
	if err != nil {
		return err
	}
	for _, h := range hierarchies {
		err := filepath.WalkDir(filepath.Join(h, Root, path), func(dir string, entry fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
				return nil
			}
			if err != nil || !entry.IsDir() {
				return err
			}
			return f(dir)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
