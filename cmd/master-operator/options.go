package main

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/metapilot/metapilot/operators/tenantcluster/plan"
)

// options are the flags.
type options struct {
	images         plan.Images
	metricsAddress string
	probeAddress   string
	workers        int
	leaderElection bool
	namespace      string // of the leader's lease; the pod's own if empty
	development    bool
}

func parse(args []string) (options, error) {
	var o options
	var exact []string
	f := pflag.NewFlagSet("master-operator", pflag.ContinueOnError)
	f.StringVar(&o.images.Repository, "image-repository", "registry.k8s.io", "where images of tenants' components come from; empty for none but those of --image")
	f.StringArrayVar(&exact, "image", nil, "image of one version, such as kubernetes@v1.36.3=<image> (holds all its components) or etcd@v3.6.14=<image>; may be repeated")
	f.StringVar(&o.metricsAddress, "metrics-address", ":8080", "where metrics are served; 0 for nowhere")
	f.StringVar(&o.probeAddress, "health-address", ":8081", "where /healthz and /readyz are served; 0 for nowhere")
	f.IntVar(&o.workers, "workers", 32, "TenantClusters that are worked on at the same time")
	f.BoolVar(&o.leaderElection, "leader-elect", true, "let only one of several operators work")
	f.StringVar(&o.namespace, "leader-namespace", "", "namespace of the leader's lease; that of the operator's pod if empty")
	f.BoolVar(&o.development, "development", false, "log for people instead of machines")
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
	if o.workers < 1 {
		return o, fmt.Errorf("--workers %d: give a number from 1", o.workers)
	}
	return o, nil
}
