package supervisor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/metapilot/metapilot/e2e/metacluster/cgroup"
)

// readyFD is where a holder says that its namespaces are furnished; it is closed by the exec that follows.
const readyFD = 3

// Hold furnishes the namespaces in which the calling process was just started, says so, and turns into a program that only sleeps.
// Mounts, links and rules made inside are gone when the last process inside has ended; nobody has to undo them.
func Hold(group string, h Holder) error {
	if err := cgroup.Join(group); err != nil {
		return err
	}
	if err := furnish(h); err != nil {
		return err
	}
	unix.CloseOnExec(readyFD)
	if _, err := os.NewFile(readyFD, "ready").WriteString("ready"); err != nil {
		return fmt.Errorf("reporting ready: %w", err)
	}
	return unix.Exec("/bin/sleep", []string{"sleep", "infinity"}, nil)
}

func furnish(h Holder) error {
	if err := unix.Sethostname([]byte(h.Hostname)); err != nil {
		return fmt.Errorf("setting host name: %w", err)
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644); err != nil {
		return fmt.Errorf("switching on forwarding: %w", err)
	}
	if err := isolateMounts(); err != nil {
		return err
	}
	for _, f := range h.Files {
		if err := showFile(f); err != nil {
			return err
		}
	}
	for _, b := range h.Binds {
		if err := mount(b.From, b.At, "", unix.MS_BIND|unix.MS_REC); err != nil {
			return err
		}
	}
	return nil
}

// isolateMounts cuts the tie to the machine's mounts, lets containers see what the kubelet mounts later, and makes a /run of our own:
// /run/netns, /run/containerd and the like are fixed paths in containerd and CNI.
func isolateMounts() error {
	return errors.Join(
		mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE),
		mount("", "/", "", unix.MS_REC|unix.MS_SHARED),
		mount("tmpfs", "/run", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV),
		os.MkdirAll("/run/lock", 0o755),
	)
}

func showFile(f File) error {
	source := filepath.Join("/run/metacluster", f.At)
	if err := os.MkdirAll(filepath.Dir(source), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(source, []byte(f.Text), 0o644); err != nil {
		return err
	}
	return mount(source, f.At, "", unix.MS_BIND)
}

func mount(source, target, fstype string, flags uintptr) error {
	if err := unix.Mount(source, target, fstype, flags, ""); err != nil {
		return fmt.Errorf("mounting %q at %s: %w", source, target, err)
	}
	return nil
}
