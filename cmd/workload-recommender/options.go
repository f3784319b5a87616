package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/internal/program"
	"github.com/metapilot/metapilot/recommender/estimator"
	"github.com/metapilot/metapilot/recommender/profile"
	"github.com/metapilot/metapilot/recommender/source/metricsserver"
	"github.com/metapilot/metapilot/recommender/source/prometheus"
)

// options are the flags.
type options struct {
	program.Options
	profile    profile.Options
	sources    []string
	prometheus prometheus.Options
	selector   string
	others     []string
}

func parse(args []string) (options, error) {
	var o options
	f := pflag.NewFlagSet("workload-recommender", pflag.ContinueOnError)
	f.StringVar(&o.profile.Algorithm, "algorithm", "auto", "of workloads that name none: one of "+strings.Join(estimator.Names(), ", "))
	f.DurationVar(&o.profile.Period, "period", time.Minute, "how often usage is asked for")
	f.DurationVar(&o.profile.Save, "save-period", 5*time.Minute, "how often the history of a workload is saved; kills and a regular end are saved at once")
	f.DurationVar(&o.profile.Tell, "status-period", 5*time.Minute, "how often the figures of a profile are written, if its recommendation stays")
	f.StringSliceVar(&o.sources, "source", []string{metricsserver.Name}, "of usage, the first one has precedence: "+metricsserver.Name+", "+prometheus.Name)
	f.StringVar(&o.selector, "workload-selector", v1alpha1.TenantLabel, "label selector of the workloads that get a profile")
	f.StringSliceVar(&o.others, "other-kind", nil, "of workloads that get a profile, too, with a scale subresource: ReplicaSet.v1.apps")
	o.registerPrometheus(f)
	o.Register(f, "workloads")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	return o, o.check()
}

func (o *options) registerPrometheus(f *pflag.FlagSet) {
	p := &o.prometheus
	f.StringVar(&p.URL, "prometheus-url", "", "such as http://prometheus.monitoring:9090")
	f.StringVar(&p.Matchers, "prometheus-matchers", "", `that every query has: cluster="one"`)
	f.StringVar(&p.Header, "prometheus-header", "", `that every request has: "X-Scope-OrgID: one"`)
	f.StringVar(&p.TokenFile, "prometheus-token-file", "", "file with a bearer token")
	f.StringVar(&p.CAFile, "prometheus-ca-file", "", "file with the certificates of who has signed that of Prometheus")
	f.DurationVar(&p.Window, "prometheus-window", 2*time.Minute, "over which CPU is a mean; two scrapes of the kubelets must lie within")
}

func (o *options) check() error {
	if _, known := estimator.Named(o.profile.Algorithm); !known {
		return fmt.Errorf("--algorithm %q: give one of %s", o.profile.Algorithm, strings.Join(estimator.Names(), ", "))
	}
	for flag, given := range map[string]time.Duration{"period": o.profile.Period, "save-period": o.profile.Save, "status-period": o.profile.Tell} {
		if given < time.Second {
			return fmt.Errorf("--%s %s: give at least 1s", flag, given)
		}
	}
	for _, s := range o.sources {
		if s != metricsserver.Name && s != prometheus.Name {
			return fmt.Errorf("--source %q: give %s, %s or both", s, metricsserver.Name, prometheus.Name)
		}
	}
	if given := o.prometheus.URL != ""; given != slices.Contains(o.sources, prometheus.Name) {
		return fmt.Errorf("--prometheus-url %q: give it together with --source %s", o.prometheus.URL, prometheus.Name)
	}
	return o.Check()
}

// kinds that get profiles, and the selector of their workloads.
func (o *options) kinds() ([]profile.Kind, labels.Selector, error) {
	selector, err := labels.Parse(o.selector)
	if err != nil {
		return nil, nil, fmt.Errorf("--workload-selector %q: %w", o.selector, err)
	}
	all := slices.Clone(profile.Kinds)
	for _, other := range o.others {
		kind, _ := schema.ParseKindArg(other)
		if kind == nil {
			return nil, nil, fmt.Errorf("--other-kind %q: give kind, version and group, as in ReplicaSet.v1.apps", other)
		}
		all = append(all, profile.Other(*kind))
	}
	return all, selector, nil
}
