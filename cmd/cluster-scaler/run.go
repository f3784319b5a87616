package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
	_ "time/tzdata" // maintenance windows have time zones, and images no files of them

	"github.com/spf13/pflag"
	metricsv1beta1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/metapilot/metapilot/internal/program"
	"github.com/metapilot/metapilot/scaler"
	"github.com/metapilot/metapilot/scaler/actuator"
	"github.com/metapilot/metapilot/scaler/plan"
	"github.com/metapilot/metapilot/scaler/sizetable"
	"github.com/metapilot/metapilot/scaler/source/probes"
)

// options are the flags.
type options struct {
	program.Options
	period time.Duration
	budget scaler.Budget
	sizes  string // file of a size table; empty for the default
	asking asking
	probes probes.Config
}

func parse(args []string) (options, error) {
	var o options
	known := plan.Defaults()
	f := pflag.NewFlagSet("cluster-scaler", pflag.ContinueOnError)
	f.DurationVar(&o.period, "metrics-period", 15*time.Second, "how often the metrics API is asked")
	f.IntVar(&o.budget.Moves, "fleet-moves", known.FleetMoves, "pods' restarts of choice in the whole fleet within --fleet-within")
	f.DurationVar(&o.budget.Within, "fleet-within", known.FleetWithin, "time for --fleet-moves")
	f.StringVar(&o.sizes, "size-table", "", "file of a table of what clusters of a scale need at least, in the place of the default (docs/spec/size.md)")
	o.asking.register(f)
	f.DurationVar(&o.probes.Period, "probe-period", 30*time.Second, "how often each tenant is asked from outside; 0 for never")
	f.IntVar(&o.probes.Rate, "probe-rate", 40, "questions in a second to the whole fleet, of which a tenant is asked 4; where that is too few, it is asked less often")
	o.Register(f, "ClusterScalers")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	switch {
	case o.period < time.Second:
		return o, fmt.Errorf("--metrics-period %s: give at least 1s", o.period)
	case o.budget.Moves < 0:
		return o, fmt.Errorf("--fleet-moves %d: give a number from 0, which allows none", o.budget.Moves)
	case o.budget.Within < time.Second:
		return o, fmt.Errorf("--fleet-within %s: give at least 1s", o.budget.Within)
	}
	return o, errors.Join(o.probes.Check(), o.asking.check(), o.Check())
}

func run(ctx context.Context, o options) error {
	m, err := o.Manager(actuator.Owner, scaler.Cached(), metricsv1beta1.AddToScheme)
	if err != nil {
		return err
	}
	sizes, err := sizeTable(o.sizes)
	if err != nil {
		return err
	}
	all, err := o.sources(m)
	if err != nil {
		return err
	}
	r := &scaler.Reconciler{
		Client: m.GetClient(), Live: m.GetAPIReader(), Recorder: m.GetEventRecorder(actuator.Owner), Clock: clock.RealClock{},
		Sources: all, Budget: o.budget, Workers: o.Workers, Sizes: sizes,
	}
	if err := r.SetupWithManager(m); err != nil {
		return err
	}
	if err := metrics.Registry.Register(scaler.HeldChanges(m.GetClient(), m.Elected())); err != nil {
		return err
	}
	return m.Start(ctx)
}

func sizeTable(file string) (sizetable.Table, error) {
	if file == "" {
		return sizetable.Default()
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return sizetable.Table{}, fmt.Errorf("--size-table: %w", err)
	}
	table, err := sizetable.Parse(text)
	if err != nil {
		return table, fmt.Errorf("--size-table %s: %w", file, err)
	}
	return table, nil
}
