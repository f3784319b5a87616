package main

import (
	"fmt"

	"github.com/spf13/pflag"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/metapilot/metapilot/scaler/source"
	"github.com/metapilot/metapilot/scaler/source/exposition"
	"github.com/metapilot/metapilot/scaler/source/kubelets"
	"github.com/metapilot/metapilot/scaler/source/oom"
	"github.com/metapilot/metapilot/scaler/source/programs"
	"github.com/metapilot/metapilot/scaler/source/utilization"
)

// asking are the flags of sources that read metrics of programs.
type asking struct {
	bytes     int64  // a second; 0 to read none
	account   string // by which kubelets are asked; empty to ask none
	authority string // file with the authorities of kubelets' serving certificates
}

func (a *asking) register(f *pflag.FlagSet) {
	f.Int64Var(&a.bytes, "metrics-bytes-per-second", 8<<20, "bytes that may come in a second of all metrics of tenants' programs and of kubelets; 0 to read none")
	f.StringVar(&a.account, "kubelet-metrics-account", "metapilot-system/cluster-scaler-kubelets", "ServiceAccount that may read metrics of nodes and nothing else; empty to ask no kubelet")
	f.StringVar(&a.authority, "kubelet-authority", "", "file with the authorities that sign kubelets' serving certificates; that of the cluster if empty")
}

// leastBytes is what one API server's answer a minute takes, about.
const leastBytes = 64 << 10

func (a *asking) check() error {
	if a.bytes < 0 || a.bytes > 0 && a.bytes < leastBytes {
		return fmt.Errorf("--metrics-bytes-per-second %d: give at least %d, or 0 to read no metrics of programs", a.bytes, leastBytes)
	}
	if a.account == "" {
		return nil
	}
	if _, err := kubelets.Account(a.account); err != nil {
		return fmt.Errorf("--kubelet-metrics-account: %w, or nothing to ask no kubelet", err)
	}
	return nil
}

// sources in their order: first those that say who is in trouble, then those that ask whoever is.
func (o *options) sources(m ctrl.Manager) ([]source.Source, error) {
	clock := clock.RealClock{}
	all := []source.Source{
		oom.Source{},
		utilization.New(m.GetAPIReader(), clock, o.period),
	}
	if o.probes.Period > 0 {
		all = append(all, o.prober(m))
	}
	if o.asking.bytes == 0 {
		return all, nil
	}
	purse := exposition.NewPurse(o.asking.bytes)
	if o.asking.account != "" {
		throttling, err := o.kubelets(m, purse)
		if err != nil {
			return nil, err
		}
		all = append(all, throttling)
	}
	return append(all, programs.New(m.GetAPIReader(), clock, purse)), nil
}

// kubelets are asked about throttling.
func (o *options) kubelets(m ctrl.Manager, purse *exposition.Purse) (*kubelets.Source, error) {
	account, err := kubelets.Account(o.asking.account)
	if err != nil {
		return nil, err
	}
	trust, err := kubelets.Trust(o.asking.authority, m.GetConfig())
	if err != nil {
		return nil, fmt.Errorf("--kubelet-authority %q: %w", o.asking.authority, err)
	}
	return kubelets.New(m.GetClient(), kubelets.TokenOf(m.GetClient(), account), trust, clock.RealClock{}, purse), nil
}
