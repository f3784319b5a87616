package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/metapilot/metapilot/e2e/metacluster/cgroup"
	"github.com/metapilot/metapilot/e2e/metacluster/component"
	"github.com/metapilot/metapilot/e2e/metacluster/machine"
	"github.com/metapilot/metapilot/e2e/metacluster/network"
	"github.com/metapilot/metapilot/e2e/metacluster/progress"
	"github.com/metapilot/metapilot/e2e/metacluster/supervisor"
)

// How long the kernel may take to end processes and to let go of their cgroups.
const (
	killLimit   = 20 * time.Second
	removeLimit = 20 * time.Second
)

// Down takes away all that a meta cluster left on the machine, whatever happened to it before. One that runs for another checkout is
// taken down only by force.
func Down(force bool, r *progress.Reporter) error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("this needs root (processes, cgroups and files of root are removed) and runs as user %d: start it with sudo", os.Geteuid())
	}
	state, err := StateFolder()
	if err != nil {
		return err
	}
	held, err := lock()
	if err != nil {
		return err
	}
	defer held.Close()
	running, err := findLive()
	if err != nil {
		return err
	}
	if running != nil {
		if err := mayEnd(running, force); err != nil {
			return err
		}
		state = running.state
	}
	return clean(state, r)
}

func mayEnd(running *live, force bool) error {
	checkout, err := component.Checkout()
	if err != nil && !force {
		return err
	}
	if running.run.Checkout != checkout && !force {
		return fmt.Errorf("%s, not for this checkout: run make down there, or here: metacluster down --force", running)
	}
	return nil
}

// clean removes processes, links, cgroups and files, in this order. Mounts and namespaces go with the processes.
func clean(state string, r *progress.Reporter) error {
	mounts, err := machine.MountsIn(state)
	if err != nil {
		return err
	}
	if len(mounts) > 0 {
		return fmt.Errorf("something not ours is mounted in the state folder: %s; unmount it first, so that nothing of it is deleted",
			strings.Join(mounts, ", "))
	}
	if err := ownState(state); err != nil {
		return err
	}
	return r.Step("taking everything down", "", func() (string, error) {
		if err := cgroup.Kill(supervisor.Cgroup, killLimit); err != nil { // first, or it starts again what is ended
			return "", err
		}
		if err := cgroup.Kill("", killLimit); err != nil {
			return "", err
		}
		if err := errors.Join(network.RemoveHostLink(), cgroup.Remove("", removeLimit)); err != nil {
			return "", err
		}
		return "nothing is left", removeState(state)
	})
}

// leftovers names what a dead run left, or is empty.
func leftovers(state string) (string, error) {
	var found []string
	if there, err := cgroup.Exists(); err != nil {
		return "", err
	} else if there {
		found = append(found, "cgroups")
	}
	if pids, err := cgroup.Processes(""); err != nil {
		return "", err
	} else if len(pids) > 0 {
		found = append(found, fmt.Sprintf("%d processes", len(pids)))
	}
	if _, err := os.Stat(state); err == nil {
		found = append(found, "files in "+state)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return strings.Join(found, ", "), nil
}
