package component

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/metapilot/metapilot/e2e/metacluster/logtail"
)

// kept is how many builds of one component, by different hashes, stay in the store.
const kept = 3

// Store holds what was built. Several checkouts may use it at once.
type Store struct {
	Root   string // the folder of the store
	Source string // e2e/components of a checkout
}

// Built is a component in the store.
type Built struct {
	Component
	Dir  string
	Hash string
}

// Path is the file of one of the component's programs.
func (b Built) Path(program string) string { return filepath.Join(b.Dir, program) }

// DefaultRoot is the store in the user's cache folder, unless METAPILOT_CACHE names another.
func DefaultRoot() (string, error) {
	if root := os.Getenv("METAPILOT_CACHE"); root != "" {
		return filepath.Abs(root)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding a folder for built components: %w; name one in METAPILOT_CACHE", err)
	}
	return filepath.Join(cache, "metapilot"), nil
}

// NewStore returns the default store of the checkout in which the program lies or was started.
func NewStore() (Store, error) {
	root, err := DefaultRoot()
	if err != nil {
		return Store{}, err
	}
	checkout, err := Checkout()
	if err != nil {
		return Store{}, err
	}
	return Store{Root: root, Source: filepath.Join(checkout, "e2e", "components")}, nil
}

// Checkout returns the top folder of the checkout: that of the program, or else that of the working directory.
func Checkout() (string, error) {
	var starts []string
	if program, err := os.Executable(); err == nil {
		starts = append(starts, filepath.Dir(program))
	}
	if dir, err := os.Getwd(); err == nil {
		starts = append(starts, dir)
	}
	for _, dir := range starts {
		for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
			if _, err := os.Stat(filepath.Join(dir, "e2e", "components", Kubernetes, "go.mod")); err == nil {
				return dir, nil
			}
		}
	}
	return "", fmt.Errorf("no checkout of metapilot at or above %s; change into one", strings.Join(starts, " or "))
}

// Locate says where the component is or would be in the store, and whether it is there.
func (s Store) Locate(c Component) (Built, bool, error) {
	hash, err := s.hash(c)
	if err != nil {
		return Built{}, false, fmt.Errorf("hashing the source of %s: %w", c.Name, err)
	}
	dir := filepath.Join(s.Root, "components", fmt.Sprintf("%s-%s-%s", c.Name, c.Version, hash))
	_, err = os.Stat(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Built{}, false, err
	}
	return Built{Component: c, Dir: dir, Hash: hash}, err == nil, nil
}

// hash is over the flags, the compiler, the layout of images, and every file of the component's source but tests. Module sums stand for the
// dependencies.
func (s Store) hash(c Component) (string, error) {
	sum := sha256.New()
	fmt.Fprintf(sum, "%s\n%s\n%q\n%s\n", runtime.Version(), runtime.GOARCH, c.flags(), imageLayout)
	if len(c.Packages) > 0 {
		fmt.Fprintf(sum, "%q\n", c.Packages)
		return hex.EncodeToString(sum.Sum(nil))[:12], nil
	}
	folder := filepath.Join(s.Source, c.Folder)
	sources := c.Sources
	if len(sources) == 0 {
		sources = []string{"."}
	}
	for _, source := range sources {
		if err := addSource(sum, folder, source); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(sum.Sum(nil))[:12], nil
}

// addSource adds the names and bytes of all files of a source.
func addSource(sum io.Writer, folder, source string) error {
	return fs.WalkDir(os.DirFS(folder), source, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasSuffix(name, "_test.go") {
			return err
		}
		raw, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			return err
		}
		fmt.Fprintf(sum, "%s %d\n", name, len(raw))
		_, err = sum.Write(raw)
		return err
	})
}

func (c Component) flags() []string {
	flags := []string{"build", "-trimpath", "-ldflags", strings.Join(append([]string{"-s", "-w"}, c.links()...), " ")}
	if len(c.Tags) > 0 {
		flags = append(flags, "-tags", strings.Join(c.Tags, ","))
	}
	if c.ModFile != "" {
		flags = append(flags, "-modfile", c.ModFile)
	}
	return append(flags, c.Package)
}

func (c Component) links() (flags []string) {
	for _, v := range c.Vars {
		flags = append(flags, "-X", v)
	}
	return flags
}

// Build makes the component if it is not in the store. The compiler's output goes to the log file.
func (s Store) Build(ctx context.Context, c Component, log string) (Built, error) {
	built, there, err := s.Locate(c)
	if err != nil {
		return built, err
	}
	if there {
		return built, os.Chtimes(built.Dir, time.Time{}, time.Now()) // for prune: it is in use
	}
	if err := enoughDisk(s.Root); err != nil {
		return built, err
	}
	if err := os.MkdirAll(filepath.Dir(built.Dir), 0o755); err != nil {
		return built, err
	}
	// Built beside its place and moved there whole: a build that is killed leaves nothing that looks like a result.
	unfinished, err := os.MkdirTemp(filepath.Dir(built.Dir), ".building-"+c.Name+"-")
	if err != nil {
		return built, err
	}
	defer os.RemoveAll(unfinished)
	if err := errors.Join(s.make(ctx, c, unfinished, log), linkPrograms(c, unfinished)); err != nil {
		return built, err
	}
	if err := os.Rename(unfinished, built.Dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return built, err
	}
	return built, s.prune(c)
}

// buildDisk is what a first build of everything needs, with the compiler's cache.
const buildDisk = 8 << 30

// enoughDisk refuses to begin a build that would end after minutes with a full disk.
func enoughDisk(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	var stat unix.Statfs_t
	if err := unix.Statfs(folder, &stat); err != nil {
		return fmt.Errorf("looking at the disk of %s: %w", folder, err)
	}
	if free := int64(stat.Bavail) * stat.Bsize; free < buildDisk {
		return fmt.Errorf("%s has only %.1f GiB free and building needs %d GiB: free some, or put the builds elsewhere with METAPILOT_CACHE=<folder>",
			folder, float64(free)/(1<<30), buildDisk>>30)
	}
	return nil
}

// linkPrograms makes the folder what users of the store expect: open to all, each program under its name.
func linkPrograms(c Component, folder string) error {
	for _, program := range c.Programs {
		if err := os.Symlink(c.Name, filepath.Join(folder, program)); err != nil {
			return err
		}
	}
	return os.Chmod(folder, 0o755)
}

// make brings the component's program into a folder.
func (s Store) make(ctx context.Context, c Component, folder, log string) error {
	if len(c.Packages) > 0 {
		return s.fetch(ctx, c, folder, log)
	}
	return s.compile(ctx, c, filepath.Join(folder, c.Name), log)
}

func (s Store) compile(ctx context.Context, c Component, output, log string) error {
	if err := os.MkdirAll(filepath.Dir(log), 0o755); err != nil {
		return err
	}
	out, err := os.Create(log)
	if err != nil {
		return err
	}
	defer out.Close()
	args := slices.Insert(c.flags(), 1, "-o", output)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = filepath.Join(s.Source, c.Folder)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly -buildvcs=false", "GOWORK=off", "GOTMPDIR="+filepath.Dir(output))
	cmd.Stdout, cmd.Stderr = out, out
	// A killed up takes the go command along; compilers that it had started end by themselves, and what they leave lies in the folder that
	// removeUnfinished clears away.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("building %s %s: %w; the end of its log, %s:\n%s", c.Name, c.Version, err, log, logtail.Last(log))
	}
	return nil
}

// prune removes all but the newest builds of the component.
func (s Store) prune(c Component) error {
	found, err := filepath.Glob(filepath.Join(s.Root, "components", c.Name+"-"+c.Version+"-*"))
	if err != nil {
		return err
	}
	built := map[string]time.Time{}
	for _, dir := range found {
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		built[dir] = info.ModTime()
	}
	slices.SortFunc(found, func(a, b string) int { return built[b].Compare(built[a]) })
	for _, dir := range found[min(kept, len(found)):] {
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	return s.removeUnfinished()
}

// removeUnfinished removes what killed builds left; a build that still runs is younger.
func (s Store) removeUnfinished() error {
	found, problem := filepath.Glob(filepath.Join(s.Root, "components", ".building-*"))
	for _, dir := range found {
		if info, err := os.Stat(dir); err == nil && time.Since(info.ModTime()) > time.Hour {
			problem = errors.Join(problem, os.RemoveAll(dir))
		}
	}
	return problem
}
