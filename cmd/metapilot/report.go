package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler/fleetreport"
	"github.com/metapilot/metapilot/scaler/report"
)

// reportOptions are the flags of report.
type reportOptions struct {
	since  time.Duration
	by     []string
	top    int
	output string

	prometheus fleetreport.PrometheusOptions
}

func reports(o *options) *cobra.Command {
	var ro reportOptions
	cmd := &cobra.Command{
		Use:   "report",
		Short: "Sum up a fleet: what was done and would be done, what it saves, what is held, and who is at risk",
		Long: "Sum up a fleet: what was done and would be done, what it saves, what is held, and who is at risk. Of all namespaces, unless -n names one.\n" +
			"--output html writes one page that needs no network: metapilot report --output html > report.html",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := ro.check(); err != nil {
				return err
			}
			c, _, err := o.connect()
			if err != nil {
				return err
			}
			return showReport(cmd.Context(), cmd.OutOrStdout(), c, o.namespace, &ro)
		},
	}
	f := cmd.Flags()
	f.DurationVar(&ro.since, "since", 7*24*time.Hour, "how far back decisions are counted, such as 24h")
	f.StringSliceVar(&ro.by, "by", []string{"owner", "component"}, "what to sum up by: owner (the namespace), component, label=<key of the TenantClusters' labels>")
	f.IntVar(&ro.top, "top", 20, "lines of each list")
	f.StringVarP(&ro.output, "output", "o", "table", outputs())
	f.StringVar(&ro.prometheus.URL, "prometheus", "", "Prometheus with what containers have used, for the charts of --output html; without it they show what records tell")
	f.StringVar(&ro.prometheus.TokenFile, "prometheus-token-file", "", "file with a bearer token for it")
	f.StringVar(&ro.prometheus.CAFile, "prometheus-ca-file", "", "file with the certificates that its own is checked by; the system's if empty")
	f.DurationVar(&ro.prometheus.Timeout, "prometheus-timeout", 30*time.Second, "for one query")
	return cmd
}

func outputs() string { return strings.Join(slices.Sorted(maps.Keys(report.Renderers)), ", ") }

func (ro *reportOptions) check() error {
	switch {
	case ro.since < time.Minute:
		return fmt.Errorf("--since %s: give at least 1m", ro.since)
	case ro.top < 1 || ro.top > 1000:
		return fmt.Errorf("--top %d: give a number from 1 to 1000", ro.top)
	case ro.prometheus.URL != "" && ro.output != "html":
		return errors.New("--prometheus is for the charts of --output html")
	case report.Renderers[ro.output] == nil:
		return fmt.Errorf("--output %q: give one of %s", ro.output, outputs())
	}
	for _, by := range ro.by {
		if err := report.CheckBy(by); err != nil {
			return fmt.Errorf("--by: %w", err)
		}
	}
	return nil
}

func showReport(ctx context.Context, out io.Writer, c client.Client, namespace string, ro *reportOptions) error {
	now := time.Now()
	reader := fleetreport.Reader{Client: c, Page: page}
	r, err := reader.Gather(ctx, report.Options{Namespace: namespace, From: now.Add(-ro.since), To: now, By: ro.by, Top: ro.top})
	if err != nil {
		return err
	}
	var charts []report.Chart
	if ro.output == "html" {
		if charts, err = drawCharts(ctx, reader, r, ro); err != nil {
			return err
		}
	}
	return report.Renderers[ro.output](out, r, charts)
}

func drawCharts(ctx context.Context, reader fleetreport.Reader, r *v1alpha1.FleetReport, ro *reportOptions) ([]report.Chart, error) {
	var measured fleetreport.Measured
	if ro.prometheus.URL == "" {
		r.Status.Unknown = append(r.Status.Unknown, "what pods have used between decisions: charts show what records tell; --prometheus has more")
	} else {
		p, err := fleetreport.NewPrometheus(ro.prometheus)
		if err != nil {
			return nil, err
		}
		measured = p
	}
	return reader.Charts(ctx, r, measured)
}
