package rival

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/metapilot/metapilot/e2e/metacluster/component"
)

// module is where VPA's manifests are read from; e2e/components/vpa pins its version.
const module = "k8s.io/autoscaler/vertical-pod-autoscaler"

// The files that VPA's own installation applies, in the module's folder deploy.
var (
	kindFiles     = []string{"vpa-v1-crd-gen.yaml"}
	workloadFiles = []string{
		"vpa-rbac.yaml", "recommender-deployment.yaml", "updater-deployment.yaml", "admission-controller-service.yaml",
		"admission-controller-deployment.yaml",
	}
)

// manifests are VPA's own, as its module has them.
type manifests struct {
	kinds     string
	workloads string // Deployments, and what they need
}

func read(ctx context.Context, store component.Store) (m manifests, err error) {
	folder, err := download(ctx, filepath.Join(store.Source, component.VPA))
	if err != nil {
		return m, err
	}
	folder = filepath.Join(folder, "deploy")
	if m.kinds, err = join(folder, kindFiles); err != nil {
		return m, err
	}
	m.workloads, err = join(folder, workloadFiles)
	return m, err
}

// download returns the folder of VPA's module in the module cache. It may be gone from there although what was built of it is stored.
func download(ctx context.Context, pinned string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", module)
	cmd.Dir = pinned
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("finding the manifests of %s: %w: %s", module, err, out)
	}
	var found struct{ Dir string }
	if err := json.Unmarshal(out, &found); err != nil {
		return "", fmt.Errorf("finding the manifests of %s: %w", module, err)
	}
	return found.Dir, nil
}

func join(folder string, files []string) (string, error) {
	var all []string
	for _, file := range files {
		raw, err := os.ReadFile(filepath.Join(folder, file))
		if err != nil {
			return "", fmt.Errorf("reading the manifests of VPA: %w", err)
		}
		all = append(all, string(raw))
	}
	return strings.Join(all, "\n---\n"), nil
}

// withImages names the images that we have built instead of those of VPA's registry.
func withImages(workloads string, built map[string]component.Built) (string, error) {
	for _, b := range built {
		theirs := "registry.k8s.io/autoscaling/" + b.Name + ":" + strings.TrimPrefix(b.Version, "v")
		if !strings.Contains(workloads, theirs) {
			return "", fmt.Errorf("VPA's manifests name no image %s: component.All and e2e/components/vpa/go.mod differ in the version", theirs)
		}
		workloads = strings.ReplaceAll(workloads, theirs, b.ImageRef())
	}
	return workloads, nil
}
