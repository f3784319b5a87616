package cluster

import (
	"context"
	"path/filepath"

	"github.com/metapilot/metapilot/e2e/metacluster/component"
	"github.com/metapilot/metapilot/e2e/metacluster/progress"
)

// build makes all components, one after another: each build uses every core.
func (u *upping) build(ctx context.Context) (err error) {
	if u.built, err = Build(ctx, u.store, u.r, names()...); err != nil {
		return err
	}
	for _, version := range u.TenantVersions {
		c, err := component.Find(component.Kubernetes, version)
		if err != nil {
			return err
		}
		b, err := buildOne(ctx, u.store, u.r, c)
		if err != nil {
			return err
		}
		u.tenants = append(u.tenants, b)
	}
	return nil
}

// names are the components of every meta cluster.
func names() []string {
	return []string{
		component.Pause, component.Workload, component.Kubernetes, component.Etcd, component.CoreDNS, component.MetricsServer,
		component.VolumeProvisioner,
	}
}

// Build makes the named components in their default versions, and shows the progress.
func Build(ctx context.Context, store component.Store, r *progress.Reporter, names ...string) (map[string]component.Built, error) {
	all := map[string]component.Built{}
	for _, name := range names {
		c, err := component.Find(name, "")
		if err != nil {
			return nil, err
		}
		if all[name], err = buildOne(ctx, store, r, c); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// BuildVersion makes one component in a version; the default one if it is empty.
func BuildVersion(ctx context.Context, store component.Store, r *progress.Reporter, name, version string) (component.Built, error) {
	c, err := component.Find(name, version)
	if err != nil {
		return component.Built{}, err
	}
	return buildOne(ctx, store, r, c)
}

func buildOne(ctx context.Context, store component.Store, r *progress.Reporter, c component.Component) (b component.Built, err error) {
	title := "building " + c.Name + " " + c.Version
	_, cached, err := store.Locate(c)
	if err != nil {
		return b, err
	}
	usually := c.Usually
	if cached {
		usually = ""
	}
	err = r.Step(title, usually, func() (string, error) {
		b, err = store.Build(ctx, c, filepath.Join(store.Root, "logs", c.Name+"-"+c.Version+".log"))
		if cached {
			return "cached", err
		}
		return "built", err
	})
	return b, err
}
