package cluster

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/metapilot/metapilot/e2e/metacluster/cgroup"
	"github.com/metapilot/metapilot/e2e/metacluster/network"
	"github.com/metapilot/metapilot/e2e/metacluster/part"
	"github.com/metapilot/metapilot/e2e/metacluster/supervisor"
)

// Cluster is a meta cluster on this machine, or a cluster that the user has (then only Images and Tools are set).
type Cluster struct {
	State      string
	Nodes      []network.Node
	Images     map[string]string // component -> image, all of them loaded into every node
	Tools      string            // folder of kubectl
	files      supervisor.Files
	kubeconfig string // of a cluster that the user has
}

// Open returns the meta cluster of this machine that was brought up before, or the cluster that METAPILOT_KUBECONFIG names.
func Open() (*Cluster, error) {
	if c, err := openExisting(); c != nil || err != nil {
		return c, err
	}
	state, err := StateFolder()
	if err != nil {
		return nil, err
	}
	if running, err := findLive(); err == nil && running != nil {
		state = running.state
	}
	run := readRun(state)
	if run == nil {
		return nil, fmt.Errorf("there is no meta cluster in %s: bring one up with make up", state)
	}
	return newCluster(state, *run), nil
}

// OpenOwn is Open for what can only be asked of a meta cluster of this machine.
func OpenOwn() (*Cluster, error) {
	c, err := Open()
	if err == nil && !c.Own() {
		err = fmt.Errorf("%s names %s, whose parts are not ours to look at or to stop: use kubectl, or unset %s for the meta cluster of this machine",
			existingVariable, c.kubeconfig, existingVariable)
	}
	return c, err
}

func newCluster(state string, run Run) *Cluster {
	return &Cluster{
		State: state, Nodes: network.Nodes(run.Nodes), Images: run.Images, Tools: run.Tools, files: supervisor.FilesIn(state),
	}
}

// Kubeconfig is the file with which an administrator reaches the meta cluster from this machine.
func (c *Cluster) Kubeconfig() string {
	if !c.Own() {
		return c.kubeconfig
	}
	return part.Config{State: c.State}.Kubeconfig(part.Admin)
}

// REST is the administrator's client configuration.
func (c *Cluster) REST() (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig())
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst = -1, -1 // a single user on one machine
	return config, nil
}

// Client is the administrator's client.
func (c *Cluster) Client() (*kubernetes.Clientset, error) {
	config, err := c.REST()
	if err != nil {
		return nil, err
	}
	return kubernetes.NewForConfig(config)
}

// Kubectl returns a kubectl command that talks to the meta cluster.
func (c *Cluster) Kubectl(ctx context.Context, args ...string) *exec.Cmd {
	return c.KubectlFor(ctx, c.Kubeconfig(), args...)
}

// KubectlFor returns a kubectl command that talks to another cluster, such as a tenant.
func (c *Cluster) KubectlFor(ctx context.Context, kubeconfig string, args ...string) *exec.Cmd {
	common := []string{"--kubeconfig", kubeconfig}
	if c.Own() {
		common = append(common, "--cache-dir", filepath.Join(c.State, "kubectl")) // or it keeps one in the user's home
	}
	return exec.CommandContext(ctx, filepath.Join(c.Tools, "kubectl"), append(common, args...)...)
}

// inNode returns a command that runs in the namespaces of a node.
func (c *Cluster) inNode(ctx context.Context, node string, argv ...string) (*exec.Cmd, error) {
	status, err := c.files.ReadStatus()
	if err != nil {
		return nil, err
	}
	for _, s := range status {
		if s.Name == node && s.PID != 0 {
			group := filepath.Join(node, "system", "visit")
			if err := cgroup.Make(group); err != nil {
				return nil, err
			}
			args := append([]string{"enter", "--cgroup", group, "--holder", strconv.Itoa(s.PID), "--"}, argv...)
			return exec.CommandContext(ctx, program(), args...), nil
		}
	}
	return nil, fmt.Errorf("node %s does not run", node)
}

// Logs is the folder with the log of every part.
func (c *Cluster) Logs() string { return c.files.Logs }

// Log is the log file of a part.
func (c *Cluster) Log(name string) string { return c.files.Log(name) }

// hold keeps the named parts, or all parts of a node, stopped until they are released.
func (c *Cluster) setHeld(name string, held bool) error {
	guard, err := lock()
	if err != nil {
		return err
	}
	defer guard.Close()
	parts, err := c.files.ReadParts()
	if err != nil {
		return err
	}
	found := false
	for i := range parts {
		if parts[i].Name == name || parts[i].Needs == name {
			parts[i].Held, found = held, true
		}
	}
	if !found {
		return fmt.Errorf("there is no part or node %q; metacluster status lists them", name)
	}
	return c.files.WriteParts(parts)
}

// Stop ends a part, or a whole node as if its power failed, and keeps it down until Start.
func (c *Cluster) Stop(name string) error { return c.setHeld(name, true) }

// Start releases what Stop holds.
func (c *Cluster) Start(name string) error { return c.setHeld(name, false) }

// Poll calls ready every few milliseconds until it says true or the context ends; then it reports what was missing last.
func Poll(ctx context.Context, ready func(context.Context) (bool, string)) error {
	missing := "nothing tried"
	for {
		ok, why := ready(ctx)
		if ok {
			return nil
		}
		if ctx.Err() == nil {
			missing = why
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w; missing: %s", context.Cause(ctx), missing)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// VolumeFolder is where the volumes of a node are on the machine's disk.
func (c *Cluster) VolumeFolder(node string) string {
	lib := filepath.Join(part.Config{State: c.State}.NodeFolder(node), "lib")
	return filepath.Join(lib, strings.TrimPrefix(part.VolumeRoot, "/var/lib/"))
}
