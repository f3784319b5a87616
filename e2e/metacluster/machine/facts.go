package machine

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/metapilot/metapilot/e2e/metacluster/cgroup"
	"github.com/metapilot/metapilot/e2e/metacluster/logtail"
	"github.com/metapilot/metapilot/e2e/metacluster/network"
)

// Look gathers the facts for a meta cluster whose files are in the state folder.
func Look(state string) (Facts, error) {
	f := Facts{UserID: os.Geteuid(), State: state, Subnet: network.NodeSubnet.String()}
	_, err := exec.LookPath("apt-get")
	f.PackageManager = err == nil
	f.Containerd = containerdVersion()
	for _, p := range MissingPackages() {
		f.Missing = append(f.Missing, p.Program)
	}
	return f, errors.Join(f.lookAtCgroups(), f.lookAtSpace(), f.lookAtMounts(), f.lookAtNetwork())
}

func (f *Facts) lookAtCgroups() error {
	hierarchies, err := cgroup.Hierarchies()
	if err != nil {
		return err
	}
	for _, h := range hierarchies {
		f.Controllers = append(f.Controllers, strings.Split(filepath.Base(h), ",")...)
		f.CgroupReadOnly = f.CgroupReadOnly || unix.Access(h, unix.W_OK) == unix.EROFS
	}
	_, err = os.Stat("/sys/fs/cgroup/cgroup.controllers") // only the v2 hierarchy has it
	f.CgroupV2Only = err == nil
	return nil
}

func (f *Facts) lookAtSpace() error {
	filesystems, err := os.ReadFile("/proc/filesystems")
	if err != nil {
		return err
	}
	f.Overlay = strings.Contains(string(filesystems), "\toverlay\n") || exec.Command("modprobe", "overlay").Run() == nil
	f.Memory, err = Memory()
	if err != nil {
		return err
	}
	var stat unix.Statfs_t
	f.DiskPath = f.State // or the nearest folder above that exists
	for err = unix.Statfs(f.DiskPath, &stat); errors.Is(err, fs.ErrNotExist); err = unix.Statfs(f.DiskPath, &stat) {
		f.DiskPath = filepath.Dir(f.DiskPath)
	}
	if err != nil {
		return fmt.Errorf("looking at the disk of %s: %w", f.DiskPath, err)
	}
	f.DiskFree = int64(stat.Bavail) * stat.Bsize
	return nil
}

func (f *Facts) lookAtMounts() (err error) {
	f.MountsInState, err = MountsIn(f.State)
	return err
}

// MountsIn lists what is mounted at the folder or below it.
func MountsIn(folder string) (found []string, err error) {
	mounts, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer mounts.Close()
	for lines := bufio.NewScanner(mounts); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 5 {
			continue
		}
		at := unescape.Replace(fields[4])
		if at == folder || strings.HasPrefix(at, strings.TrimSuffix(folder, "/")+"/") {
			found = append(found, at)
		}
	}
	return found, nil
}

// unescape undoes what the kernel does to paths in mountinfo.
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

func (f *Facts) lookAtNetwork() (err error) {
	f.SubnetTakenBy, err = network.Conflict()
	return err
}

// Memory returns the machine's memory in bytes.
func Memory() (int64, error) {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 0, fmt.Errorf("asking for the machine's memory: %w", err)
	}
	return int64(info.Totalram) * int64(info.Unit), nil
}

// containerdVersion is empty if there is no containerd. Its answer is "containerd <source> <version> <revision>".
func containerdVersion() string {
	out, _ := exec.Command("/usr/bin/containerd", "--version").Output() // nothing if there is none
	fields := strings.Fields(string(out))
	if len(fields) < 3 {
		return strings.TrimSpace(string(out))
	}
	return strings.TrimPrefix(fields[2], "v")
}

// Package is a Debian package and a program by which it is known to be installed.
type Package struct {
	Name    string
	Program string
}

func packages() []Package {
	return []Package{
		{"containerd", "/usr/bin/containerd"},
		{"runc", "runc"},
		{"containernetworking-plugins", "/usr/lib/cni/ptp"},
		{"iptables", "iptables"}, // CNI's portmap
		{"nftables", "nft"},      // kube-proxy
	}
}

// MissingPackages lists what is to be installed.
func MissingPackages() []Package {
	return slices.DeleteFunc(packages(), func(p Package) bool {
		_, err := exec.LookPath(p.Program)
		return err == nil
	})
}

// InstallPackages installs the packages with apt-get; its output goes to the log file.
func InstallPackages(missing []Package, log string) error {
	if err := os.MkdirAll(filepath.Dir(log), 0o755); err != nil {
		return err
	}
	out, err := os.Create(log)
	if err != nil {
		return err
	}
	defer out.Close()
	// An apt-get that outlived a killed run still has the lock.
	install := []string{"-o", "DPkg::Lock::Timeout=300", "install", "--yes", "--no-install-recommends"}
	for _, p := range missing {
		install = append(install, p.Name)
	}
	for _, args := range [][]string{{"update"}, install} {
		cmd := exec.Command("apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		cmd.Stdout, cmd.Stderr = out, out
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("apt-get %s: %w; the end of its log, %s:\n%s", strings.Join(args, " "), err, log, logtail.Last(log))
		}
	}
	return nil
}
