package lifecycle

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
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

// snapshot is all that a meta cluster could leave on a machine, one line each.
type snapshot []string

// look reads the machine. Lines that change by themselves, such as other people's processes, are left out by what they are, never by
// when they appear.
func look(t *testing.T) snapshot {
	t.Helper()
	var s snapshot
	for what, read := range map[string]func() ([]string, error){
		"process": processes, "mount": mounts, "cgroup": cgroups, "link": links, "route": routes, "nftables": ruleset,
		"file": files, "kernel setting": settings,
	} {
		lines, err := read()
		if err != nil {
			t.Fatalf("looking for every %s of the machine: %v", what, err)
		}
		for _, line := range lines {
			s = append(s, what+" "+line)
		}
	}
	slices.Sort(s)
	return s
}

// since returns what was not there before, and what was there and is gone.
func (s snapshot) since(before snapshot) (changes []string) {
	for _, line := range s {
		if !slices.Contains(before, line) {
			changes = append(changes, "new: "+line)
		}
	}
	for _, line := range before {
		if !slices.Contains(s, line) {
			changes = append(changes, "gone: "+line)
		}
	}
	return changes
}

// neverThere are paths that containerd, CNI and a kubelet write on an ordinary node. They are looked at by themselves: an earlier meta
// cluster may have made them before the first snapshot.
var neverThere = []string{"/opt/cni", "/opt/containerd", "/usr/libexec/kubernetes", "/var/lib/cni", "/var/lib/kubelet", "/run/netns", state}

// mustBeAsBefore compares the machine with before. Namespaces end a moment after their last process, and whoever adopts dead processes
// takes a moment to clear them away, so the comparison may be repeated for a while.
func mustBeAsBefore(t *testing.T, before snapshot) {
	t.Helper()
	for _, path := range neverThere {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is on the machine (%v)", path, err)
		}
	}
	var changes []string
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		if changes = look(t).since(before); len(changes) == 0 {
			return
		}
	}
	t.Errorf("the machine is not as before:\n%s", strings.Join(changes, "\n"))
}

// empty takes down what runs and returns how the machine is then.
func empty(t *testing.T) snapshot {
	t.Helper()
	run(t, program(t), "down")
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		if s := look(t); !slices.ContainsFunc(s, func(line string) bool { return strings.HasSuffix(line, zombie) }) {
			return s
		}
	}
	t.Fatal("nobody clears away the dead processes of an earlier meta cluster")
	return nil
}

// zombie marks a process that has ended and that its parent has not asked for.
const zombie = " (zombie)"

// processes lists those in other network namespaces than ours, and those running a program of a meta cluster, also when dead and not cleared
// away. A program that somebody else started and watches, such as an integration test's API server, is not ours: what a meta cluster
// loses is adopted by the first process.
func processes() ([]string, error) {
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return nil, err
	}
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	var found []string
	for _, dir := range dirs {
		comm, err := os.ReadFile(filepath.Join(dir, "comm"))
		if err != nil {
			continue // it has ended
		}
		name := strings.TrimSpace(string(comm))
		ns, err := os.Readlink(filepath.Join(dir, "ns", "net"))
		if err != nil {
			name += zombie // it has no namespaces any more
		}
		if elsewhere := err == nil && ns != own; elsewhere || (isPart(name) || isMetacluster(dir)) && adopted(dir) {
			found = append(found, filepath.Base(dir)+" "+name)
		}
	}
	return found, nil
}

// adopted tells whether whoever started the process is gone; also if it ends while we look.
func adopted(dir string) bool {
	raw, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(raw)) {
		if parent, ok := strings.CutPrefix(line, "PPid:"); ok {
			return strings.TrimSpace(parent) == "1"
		}
	}
	return false
}

func isPart(name string) bool {
	for _, prefix := range []string{"metacluster", "etcd", "kube", "containerd", "runc", "pause", "coredns", "metrics-server", "volume-prov", "ctr"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// isMetacluster looks at the program itself: a supervisor was started under the name exe.
func isMetacluster(dir string) bool {
	target, err := os.Readlink(filepath.Join(dir, "exe"))
	return err == nil && strings.HasPrefix(filepath.Base(target), "metacluster")
}

func mounts() ([]string, error) {
	f, err := os.Open("/proc/self/mounts")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var lines []string
	for scanner := bufio.NewScanner(f); scanner.Scan(); {
		lines = append(lines, scanner.Text())
	}
	return lines, nil
}

// cgroups lists the upper level of each hierarchy. Other people's cgroups below come and go; whatever a kubelet or runc would make in the wrong
// place begins at the top.
func cgroups() ([]string, error) { return filepath.Glob("/sys/fs/cgroup/*/*/") }

func links() ([]string, error) {
	all, err := netlink.LinkList()
	var names []string
	for _, link := range all {
		names = append(names, link.Attrs().Name)
	}
	return names, err
}

func routes() ([]string, error) {
	all, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	var lines []string
	for _, route := range all {
		lines = append(lines, fmt.Sprint(route.Dst, " via ", route.Gw, " on ", route.LinkIndex))
	}
	return lines, err
}

func ruleset() ([]string, error) {
	out, err := exec.Command("nft", "list", "ruleset").Output()
	return strings.Split(string(out), "\n"), err
}

// files are the places where Kubernetes, containerd and CNI would write on an ordinary node, and the state folder's.
func files() ([]string, error) {
	var found []string
	for _, pattern := range []string{
		"/run/*", "/run/lock/*", "/var/lib/*", "/var/log/*", "/etc/cni", "/etc/cni/*", "/etc/kubernetes", "/opt/*", "/usr/libexec/*",
		"/tmp/.*",
	} {
		matches, err := filepath.Glob(pattern)
		if err != nil {
			return nil, err
		}
		found = append(found, matches...)
	}
	return found, nil
}

// settings are those that a kubelet or kube-proxy changes on an ordinary node.
func settings() ([]string, error) {
	var lines []string
	for _, name := range []string{
		"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops", "kernel/keys/root_maxkeys",
		"kernel/keys/root_maxbytes", "net/ipv4/ip_forward", "net/ipv4/conf/all/route_localnet",
	} {
		raw, err := os.ReadFile(filepath.Join("/proc/sys", name))
		if err != nil {
			return nil, err
		}
		lines = append(lines, name+"="+strings.TrimSpace(string(raw)))
	}
	return lines, nil
}
