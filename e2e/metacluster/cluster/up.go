package cluster

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/metapilot/metapilot/e2e/metacluster/cgroup"
	"github.com/metapilot/metapilot/e2e/metacluster/component"
	"github.com/metapilot/metapilot/e2e/metacluster/logtail"
	"github.com/metapilot/metapilot/e2e/metacluster/machine"
	"github.com/metapilot/metapilot/e2e/metacluster/network"
	"github.com/metapilot/metapilot/e2e/metacluster/part"
	"github.com/metapilot/metapilot/e2e/metacluster/progress"
	"github.com/metapilot/metapilot/e2e/metacluster/supervisor"
	"github.com/metapilot/metapilot/e2e/metacluster/wholefile"
)

// Options say what to bring up.
type Options struct {
	Nodes          int      // 0: as many as the meta cluster of this checkout has that is there, or else the default
	TenantVersions []string // Kubernetes versions whose images tenants will use
}

const defaultNodes = 2

// startLimit bounds the time from starting the parts to a ready cluster.
const startLimit = 3 * time.Minute

// Refusal is why nothing was begun.
type Refusal struct{ Reasons []string }

func (r *Refusal) Error() string { return strings.Join(r.Reasons, "\n") }

// Up brings the meta cluster up, from whatever state an earlier Up was left in, and returns when nodes, DNS and metrics are ready.
func Up(ctx context.Context, o Options, r *progress.Reporter) (*Cluster, error) {
	if o.Nodes < 0 || o.Nodes > network.MaxNodes {
		return nil, fmt.Errorf("--nodes is %d; give a number from 1 to %d", o.Nodes, network.MaxNodes)
	}
	if c, err := existing(ctx, r); c != nil || err != nil {
		return c, err
	}
	u, err := begin(o, r)
	if err != nil {
		return nil, err
	}
	defer u.lock.Close()
	steps := []func(context.Context) error{u.install, u.build, u.claim, u.prepare, u.start, u.furnish, u.awaitReady}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return u.cluster, nil
}

// upping is one call of Up.
type upping struct {
	Options
	r        *progress.Reporter
	lock     *os.File
	state    string
	checkout string
	store    component.Store
	built    map[string]component.Built
	tenants  []component.Built
	config   part.Config
	parts    []supervisor.Part
	cluster  *Cluster
}

// begin looks whether anything stands against a meta cluster here, and keeps others away.
func begin(o Options, r *progress.Reporter) (*upping, error) {
	state, err := StateFolder()
	if err != nil {
		return nil, err
	}
	if err := judgeMachine(state); err != nil {
		return nil, err
	}
	store, err := component.NewStore()
	if err != nil {
		return nil, err
	}
	if err := errors.Join(visible("METAPILOT_CACHE", store.Root, "/var/lib/", "/var/log/", "/run/"), visible("METAPILOT_STATE", state, "/var/log/", "/run/")); err != nil {
		return nil, err
	}
	u := &upping{Options: o, r: r, state: state, store: store, checkout: filepath.Dir(filepath.Dir(store.Source))}
	if u.lock, err = lock(); err != nil {
		return nil, err
	}
	u.chooseNodes()
	if err := u.refuse(); err != nil {
		u.lock.Close()
		return nil, err
	}
	return u, nil
}

func judgeMachine(state string) error {
	facts, err := machine.Look(state)
	if err != nil {
		return err
	}
	if running, err := findLive(); err == nil && running != nil && running.state == state {
		facts.DiskFree = math.MaxInt64 // what runs has its place already
	}
	if problems := machine.Check(facts); len(problems) > 0 {
		return &Refusal{append(problems, machine.Existing)}
	}
	return nil
}

// visible refuses a folder that parts could not see, because they have another folder in the place of one above it.
func visible(variable, folder string, hidden ...string) error {
	for _, h := range hidden {
		if strings.HasPrefix(folder+"/", h) {
			return fmt.Errorf("%s is %s, but the parts have a %s of their own and could not see it; choose another place", variable, folder, h)
		}
	}
	return nil
}

func (u *upping) chooseNodes() {
	if u.Nodes != 0 {
		return
	}
	u.Nodes = defaultNodes
	if run := readRun(u.state); run != nil && run.Checkout == u.checkout {
		u.Nodes = run.Nodes
	}
}

// refuse finds a running meta cluster that is not the one that was asked for.
func (u *upping) refuse() error {
	running, err := findLive()
	if err != nil || running == nil {
		return err
	}
	switch {
	case running.run.Checkout != u.checkout:
		return &Refusal{[]string{fmt.Sprintf("%s: take it down there with make down, or here with: metacluster down --force.", running), machine.Existing}}
	case running.state != u.state:
		return fmt.Errorf("%s, and METAPILOT_STATE names %s: use the same, or take it down first", running, u.state)
	case running.run.Nodes != u.Nodes:
		return fmt.Errorf("%s with %d nodes, and %d were asked for: take it down first with make down", running, running.run.Nodes, u.Nodes)
	}
	return nil
}

func (u *upping) install(context.Context) error {
	return u.r.Step("Debian packages", "", func() (string, error) {
		missing := machine.MissingPackages()
		if len(missing) == 0 {
			return "installed already", nil
		}
		return "installed", machine.InstallPackages(missing, filepath.Join(u.store.Root, "logs", "apt.log"))
	})
}

// claim makes the state folder ours: it goes on with a run of this checkout, alive or dead, and clears away any other.
func (u *upping) claim(context.Context) error {
	running, err := findLive()
	if err != nil {
		return err
	}
	if running != nil {
		return nil // refuse has seen that it is ours
	}
	if run := readRun(u.state); run != nil && run.Checkout == u.checkout && run.Nodes == u.Nodes && keysAreWhole(u.state) {
		u.r.Say("  going on with the meta cluster of %s, which has died or was not finished", run.StartedAt.Format(time.DateTime))
		return cgroup.Kill("", killLimit)
	}
	found, err := leftovers(u.state)
	if err != nil {
		return err
	}
	if found != "" {
		u.r.Say("  a dead meta cluster left %s", found)
		if err := clean(u.state, u.r); err != nil {
			return err
		}
	}
	if err := makeState(u.state); err != nil {
		return err
	}
	return writeRun(u.state, Run{Checkout: u.checkout, Nodes: u.Nodes, StartedAt: time.Now()})
}

// prepare writes every file that the parts read.
func (u *upping) prepare(context.Context) error {
	memory, err := machine.Memory()
	if err != nil {
		return err
	}
	kubernetes := u.built[component.Kubernetes]
	u.config = part.Config{
		State: u.state, Nodes: network.Nodes(u.Nodes), Kubernetes: map[string]string{}, Memory: memory,
		Etcd: u.built[component.Etcd].Path(component.Etcd), PauseImage: u.built[component.Pause].ImageRef(),
	}
	for _, program := range kubernetes.Programs {
		u.config.Kubernetes[program] = kubernetes.Path(program)
	}
	if err := u.describe(); err != nil {
		return err
	}
	return u.r.Step("certificates and configuration", "", func() (string, error) {
		return "", errors.Join(os.MkdirAll(u.cluster.files.Logs, 0o755), writeIdentities(u.config, time.Now()), u.writeFiles())
	})
}

// describe completes the record of the run with what was built for it.
func (u *upping) describe() error {
	run := readRun(u.state)
	if run == nil {
		return fmt.Errorf("the record of the meta cluster, %s, is gone; take the rest down with: metacluster down --force", runFile(u.state))
	}
	run.Tools, run.Images = u.built[component.Kubernetes].Dir, tenantImages(run.Images)
	for name, b := range u.built {
		run.Images[name] = b.ImageRef()
	}
	for _, b := range u.tenantImages() {
		run.Images[b.Name+"@"+b.Version] = b.ImageRef()
	}
	u.cluster = newCluster(u.state, *run)
	return writeRun(u.state, *run)
}

// tenantImages are those that tenants may run: what was asked for, and etcd.
func (u *upping) tenantImages() []component.Built {
	if len(u.tenants) == 0 {
		return nil
	}
	return append(slices.Clone(u.tenants), u.built[component.Etcd])
}

func (u *upping) writeFiles() error {
	set := part.Render(u.config)
	u.parts = set.Parts
	for path, text := range set.Files {
		if err := wholefile.Write(path, []byte(text), 0o600); err != nil {
			return err
		}
	}
	for _, node := range u.config.Nodes {
		if err := os.MkdirAll(filepath.Join(u.config.NodeFolder(node.Name), "log"), 0o755); err != nil {
			return err
		}
		for from, to := range u.config.NodeFiles(node.Name) {
			raw, err := os.ReadFile(from)
			if err != nil {
				return err
			}
			if err := wholefile.Write(to, raw, 0o600); err != nil {
				return err
			}
		}
	}
	return nil
}

// start has the supervisor run the parts. Kubelets that do not run yet wait for their images (see furnish).
func (u *upping) start(ctx context.Context) error {
	return u.r.Step("starting the parts", "", func() (string, error) {
		running, err := findLive()
		if err != nil {
			return "", err
		}
		if running != nil {
			return "running already", u.cluster.files.WriteParts(u.parts)
		}
		if err := u.cluster.files.WriteParts(withoutKubelets(u.parts)); err != nil {
			return "", err
		}
		return "", u.startSupervisor(ctx)
	})
}

func withoutKubelets(parts []supervisor.Part) []supervisor.Part {
	held := slices.Clone(parts)
	for i := range held {
		held[i].Held = strings.HasSuffix(held[i].Name, "/kubelet")
	}
	return held
}

// program is this program, also after its file was replaced.
func program() string { return "/proc/self/exe" }

func (u *upping) startSupervisor(ctx context.Context) error {
	log, err := os.OpenFile(u.cluster.Log("supervisor"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(program(), superviseCommand, "--state", u.state)
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, "/"
	cmd.ExtraFiles = []*os.File{u.lock} // see supervisor.InheritedLock
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting the supervisor: %w", err)
	}
	ended := make(chan string, 1)
	go func() { ended <- fmt.Sprint(cmd.Wait()) }()
	return u.awaitSupervisor(ctx, ended)
}

// awaitSupervisor returns when the supervisor can be found, or has ended.
func (u *upping) awaitSupervisor(ctx context.Context, ended <-chan string) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case how := <-ended:
			log := u.cluster.Log("supervisor")
			return fmt.Errorf("the supervisor ended at once (%s); the end of its log, %s:\n%s", how, log, logtail.Last(log))
		case <-time.After(20 * time.Millisecond):
			if running, err := findLive(); running != nil || err != nil {
				return err
			}
		}
	}
}

// furnish brings images into the nodes and addons into the API, side by side.
func (u *upping) furnish(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, fmt.Errorf("not there after %s; see metacluster status and the logs in %s", startLimit, u.cluster.Logs()))
	defer cancel()
	work, ctx := errgroup.WithContext(ctx)
	work.Go(func() error {
		if err := u.loadImages(ctx); err != nil {
			return err
		}
		return u.cluster.files.WriteParts(u.parts)
	})
	work.Go(func() error { return u.applyAddons(ctx) })
	return work.Wait()
}
