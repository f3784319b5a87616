// Package machine looks at the machine and judges whether a meta cluster can run on it, and installs what Debian packages lack.
//
// Facts gathers (the only reader), Check judges (pure) and says in one sentence each what is wrong and what to do. It never changes
// anything but through InstallPackages.
package machine

import (
	"fmt"
	"slices"
	"strings"
)

// Limits below which a meta cluster is not begun.
const (
	minDiskBytes   = 6 << 30
	minMemoryBytes = 4 << 30
)

// needed are the cgroup v1 controllers without which a kubelet does not start.
var needed = []string{"cpu", "cpuacct", "cpuset", "memory", "pids", "devices", "freezer"}

// Facts is what Check judges.
type Facts struct {
	UserID         int
	Controllers    []string // cgroup v1 controllers that are mounted
	CgroupReadOnly bool
	CgroupV2Only   bool
	Overlay        bool // the kernel has overlayfs
	DiskPath       string
	DiskFree       int64
	Memory         int64  // bytes of the machine
	Containerd     string // version, empty if it is not installed
	SubnetTakenBy  string // link through which the node subnet is routed already
	Subnet         string
	MountsInState  []string // foreign mounts below the state folder
	State          string
	PackageManager bool // apt-get is there
	Missing        []string
}

// Existing tells how to go on without a meta cluster of our own; it ends every refusal.
const Existing = "To use a cluster that you have instead, set METAPILOT_KUBECONFIG=<its kubeconfig> (docs/existing-cluster.md)."

// Check returns one sentence for each reason why a meta cluster cannot start; none means go.
func Check(f Facts) []string {
	var problems []string
	no := func(wrong bool, format string, args ...any) {
		if wrong {
			problems = append(problems, fmt.Sprintf(format, args...))
		}
	}
	no(f.UserID != 0, "This needs root (namespaces, mounts and cgroups are made) and runs as user %d: start it with sudo.", f.UserID)
	no(f.CgroupV2Only, "The machine mounts only cgroup v2, which is not supported yet: boot with systemd.unified_cgroup_hierarchy=0.")
	if missing := without(needed, f.Controllers); !f.CgroupV2Only {
		no(len(missing) > 0, "These cgroup v1 controllers are not mounted below /sys/fs/cgroup: %s; mount them, or run on the machine itself instead of in a container.",
			strings.Join(missing, ", "))
	}
	no(f.CgroupReadOnly, "The cgroups below /sys/fs/cgroup are mounted read-only: remount them read-write, or run on the machine itself instead of in a container.")
	no(!f.Overlay, "The kernel has no overlayfs (it is not in /proc/filesystems), which containers need: run modprobe overlay.")
	no(f.DiskFree < minDiskBytes, "%s has only %s free and %s are needed: free some, or put the state elsewhere with METAPILOT_STATE=<folder>.",
		f.DiskPath, gib(f.DiskFree), gib(minDiskBytes))
	no(f.Memory < minMemoryBytes, "The machine has %s of memory and %s are needed.", gib(f.Memory), gib(minMemoryBytes))
	no(f.Containerd != "" && !knownContainerd(f.Containerd),
		"/usr/bin/containerd is version %s and only Debian's 1.6 and 1.7 are known to work: install Debian's containerd package instead.", f.Containerd)
	no(f.SubnetTakenBy != "", "The subnet of the nodes, %s, is taken: the machine reaches part of it through %s; take that link down.",
		f.Subnet, f.SubnetTakenBy)
	no(len(f.MountsInState) > 0, "Something not ours is mounted inside the state folder %s: %s; unmount it, so that nothing of it is deleted.",
		f.State, strings.Join(f.MountsInState, ", "))
	no(len(f.Missing) > 0 && !f.PackageManager, "These programs are missing and there is no apt-get to install them: %s; install them by hand.",
		strings.Join(f.Missing, ", "))
	return problems
}

func knownContainerd(version string) bool {
	return strings.HasPrefix(version, "1.6.") || strings.HasPrefix(version, "1.7.")
}

// without returns the elements of all that are not in some, in order.
func without(all, some []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(s string) bool { return slices.Contains(some, s) })
}

func gib(bytes int64) string { return fmt.Sprintf("%.1f GiB", float64(bytes)/(1<<30)) }
