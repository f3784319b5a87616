package supervisor

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/metapilot/metapilot/e2e/metacluster/cgroup"
)

// namespaces that a holder makes and the parts inside it enter.
var namespaces = []struct {
	name string
	flag int
}{{"mnt", unix.CLONE_NEWNS}, {"net", unix.CLONE_NEWNET}, {"uts", unix.CLONE_NEWUTS}}

func cloneFlags() (flags uintptr) {
	for _, n := range namespaces {
		flags |= uintptr(n.flag)
	}
	return flags
}

// Enter turns the calling process into the program, in the given cgroup and in the namespaces of process holder (0: its own). It
// returns only if that fails. A separate step between fork and exec is needed because a Go program cannot run code there.
func Enter(group string, holder int, argv []string) error {
	runtime.LockOSThread() // setns and exec have to happen on one thread
	if group != "" {
		if err := cgroup.Join(group); err != nil {
			return err
		}
	}
	if holder != 0 {
		if err := enterNamespaces(holder); err != nil {
			return err
		}
	}
	if err := unix.Exec(argv[0], argv, os.Environ()); err != nil {
		return fmt.Errorf("starting %s: %w", argv[0], err)
	}
	return nil
}

func enterNamespaces(holder int) error {
	// A thread may change its mount namespace only while it shares root and working directory with no other: setns(2).
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("leaving the shared working directory: %w", err)
	}
	var files []*os.File // all opened first: after the first setns the paths may be others
	for _, n := range namespaces {
		f, err := os.Open(filepath.Join("/proc", strconv.Itoa(holder), "ns", n.name))
		if err != nil {
			return fmt.Errorf("opening namespace: %w", err)
		}
		defer f.Close()
		files = append(files, f)
	}
	for i, n := range namespaces {
		if err := unix.Setns(int(files[i].Fd()), n.flag); err != nil {
			return fmt.Errorf("entering %s namespace of process %d: %w", n.name, holder, err)
		}
	}
	return nil
}
