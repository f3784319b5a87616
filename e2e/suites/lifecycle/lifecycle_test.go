// Package lifecycle proves that the meta cluster leaves nothing behind, whatever is killed when, that it goes on where it was stopped, and
// that it refuses in words. Each test takes the machine's meta cluster down and up again, so the suite runs after the others.
package lifecycle

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/metapilot/metapilot/e2e/metacluster/cgroup"
	"github.com/metapilot/metapilot/e2e/metacluster/component"
	"github.com/metapilot/metapilot/e2e/metacluster/supervisor"
	"github.com/metapilot/metapilot/e2e/scenario"
)

// state is the state folder; the suite does not run with another.
const state = "/var/lib/metapilot"

// program is the metacluster that make e2e has built.
func program(t *testing.T) string {
	t.Helper()
	checkout, err := component.Checkout()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(checkout, "bin", "metacluster")
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v; run this suite with make e2e, which builds it", err)
	}
	return path
}

// start begins a metacluster command. What it prints is shown if the test fails.
func start(t *testing.T, path string, args ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	cmd, out := exec.Command(path, args...), &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("metacluster %s:\n%s", strings.Join(args, " "), out)
		}
	})
	return cmd, out
}

// run runs a metacluster command that has to go well, and returns what it printed.
func run(t *testing.T, path string, args ...string) string {
	t.Helper()
	cmd, out := start(t, path, args...)
	if err := cmd.Wait(); err != nil {
		t.Fatalf("metacluster %s: %v", strings.Join(args, " "), err)
	}
	return out.String()
}

// refused runs a metacluster command that has to fail, and returns what it printed.
func refused(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Fatalf("%s was not refused: %s", cmd, out)
	}
	return string(out)
}

func mustSay(t *testing.T, said string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(said, w) {
			t.Errorf("%q does not say %q", said, w)
		}
	}
}

// victims are what a test kills with SIGKILL: ids of processes that metacluster started.
var victims = []struct {
	name string
	pids func(t *testing.T, up *exec.Cmd, r *rand.Rand) []int
}{
	{"up", func(_ *testing.T, up *exec.Cmd, _ *rand.Rand) []int { return []int{up.Process.Pid} }},
	{"supervisor and up", func(t *testing.T, up *exec.Cmd, _ *rand.Rand) []int {
		return append(inCgroup(t, supervisor.Cgroup), up.Process.Pid)
	}},
	{"one part and up", func(t *testing.T, up *exec.Cmd, r *rand.Rand) []int {
		pids := []int{up.Process.Pid}
		if all := inCgroup(t, ""); len(all) > 0 {
			pids = append(pids, all[r.IntN(len(all))])
		}
		return pids
	}},
	{"everything at once", func(t *testing.T, up *exec.Cmd, _ *rand.Rand) []int {
		return append(inCgroup(t, ""), up.Process.Pid)
	}},
}

func inCgroup(t *testing.T, path string) []int {
	t.Helper()
	pids, err := cgroup.Processes(path)
	if err != nil {
		t.Fatal(err)
	}
	return pids
}

// window is the time within which up is killed: a little longer than a whole warm up takes, so that some kills meet a ready cluster.
const window = 25 * time.Second

// Killed at random moments, in turn up alone, with the supervisor, with a part, and all at once: down leaves the machine as it was.
func TestDownAfterKillsAtRandomMoments(t *testing.T) {
	metacluster := program(t)
	before := empty(t)
	kills, seed := setting(t, "KILLS", 20), setting(t, "SEED", int(time.Now().Unix()))
	t.Logf("%d kills; SEED=%d repeats their moments", kills, seed)
	for i := range kills {
		r := rand.New(rand.NewPCG(uint64(seed), uint64(i))) // of its own, so that one kill alone can be tried again
		victim, after := victims[i%len(victims)], time.Duration(r.Int64N(int64(window)))
		// The name is the same in every run, so that a second try of one that failed finds it.
		ok := t.Run(fmt.Sprintf("%02d %s", i+1, victim.name), func(t *testing.T) {
			t.Logf("killed after %s", after)
			up, _ := start(t, metacluster, "up")
			time.Sleep(after)
			for _, pid := range victim.pids(t, up, r) {
				syscall.Kill(pid, syscall.SIGKILL)
			}
			up.Wait()
			scenario.KeepLogs(t, state)
			run(t, metacluster, "down")
			mustBeAsBefore(t, before)
		})
		if !ok {
			return // the next ones would only see this one's leftovers
		}
	}
}

// setting reads a number from the environment.
func setting(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s=%s: give a whole number", name, text)
	}
	return n
}

// Killed in the middle, up goes on; run again beside its own finished work, it changes nothing.
func TestUpGoesOnAfterAKillAndIsIdempotent(t *testing.T) {
	metacluster := program(t)
	run(t, metacluster, "down")
	t.Cleanup(func() { run(t, metacluster, "down") })
	for _, after := range []time.Duration{300 * time.Millisecond, 2 * time.Second, 6 * time.Second} {
		up, _ := start(t, metacluster, "up")
		time.Sleep(after)
		up.Process.Kill()
		up.Wait()
	}
	run(t, metacluster, "up")
	before := run(t, metacluster, "kubectl", "get", "pods", "-A", "-o", "jsonpath={.items[*].metadata.uid}")
	parts := pids(t, metacluster)
	run(t, metacluster, "up")
	if again := run(t, metacluster, "kubectl", "get", "pods", "-A", "-o", "jsonpath={.items[*].metadata.uid}"); again != before {
		t.Errorf("a second up changed the pods from %q to %q", before, again)
	}
	if again := pids(t, metacluster); again != parts {
		t.Errorf("a second up changed the parts from\n%s to\n%s", parts, again)
	}
	// A dead run of this checkout is gone on with: what was stored in it is still there.
	run(t, metacluster, "kubectl", "create", "configmap", "remember")
	if err := cgroup.Kill("", 10*time.Second); err != nil {
		t.Fatal(err)
	}
	mustSay(t, refused(t, exec.Command(metacluster, "status")), "the supervisor is dead", "make up goes on")
	mustSay(t, run(t, metacluster, "up"), "going on with the meta cluster")
	run(t, metacluster, "kubectl", "get", "configmap", "remember")
}

// pids are the names and process ids of the parts.
func pids(t *testing.T, metacluster string) (table string) {
	t.Helper()
	for line := range strings.Lines(run(t, metacluster, "status")) {
		if f := strings.Fields(line); len(f) > 3 && f[1] == "running" {
			table += f[0] + " " + f[2] + "\n"
		}
	}
	return table
}

// foreignCheckout looks to metacluster like another checkout of the same source.
func foreignCheckout(t *testing.T, metacluster string) string {
	t.Helper()
	dir := t.TempDir()
	checkout := filepath.Dir(filepath.Dir(metacluster))
	raw, err := os.ReadFile(metacluster)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(checkout, "e2e"), filepath.Join(dir, "e2e")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "bin", "metacluster")
	if err := os.WriteFile(path, raw, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// Beside a running meta cluster another checkout is refused, for up and for down; what its dead run left is cleared away.
func TestOtherCheckouts(t *testing.T) {
	metacluster := program(t)
	foreign := foreignCheckout(t, metacluster)
	before := empty(t)
	run(t, foreign, "up", "--nodes", "1")
	home := filepath.Dir(filepath.Dir(foreign))
	mustSay(t, refused(t, exec.Command(metacluster, "up")), "a meta cluster of "+home+" is running", "make down", "METAPILOT_KUBECONFIG")
	mustSay(t, refused(t, exec.Command(metacluster, "down")), "a meta cluster of "+home+" is running", "--force")
	mustSay(t, refused(t, exec.Command(foreign, "up", "--nodes", "2")), "with 1 nodes, and 2 were asked for", "make down")
	// All processes are gone at once, and the checkout too.
	if err := cgroup.Kill("", 10*time.Second); err != nil {
		t.Fatal(err)
	}
	os.RemoveAll(home)
	mustSay(t, run(t, metacluster, "up"), "a dead meta cluster left", "The meta cluster is up")
	run(t, metacluster, "down")
	mustBeAsBefore(t, before)
}

// Whatever of the state is gone or nonsense, up ends with a ready meta cluster: what can be made again is, and without its record a run is
// taken for a dead one.
func TestHalfRemovedState(t *testing.T) {
	metacluster := program(t)
	before := empty(t)
	for name, spoil := range map[string][]string{
		"an authority and its certificates do not match": {"pki/cluster-ca.crt", "pki/cluster-ca.key"},
		"a node's disk":                  {"nodes/node-1/lib"},
		"record, certificates and parts": {"run.json", "pki", "parts.json"},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, metacluster, "up")
			if err := cgroup.Kill("", 10*time.Second); err != nil {
				t.Fatal(err)
			}
			for _, gone := range spoil {
				if err := os.RemoveAll(filepath.Join(state, gone)); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(filepath.Join(state, "status.json"), []byte(`[{"name": "etc`), 0o600); err != nil {
				t.Fatal(err)
			}
			run(t, metacluster, "up")
			run(t, metacluster, "status") // what up calls ready is ready
		})
	}
	run(t, metacluster, "down")
	mustBeAsBefore(t, before)
}

// Killed in the middle, down can be run again, and up does not go on with what is half gone.
func TestDownIsKilled(t *testing.T) {
	metacluster := program(t)
	before := empty(t)
	for _, after := range []time.Duration{20 * time.Millisecond, 60 * time.Millisecond, 150 * time.Millisecond} {
		run(t, metacluster, "up")
		down, _ := start(t, metacluster, "down")
		time.Sleep(after)
		down.Process.Kill()
		down.Wait()
	}
	run(t, metacluster, "up")
	run(t, metacluster, "status")
	run(t, metacluster, "down")
	mustBeAsBefore(t, before)
}

// A folder that holds something of somebody else is refused by up and by down, and nothing in it is touched.
func TestForeignFolderIsNotTouched(t *testing.T) {
	metacluster := program(t)
	before := empty(t)
	folder := t.TempDir()
	precious := filepath.Join(folder, "precious")
	if err := os.WriteFile(precious, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"up", "down"} {
		cmd := exec.Command(metacluster, command)
		cmd.Env = append(os.Environ(), "METAPILOT_STATE="+folder)
		mustSay(t, refused(t, cmd), folder+" holds something and is not a state folder", "METAPILOT_STATE")
		if _, err := os.Stat(precious); err != nil {
			t.Fatalf("after %s: %v", command, err)
		}
	}
	mustBeAsBefore(t, before)
}

// Each refusal is one clear sentence, and says how to go on with a cluster that one has.
func TestRefusals(t *testing.T) {
	metacluster := program(t)
	empty(t)
	t.Run("not root", func(t *testing.T) {
		for _, command := range []string{"up", "down"} {
			cmd := exec.Command(reachable(t, metacluster), command)
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
			cmd.Dir = "/"
			mustSay(t, refused(t, cmd), "needs root", "user 65534", "sudo")
		}
	})
	t.Run("no room for the state", func(t *testing.T) {
		small := t.TempDir()
		if err := syscall.Mount("tmpfs", small, "tmpfs", 0, "size=1m"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { syscall.Unmount(small, 0) })
		cmd := exec.Command(metacluster, "up")
		cmd.Env = append(os.Environ(), "METAPILOT_STATE="+filepath.Join(small, "state"))
		mustSay(t, refused(t, cmd), small+" has only 0.0 GiB free", "METAPILOT_STATE", "METAPILOT_KUBECONFIG")
	})
	t.Run("too many nodes", func(t *testing.T) {
		mustSay(t, refused(t, exec.Command(metacluster, "up", "--nodes", "101")), "--nodes is 101", "1 to 100")
	})
	t.Run("unknown tenant version", func(t *testing.T) {
		mustSay(t, refused(t, exec.Command(metacluster, "up", "--tenant-version", "v1.12.0")), "no component kubernetes@v1.12.0", "kubernetes@v1.35.4")
	})
	t.Run("subnet taken", func(t *testing.T) {
		run(t, metacluster, "down")
		take(t, "172.30.0.77/28")
		mustSay(t, refused(t, exec.Command(metacluster, "up")), "172.30.0.0/24, is taken", "through taken0")
	})
	t.Run("a cluster that is not ours", func(t *testing.T) {
		folder := t.TempDir() // a kubeconfig and a kubectl have to be there; neither is used
		kubeconfig := filepath.Join(folder, "kubeconfig")
		if err := errors.Join(os.WriteFile(kubeconfig, nil, 0o600), os.Symlink("/bin/false", filepath.Join(folder, "kubectl"))); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"status"}, {"stop", "node-1"}, {"logs", "etcd"}} {
			cmd := exec.Command(metacluster, args...)
			cmd.Env = append(os.Environ(), "METAPILOT_KUBECONFIG="+kubeconfig, "PATH="+folder+":"+os.Getenv("PATH"))
			mustSay(t, refused(t, cmd), "names "+kubeconfig, "not ours", "unset METAPILOT_KUBECONFIG")
		}
	})
	t.Run("somebody else at work", func(t *testing.T) {
		lock, err := os.Open("/sys/fs/cgroup")
		if err != nil {
			t.Fatal(err)
		}
		defer lock.Close()
		if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
			t.Fatal(err)
		}
		mustSay(t, refused(t, exec.Command(metacluster, "up")), "another metacluster up or down is at work")
	})
}

// reachable copies the program to where any user may start it.
func reachable(t *testing.T, metacluster string) string {
	t.Helper()
	raw, err := os.ReadFile(metacluster)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "metacluster-") //nolint:usetesting // t.TempDir is closed to other users
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "metacluster")
	if err := os.WriteFile(path, raw, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// take gives the machine a link taken0 with the address.
func take(t *testing.T, cidr string) {
	t.Helper()
	link := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "taken0"}, PeerName: "taken1"}
	if err := netlink.LinkAdd(link); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := netlink.LinkDel(link); err != nil {
			t.Error(err)
		}
	})
	address, err := netlink.ParseAddr(cidr)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(netlink.AddrAdd(link, address), netlink.LinkSetUp(link)); err != nil {
		t.Fatal(err)
	}
}
