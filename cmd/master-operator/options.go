package main

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/metapilot/metapilot/internal/program"
	"github.com/metapilot/metapilot/operators/tenantcluster/plan"
)

// options are the flags.
type options struct {
	program.Options
	images plan.Images
}

func parse(args []string) (options, error) {
	var o options
	var exact []string
	f := pflag.NewFlagSet("master-operator", pflag.ContinueOnError)
	f.StringVar(&o.images.Repository, "image-repository", "registry.k8s.io", "where images of tenants' components come from; empty for none but those of --image")
	f.StringArrayVar(&exact, "image", nil, "image of one version, such as kubernetes@v1.36.3=<image> (holds all its components) or etcd@v3.6.14=<image>; may be repeated")
	o.Register(f, "TenantClusters")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	o.images.Exact = map[string]string{}
	for _, pair := range exact {
		of, image, ok := strings.Cut(pair, "=")
		if !ok || !strings.Contains(of, "@v") || image == "" {
			return o, fmt.Errorf("--image %s: write <kubernetes or etcd>@<version>=<image>, such as kubernetes@v1.36.3=example.org/kubernetes:v1.36.3", pair)
		}
		o.images.Exact[of] = image
	}
	return o, o.Check()
}
