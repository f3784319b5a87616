package machine_test

import (
	"strings"
	"testing"

	"github.com/metapilot/metapilot/e2e/metacluster/machine"
)

func good() machine.Facts {
	return machine.Facts{
		Controllers: []string{"cpu", "cpuacct", "cpuset", "memory", "pids", "devices", "freezer", "blkio"},
		Overlay:     true, DiskPath: "/var/lib", DiskFree: 50 << 30, Memory: 24 << 30, Containerd: "1.6.20~ds1",
		Subnet: "172.30.0.0/24", State: "/var/lib/metapilot", PackageManager: true,
	}
}

func TestGoodMachineHasNoProblem(t *testing.T) {
	if problems := machine.Check(good()); len(problems) != 0 {
		t.Errorf("problems on a good machine: %q", problems)
	}
	bare := good()
	bare.Containerd, bare.Missing = "", []string{"containerd"}
	if problems := machine.Check(bare); len(problems) != 0 {
		t.Errorf("problems on a bare machine, whose packages can be installed: %q", problems)
	}
}

// Each fault has one sentence that says what is wrong and what to do.
func TestEachFaultHasOneSentence(t *testing.T) {
	for name, tc := range map[string]struct {
		spoil func(*machine.Facts)
		wrong string
		help  string
	}{
		"not root":       {func(f *machine.Facts) { f.UserID = 1000 }, "needs root", "sudo"},
		"cgroup v2 only": {func(f *machine.Facts) { f.CgroupV2Only, f.Controllers = true, nil }, "only cgroup v2", "boot with"},
		"no memory cgroup": {func(f *machine.Facts) {
			f.Controllers = []string{"cpu", "cpuacct", "cpuset", "pids", "devices", "freezer"}
		}, "not mounted below /sys/fs/cgroup: memory", "mount them"},
		"no cgroup":         {func(f *machine.Facts) { f.Controllers = nil }, "cpu, cpuacct, cpuset, memory", "machine itself"},
		"read-only cgroup":  {func(f *machine.Facts) { f.CgroupReadOnly = true }, "read-only", "remount"},
		"no overlayfs":      {func(f *machine.Facts) { f.Overlay = false }, "no overlayfs", "modprobe overlay"},
		"disk nearly full":  {func(f *machine.Facts) { f.DiskFree = 287 << 20 }, "only 0.3 GiB free and 6.0 GiB", "METAPILOT_STATE"},
		"little memory":     {func(f *machine.Facts) { f.Memory = 1 << 30 }, "1.0 GiB of memory", "4.0 GiB are needed"},
		"other containerd":  {func(f *machine.Facts) { f.Containerd = "2.1.0" }, "version 2.1.0", "Debian's containerd package"},
		"subnet taken":      {func(f *machine.Facts) { f.SubnetTakenBy = "tun0" }, "through tun0", "take that link down"},
		"mount in state":    {func(f *machine.Facts) { f.MountsInState = []string{"/var/lib/metapilot/x"} }, "/var/lib/metapilot/x", "unmount it"},
		"no package source": {func(f *machine.Facts) { f.PackageManager, f.Missing = false, []string{"nft"} }, "no apt-get to install them: nft", "by hand"},
	} {
		t.Run(name, func(t *testing.T) {
			facts := good()
			tc.spoil(&facts)
			problems := machine.Check(facts)
			if len(problems) != 1 {
				t.Fatalf("got %d sentences, want 1: %q", len(problems), problems)
			}
			for _, want := range []string{tc.wrong, tc.help} {
				if !strings.Contains(problems[0], want) {
					t.Errorf("%q does not say %q", problems[0], want)
				}
			}
		})
	}
}

func TestAllFaultsAreSaidAtOnce(t *testing.T) {
	facts := good()
	facts.UserID, facts.DiskFree = 1000, 0
	if problems := machine.Check(facts); len(problems) != 2 {
		t.Errorf("got %q, want both faults", problems)
	}
}
