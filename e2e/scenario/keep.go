package scenario

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/metapilot/metapilot/e2e/metacluster/component"
	"github.com/metapilot/metapilot/e2e/metacluster/supervisor"
)

// logTail is how much of a part's log is kept: some minutes of a busy part.
const logTail = 4 << 20

// questions are asked of the cluster after a failure; the answers to the short ones are shown at once.
var questions = []struct {
	file string
	show bool
	args []string
}{
	{"pods.txt", true, []string{"get", "pods", "-o", "wide"}},
	{"events.txt", true, []string{"get", "events", "--sort-by=.lastTimestamp"}},
	{"objects.yaml", false, []string{"get", "all,configmaps,persistentvolumeclaims,endpointslices", "-o", "yaml"}},
	{"nodes.yaml", false, []string{"get", "nodes,persistentvolumes", "-o", "yaml"}},
	{"kube-system.txt", false, []string{"get", "pods,events", "-n", "kube-system", "-o", "wide"}},
}

// keep saves what a person needs to understand a failure, and prints the short part of it.
func (s *Scenario) keep(ctx context.Context) {
	folder, err := newFolder(s.Name())
	if err != nil {
		s.Logf("nothing is kept of this failure: %v", err)
		return
	}
	for _, q := range questions {
		out, err := s.TryKubectl(ctx, q.args...)
		if err != nil {
			out += "\n" + err.Error() + "\n"
		}
		if q.show {
			s.Logf("kubectl %s\n%s", strings.Join(q.args, " "), out)
		}
		s.save(filepath.Join(folder, q.file), out)
	}
	s.keepPodLogs(ctx, folder)
	if !s.Cluster.Own() {
		return
	}
	if err := copyTails(s.Cluster.Logs(), filepath.Join(folder, "parts")); err != nil {
		s.Logf("keeping the logs of the parts: %v", err)
	}
	s.Logf("logs of all parts and pods, objects and events are in %s", folder)
}

func (s *Scenario) keepPodLogs(ctx context.Context, folder string) {
	names, err := s.TryKubectl(ctx, "get", "pods", "-o", "name")
	if err != nil {
		s.Logf("listing pods: %v", err)
	}
	for _, name := range strings.Fields(names) {
		for _, which := range []string{"--previous=false", "--previous=true"} {
			out, err := s.TryKubectl(ctx, "logs", name, "--all-containers", "--prefix", which)
			if err != nil {
				continue // most containers have no previous run
			}
			s.save(filepath.Join(folder, strings.ReplaceAll(name, "/", "-")+which+".log"), out)
		}
	}
}

func (s *Scenario) save(path, text string) {
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		s.Logf("keeping %s: %v", path, err)
	}
}

var notInFolders = regexp.MustCompile(`[^A-Za-z0-9]+`)

// KeepLogs copies the logs of all parts in a state folder, for a test that is about to take the meta cluster down. They stay only if the test
// fails.
func KeepLogs(t *testing.T, state string) {
	t.Helper()
	folder, err := newFolder(t.Name())
	if err != nil {
		t.Fatal(err)
	}
	if err := copyTails(supervisor.FilesIn(state).Logs, folder); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("logs of all parts are in %s", folder)
		} else if err := os.RemoveAll(folder); err != nil {
			t.Error(err)
		}
	})
}

// newFolder is e2e/artifacts/<test>-<n> with the next free n, so that a second try does not cover the first.
func newFolder(test string) (string, error) {
	checkout, err := component.Checkout()
	if err != nil {
		return "", err
	}
	base := filepath.Join(checkout, "e2e", "artifacts")
	if err := os.MkdirAll(base, 0o755); err != nil {
		return "", err
	}
	for n := 1; ; n++ {
		folder := filepath.Join(base, fmt.Sprintf("%s-%d", notInFolders.ReplaceAllString(test, "-"), n))
		if err := os.Mkdir(folder, 0o755); !errors.Is(err, fs.ErrExist) {
			return folder, err
		}
	}
}

func copyTails(from, to string) error {
	logs, err := filepath.Glob(filepath.Join(from, "*.log"))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	for _, log := range logs {
		if err := copyTail(log, filepath.Join(to, filepath.Base(log))); err != nil {
			return err
		}
	}
	return nil
}

func copyTail(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if _, err := in.Seek(max(0, info.Size()-logTail), io.SeekStart); err != nil {
		return err
	}
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer out.Close()
	_, err = io.Copy(out, in)
	return err
}
