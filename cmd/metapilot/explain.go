package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler"
	"github.com/metapilot/metapilot/scaler/model"
	"github.com/metapilot/metapilot/scaler/plan"
)

func explain(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "explain TENANT",
		Short: "Say of each component why it has its size, why not a smaller one, and what is held and until when",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, namespace, err := o.connect()
			if err != nil {
				return err
			}
			return showExplanation(cmd.Context(), cmd.OutOrStdout(), c, namespace, args[0])
		},
	}
}

func records(o *options) *cobra.Command {
	var component string
	cmd := &cobra.Command{
		Use:   "records [TENANT]",
		Short: "List decisions about sizes, newest first: what was decided, why, how fast, and what came of it",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, namespace, err := o.connect()
			if err != nil {
				return err
			}
			return showRecords(cmd.Context(), cmd.OutOrStdout(), c, namespace, args, component)
		},
	}
	cmd.Flags().StringVar(&component, "component", "", "only of this component, such as etcd")
	return cmd
}

// scalerOf finds the ClusterScaler that looks after a tenant.
func scalerOf(ctx context.Context, c client.Client, namespace, tenant string) (*v1alpha1.ClusterScaler, error) {
	for next := ""; ; {
		var some v1alpha1.ClusterScalerList
		if err := c.List(ctx, &some, client.InNamespace(namespace), client.Limit(page), client.Continue(next)); err != nil {
			return nil, fmt.Errorf("listing ClusterScalers: %w; is Metapilot installed in this cluster?", err)
		}
		for i := range some.Items {
			if scaler.TenantOf(&some.Items[i]) == tenant {
				return &some.Items[i], nil
			}
		}
		if next = some.Continue; next == "" {
			return nil, fmt.Errorf("no ClusterScaler in namespace %s looks after tenant %s, so its size stays as it is: create one of the same name with an empty spec", namespace, tenant)
		}
	}
}

func showExplanation(ctx context.Context, out io.Writer, c client.Client, namespace, tenant string) error {
	cs, err := scalerOf(ctx, c, namespace, tenant)
	if err != nil {
		return err
	}
	last, err := listRecords(ctx, c, namespace, cs.Name)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s/%s  up %s, down %s\n", cs.Namespace, tenant, cs.Spec.Mode.Up, cs.Spec.Mode.Down)
	if ready := apimeta.FindStatusCondition(cs.Status.Conditions, v1alpha1.ReadyCondition); ready == nil {
		fmt.Fprintln(out, "the cluster-scaler has not looked at it yet; does it run?")
	} else if ready.Status != metav1.ConditionTrue {
		fmt.Fprintf(out, "%s: %s\n", ready.Reason, ready.Message)
	}
	for i := range cs.Status.Components {
		explainComponent(out, &cs.Status.Components[i], last)
	}
	return nil
}

func explainComponent(out io.Writer, c *v1alpha1.ScaledComponent, newestFirst []v1alpha1.ScalingRecord) {
	fmt.Fprintf(out, "\n%s\n", c.Name)
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	say := func(what, text string) {
		if text != "" {
			fmt.Fprintf(w, "  %s\t%s\n", what, text)
		}
	}
	say("size", sizeWords(c.Size))
	say("why", whyThisSize(c, newestFirst))
	say("now", c.Says)
	if h := c.Held; h != nil {
		say("held", heldWords(h))
	}
	say("not smaller", c.WhyNotSmaller)
	say("restart debt", c.RestartDebt)
	for _, k := range c.Kills {
		say("OOM kill", fmt.Sprintf("%s ago, %s at %s", age(k.Time), k.Pod, model.Short(model.Memory, k.Limit)))
	}
	w.Flush()
}

// whyThisSize is the newest decision that was carried out.
func whyThisSize(c *v1alpha1.ScaledComponent, newestFirst []v1alpha1.ScalingRecord) string {
	for i := range newestFirst {
		r := &newestFirst[i]
		if r.Spec.Component == c.Name && !r.Spec.DryRun && r.Spec.Decision != v1alpha1.DecisionHold && r.Spec.Decision != v1alpha1.DecisionRestart {
			return fmt.Sprintf("%s (%s ago, %s; record %s)", r.Spec.Reason, since(r.Spec.DecidedAt.Time), r.Status.Phase, r.Name)
		}
	}
	return "the preset's, for nothing has called for another one yet"
}

func heldWords(h *v1alpha1.HeldChange) string {
	text := h.Guard + ": " + h.Reason
	if wants := sizeWords(h.Wants); wants != "" {
		text += "; it would be " + wants
	}
	if h.Until != nil {
		text += ", until " + h.Until.UTC().Format(time.RFC3339)
	}
	return text
}

func sizeWords(s v1alpha1.Size) string {
	size := plan.SizeOf(s)
	text := fmt.Sprintf("requests %s %s", model.Short(model.CPU, size.Requests.CPU), model.Short(model.Memory, size.Requests.Memory))
	if size.Limits.CPU > 0 {
		text += ", CPU limit " + model.Short(model.CPU, size.Limits.CPU)
	}
	if size.Limits.Memory > 0 {
		text += ", memory limit " + model.Short(model.Memory, size.Limits.Memory)
	}
	return text
}

// listRecords reads those of a ClusterScaler, or of all in the namespace if none is named, newest first.
func listRecords(ctx context.Context, c client.Client, namespace, of string) (all []v1alpha1.ScalingRecord, err error) {
	for next := ""; ; {
		var some v1alpha1.ScalingRecordList
		if err := c.List(ctx, &some, client.InNamespace(namespace), client.Limit(page), client.Continue(next)); err != nil {
			return nil, fmt.Errorf("listing ScalingRecords: %w; is Metapilot installed in this cluster?", err)
		}
		for i := range some.Items {
			if of == "" || some.Items[i].Spec.Scaler == of {
				all = append(all, some.Items[i])
			}
		}
		if next = some.Continue; next == "" {
			break
		}
	}
	slices.SortFunc(all, func(a, b v1alpha1.ScalingRecord) int { return b.Spec.DecidedAt.Compare(a.Spec.DecidedAt.Time) })
	return all, nil
}

func showRecords(ctx context.Context, out io.Writer, c client.Client, namespace string, args []string, component string) error {
	of := ""
	if len(args) == 1 {
		cs, err := scalerOf(ctx, c, namespace, args[0])
		if err != nil {
			return err
		}
		of = cs.Name
	}
	all, err := listRecords(ctx, c, namespace, of)
	if err != nil {
		return err
	}
	if component != "" {
		all = slices.DeleteFunc(all, func(r v1alpha1.ScalingRecord) bool { return r.Spec.Component != component })
	}
	if len(all) == 0 {
		fmt.Fprintf(out, "no decision was written down in namespace %q yet\n", namespace)
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "AGE\tSCALER\tCOMPONENT\tDECISION\tPHASE\tDECIDED AFTER\tEFFECT AFTER\tREASON")
	for i := range all {
		r := &all[i]
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", since(r.Spec.DecidedAt.Time), r.Spec.Scaler, r.Spec.Component, decisionWords(r), r.Status.Phase,
			milliseconds(r.Status.SignalToDecisionMilliseconds), milliseconds(r.Status.SignalToEffectMilliseconds), r.Spec.Reason)
	}
	return w.Flush()
}

func decisionWords(r *v1alpha1.ScalingRecord) string {
	if r.Spec.DryRun {
		return string(r.Spec.Decision) + " (dry run)"
	}
	return string(r.Spec.Decision)
}

func milliseconds(ms *int64) string {
	if ms == nil {
		return "-"
	}
	return fmt.Sprintf("%.1fs", float64(*ms)/1000)
}

func since(t time.Time) string { return duration.HumanDuration(time.Since(t)) }
