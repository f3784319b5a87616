package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler"
	"github.com/metapilot/metapilot/scaler/fleet"
	"github.com/metapilot/metapilot/scaler/model"
	"github.com/metapilot/metapilot/scaler/plan"
)

// downsOptions say which lines are shown; the order is always that of the whole fleet.
type downsOptions struct {
	namespace, group string
	grouped          bool // the group was told, which may be the one of the empty name
	top              int
}

func downs(o *options) *cobra.Command {
	var do downsOptions
	cmd := &cobra.Command{
		Use:   "downs",
		Short: "Show who could be smaller, in which order, what that saves and risks, when, and what stops it",
		Long: "Show who could be smaller, in which order, what that saves and risks, when, and what stops it. The order is that of the whole fleet;\n" +
			"-n and --group choose whose lines are shown.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if do.top < 1 {
				return fmt.Errorf("--top %d: give at least 1", do.top)
			}
			c, _, err := o.connect()
			if err != nil {
				return err
			}
			do.namespace, do.grouped = o.namespace, cmd.Flags().Changed("group")
			f, err := readFleet(cmd.Context(), c)
			if err != nil {
				return err
			}
			return writeDowns(cmd.OutOrStdout(), f, &do, time.Now())
		},
	}
	cmd.Flags().StringVar(&do.group, "group", "", `only of this group; "" is of the tenants without one`)
	cmd.Flags().IntVar(&do.top, "top", 50, "lines")
	return cmd
}

// readFleet reads all that the order rests on. Without the kind ScalingPolicy there are none.
func readFleet(ctx context.Context, c client.Client) (*scaler.Fleet, error) {
	var f scaler.Fleet
	var scalers v1alpha1.ClusterScalerList
	var records v1alpha1.ScalingRecordList
	var policies v1alpha1.ScalingPolicyList
	err := eachPage(ctx, c, "ClusterScalers", &scalers, func() { f.Scalers = append(f.Scalers, scalers.Items...) })
	if err != nil {
		return nil, err
	}
	if f.Tenants, err = list(ctx, c, ""); err != nil {
		return nil, err
	}
	err = eachPage(ctx, c, "ScalingRecords", &records, func() {
		for i := range records.Items {
			if r := &records.Items[i]; r.Spec.Decision == v1alpha1.DecisionDown || r.Spec.Disruptive { // a fleet has very many others
				f.Records = append(f.Records, *r)
			}
		}
	})
	if err != nil {
		return nil, err
	}
	err = eachPage(ctx, c, "ScalingPolicies", &policies, func() { f.Policies = append(f.Policies, policies.Items...) })
	if apimeta.IsNoMatchError(err) {
		err = nil
	}
	return &f, err
}

func eachPage(ctx context.Context, c client.Client, what string, into client.ObjectList, took func()) error {
	for next := ""; ; {
		if err := c.List(ctx, into, client.Limit(page), client.Continue(next)); err != nil {
			return fmt.Errorf("listing %s: %w; is Metapilot installed in this cluster?", what, err)
		}
		took()
		if next = into.GetContinue(); next == "" {
			return nil
		}
	}
}

// writeDowns prints what stops steps down, and then who waits.
func writeDowns(out io.Writer, f *scaler.Fleet, do *downsOptions, now time.Time) error {
	s := scaler.Queue(now, f)
	for _, stop := range s.Stops {
		fmt.Fprintf(out, "STOPPED until %s: %s\n", stop.Until.UTC().Format(time.RFC3339), stop.Says)
	}
	places := do.chosen(s.Places)
	if len(places) == 0 {
		fmt.Fprintf(out, "nothing waits for its turn to be smaller; metapilot explain TENANT says why a tenant is not smaller\n")
		return nil
	}
	said := componentsOf(f.Scalers)
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "ORDER\tTENANT\tCOMPONENT\tGROUP\tFROM -> TO\tSAVES\tRISK\tWHEN\tWHY")
	for i := range places[:min(do.top, len(places))] {
		p := &places[i]
		c := said[p.Key]
		fmt.Fprintf(w, "%d/%d\t%s/%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", p.Number, p.Of, p.Namespace, p.Name, p.Component, orDash(p.Group),
			stepWords(c), savingWords(&c.Turn.Saving), riskWords(c.Turn), turnWords(p, now), orDash(p.Turn.Says))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if more := len(places) - do.top; more > 0 {
		fmt.Fprintf(out, "and %d more; --top shows them\n", more)
	}
	return nil
}

func (do *downsOptions) chosen(all []fleet.Place) (some []fleet.Place) {
	for i := range all {
		if p := &all[i]; (do.namespace == "" || p.Namespace == do.namespace) && (!do.grouped || p.Group == do.group) {
			some = append(some, *p)
		}
	}
	return some
}

func componentsOf(scalers []v1alpha1.ClusterScaler) map[fleet.Key]*v1alpha1.ScaledComponent {
	said := map[fleet.Key]*v1alpha1.ScaledComponent{}
	for i := range scalers {
		cs := &scalers[i]
		for j := range cs.Status.Components {
			c := &cs.Status.Components[j]
			said[fleet.Key{Namespace: cs.Namespace, Name: cs.Name, Component: c.Name}] = c
		}
	}
	return said
}

// stepWords are the requests and limits that would be others.
func stepWords(c *v1alpha1.ScaledComponent) string {
	from, to := plan.SizeOf(c.Size), plan.SizeOf(c.Turn.To)
	var words []string
	for _, one := range []struct {
		of       string
		r        model.Resource
		from, to int64
	}{
		{"cpu", model.CPU, from.Requests.CPU, to.Requests.CPU},
		{"memory", model.Memory, from.Requests.Memory, to.Requests.Memory},
		{"CPU limit", model.CPU, from.Limits.CPU, to.Limits.CPU},
		{"memory limit", model.Memory, from.Limits.Memory, to.Limits.Memory},
	} {
		if one.from != one.to {
			words = append(words, fmt.Sprintf("%s %s -> %s", one.of, model.Short(one.r, one.from), model.Short(one.r, one.to)))
		}
	}
	return orDash(strings.Join(words, ", "))
}

func savingWords(s *v1alpha1.Saving) string {
	saved := plan.SizeOf(v1alpha1.Size{Requests: s.Requests, Limits: s.Limits})
	return plan.Saving{Pods: int(s.Pods), Requests: saved.Requests, Limits: saved.Limits}.String()
}

func riskWords(t *v1alpha1.Turn) string {
	if len(t.Risks) == 0 {
		return fmt.Sprint(t.Risk)
	}
	return fmt.Sprintf("%d: %s", t.Risk, strings.Join(t.Risks, ", "))
}

// turnWords are when its turn comes at the earliest.
func turnWords(p *fleet.Place, now time.Time) string {
	words := "not before something changes"
	switch at := p.At; {
	case p.Turn.Open:
		words = "now"
	case !at.IsZero() && at.Sub(now) < 24*time.Hour:
		words = at.UTC().Format(time.TimeOnly)
	case !at.IsZero():
		words = at.UTC().Format(time.DateTime)
	}
	if p.DryRun {
		words += " (dry run)"
	}
	return words
}
