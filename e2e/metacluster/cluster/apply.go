package cluster

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"syscall"
	"text/template"
)

// Render fills in manifests, which are a text/template: {{image "workload"}} is the image of a component, tenantImages those that tenants
// may run, by kubernetes@<version> and etcd@<version>.
func (c *Cluster) Render(manifests string) (string, error) {
	t, err := template.New("manifests").Funcs(template.FuncMap{
		"image": c.image, "tenantImages": func() map[string]string { return tenantImages(c.Images) },
	}).Parse(manifests)
	if err != nil {
		return "", fmt.Errorf("reading manifests: %w", err)
	}
	var out strings.Builder
	if err := t.Execute(&out, nil); err != nil {
		return "", fmt.Errorf("rendering manifests: %w", err)
	}
	return out.String(), nil
}

// tenantImages are those of images that have a version in their key.
func tenantImages(images map[string]string) map[string]string {
	some := map[string]string{}
	for name, image := range images {
		if strings.Contains(name, "@") {
			some[name] = image
		}
	}
	return some
}

func (c *Cluster) image(component string) (string, error) {
	if image := c.Images[component]; image != "" {
		return image, nil
	}
	return "", fmt.Errorf("there is no image of a component %q", component)
}

// Apply applies manifests by server-side apply; what names no namespace goes into the given one.
func (c *Cluster) Apply(ctx context.Context, namespace, manifests string) error {
	cmd := c.Kubectl(ctx, "--namespace", namespace, "apply", "--server-side", "--force-conflicts", "--field-manager=metacluster", "-f", "-")
	cmd.Stdin = strings.NewReader(manifests)
	runtime.LockOSThread() // kubectl ends with whoever started it
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("applying manifests: %w: %s", err, out)
	}
	return nil
}
