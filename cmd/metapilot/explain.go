package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	coordinationv1 "k8s.io/api/coordination/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler"
	"github.com/metapilot/metapilot/scaler/actuator"
	"github.com/metapilot/metapilot/scaler/model"
	"github.com/metapilot/metapilot/scaler/plan"
)

func explain(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explain TENANT",
		Short: "Say of each component why it has its size, why not a smaller one, and what is held and until when",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, namespace, err := o.connect()
			if err != nil {
				return err
			}
			return showExplanation(cmd.Context(), cmd.OutOrStdout(), c, o, namespace, args[0])
		},
	}
	cmd.AddCommand(explainProfile(o))
	return cmd
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
	var oldest *v1alpha1.ClusterScaler
	for next := ""; ; {
		var some v1alpha1.ClusterScalerList
		if err := c.List(ctx, &some, client.InNamespace(namespace), client.Limit(page), client.Continue(next)); err != nil {
			return nil, fmt.Errorf("listing ClusterScalers: %w; is Metapilot installed in this cluster?", err)
		}
		for i := range some.Items {
			if one := &some.Items[i]; scaler.TenantOf(one) == tenant && (oldest == nil || scaler.Older(one, oldest)) {
				oldest = one
			}
		}
		if next = some.Continue; next == "" {
			if oldest != nil {
				return oldest, nil
			}
			return nil, fmt.Errorf("no ClusterScaler in namespace %s looks after tenant %s, so its size stays as it is: create one of the same name with an empty spec", namespace, tenant)
		}
	}
}

func showExplanation(ctx context.Context, out io.Writer, c client.Client, o *options, namespace, tenant string) error {
	cs, err := scalerOf(ctx, c, namespace, tenant)
	if err != nil {
		return err
	}
	last, err := listRecords(ctx, c, namespace, cs.Name)
	if err != nil {
		return err
	}
	silence, err := silence(ctx, c, o.system)
	writeExplanation(out, cs, last, silence, time.Now())
	if err != nil {
		fmt.Fprintf(out, "\nwhether a cluster-scaler works cannot be told: %v\n", err)
	}
	return nil
}

// silence is for how long the cluster-scaler has not been heard of, if that is longer than its lease.
func silence(ctx context.Context, c client.Client, namespace string) (time.Duration, error) {
	var lease coordinationv1.Lease
	if err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: actuator.Owner}, &lease); err != nil {
		return 0, err
	}
	if lease.Spec.RenewTime == nil || lease.Spec.LeaseDurationSeconds == nil {
		return 0, nil
	}
	quiet := time.Since(lease.Spec.RenewTime.Time)
	if quiet < 2*time.Duration(*lease.Spec.LeaseDurationSeconds)*time.Second {
		return 0, nil
	}
	return quiet, nil
}

// writeExplanation says all that is known of a tenant's sizes. Silence is for how long no cluster-scaler was heard of.
func writeExplanation(out io.Writer, cs *v1alpha1.ClusterScaler, newestFirst []v1alpha1.ScalingRecord, silence time.Duration, now time.Time) {
	fmt.Fprintf(out, "%s/%s  up %s, down %s\n", cs.Namespace, scaler.TenantOf(cs), cs.Spec.Mode.Up, cs.Spec.Mode.Down)
	if pause := cs.Spec.Pause; pause != nil {
		fmt.Fprintln(out, pauseWords(pause, now))
	}
	ready := apimeta.FindStatusCondition(cs.Status.Conditions, v1alpha1.ReadyCondition)
	switch {
	case silence > 0:
		fmt.Fprintf(out, "NO CLUSTER-SCALER HAS WORKED FOR %s: nothing is rescued, and what follows is from before\n", duration.HumanDuration(silence))
	case ready == nil:
		fmt.Fprintln(out, "the cluster-scaler has not looked at it yet; does it run?")
	case cs.Status.ObservedGeneration != cs.Generation:
		fmt.Fprintln(out, "its spec has changed, and the cluster-scaler has not looked at it since")
	}
	if probe := cs.Status.Probe; probe != nil {
		fmt.Fprintln(out, probeWords(probe, now))
	}
	said := map[string]bool{}
	for _, c := range cs.Status.Conditions {
		wrong := (c.Status == metav1.ConditionTrue) == (c.Type == v1alpha1.StalledCondition) && c.Type != v1alpha1.ReconcilingCondition
		if wrong && !said[c.Message] {
			fmt.Fprintf(out, "%s: %s\n", c.Reason, c.Message)
		}
		said[c.Message] = said[c.Message] || wrong
	}
	for i := range cs.Status.Components {
		explainComponent(out, cs, &cs.Status.Components[i], newestFirst, now)
	}
}

func probeWords(p *v1alpha1.ProbeStatus, now time.Time) string {
	since := ""
	if p.Since != nil {
		since = " for " + duration.HumanDuration(now.Sub(p.Since.Time))
	}
	switch p.State {
	case v1alpha1.ProbeAnswers:
		return "probe: answered" + since
	case v1alpha1.ProbeFailing:
		return "PROBE FAILS" + since + ": " + p.Says
	case v1alpha1.ProbeUnknown:
		return "probe: not known: " + p.Says
	case v1alpha1.ProbeOff:
	}
	return p.Says
}

func pauseWords(p *v1alpha1.Pause, now time.Time) string {
	switch {
	case p.Until == nil:
		return "paused: " + p.Reason
	case now.Before(p.Until.Time):
		return fmt.Sprintf("paused until %s: %s", p.Until.UTC().Format(time.RFC3339), p.Reason)
	}
	return fmt.Sprintf("its pause ended at %s", p.Until.UTC().Format(time.RFC3339))
}

func explainComponent(out io.Writer, cs *v1alpha1.ClusterScaler, c *v1alpha1.ScaledComponent, newestFirst []v1alpha1.ScalingRecord, now time.Time) {
	fmt.Fprintf(out, "\n%s\n", c.Name)
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	say := func(what, text string) {
		if text != "" {
			fmt.Fprintf(w, "  %s\t%s\n", what, text)
		}
	}
	say("mode", ownMode(cs, c.Name))
	say("size", sizeWords(c.Size))
	say("not yet", c.Waits)
	say("why", whyThisSize(c, newestFirst, now))
	say("now", c.Says)
	if h := c.Held; h != nil {
		say("held", heldWords(h))
	}
	for i := range c.Causes {
		say("cause", causeWords(&c.Causes[i]))
	}
	say("usage unknown", c.UsageUnknown)
	say("not smaller", c.WhyNotSmaller)
	say("too large", idleWords(c.Idle, now))
	say("would be done", rehearsed(c, newestFirst, now))
	say("restart debt", c.RestartDebt)
	for _, k := range c.Kills {
		say("OOM kill", fmt.Sprintf("%s ago, %s at %s", duration.HumanDuration(now.Sub(k.Time.Time)), k.Pod, model.Short(model.Memory, k.Limit)))
	}
	w.Flush()
}

func causeWords(c *v1alpha1.Cause) string {
	text := fmt.Sprintf("%s (%d%% sure): %s", c.Type, c.ConfidencePercent, c.Says)
	if c.Helps != "" {
		text += ". What would help: " + c.Helps
	}
	return text
}

// idleWords are for how long less than it has was needed, and how much at most.
func idleWords(idle *v1alpha1.Idle, now time.Time) string {
	if idle == nil {
		return ""
	}
	var all []string
	for _, one := range [...]struct {
		of model.Resource
		is *v1alpha1.IdleResource
	}{{model.Memory, idle.Memory}, {model.CPU, idle.CPU}} {
		if one.is != nil {
			highest := one.is.Highest.Value()
			if one.of == model.CPU {
				highest = one.is.Highest.MilliValue()
			}
			all = append(all, fmt.Sprintf("%s for %s, at most %s needed", one.of, duration.HumanDuration(now.Sub(one.is.Since.Time)), model.Short(one.of, highest)))
		}
	}
	return strings.Join(all, "; ")
}

// stands is how long a dry run stands that is told once an hour.
const stands = 2 * time.Hour

// rehearsed is the step down that a dry run has left out, if nothing was decided since.
func rehearsed(c *v1alpha1.ScaledComponent, newestFirst []v1alpha1.ScalingRecord, now time.Time) string {
	for i := range newestFirst {
		r := &newestFirst[i]
		if r.Spec.Component != c.Name || r.Spec.TargetUID != c.TargetUID {
			continue
		}
		if !r.Spec.DryRun || r.Spec.Decision != v1alpha1.DecisionDown || now.Sub(r.Spec.DecidedAt.Time) > stands {
			return ""
		}
		text := sizeWords(r.Spec.To)
		if s := r.Spec.Saving; s != nil {
			text += "; saves " + savingWords(s)
		}
		return fmt.Sprintf("%s (dry run %s ago; record %s)", text, duration.HumanDuration(now.Sub(r.Spec.DecidedAt.Time)), r.Name)
	}
	return ""
}

// ownMode is the mode of a component that has another one than the ClusterScaler.
func ownMode(cs *v1alpha1.ClusterScaler, component string) string {
	own, all := plan.PolicyOf(&cs.Spec, component), plan.PolicyOf(&cs.Spec, "")
	if own.Up == all.Up && own.Down == all.Down {
		return ""
	}
	return fmt.Sprintf("up %s, down %s", own.Up, own.Down)
}

// whyThisSize is the newest decision that was carried out.
func whyThisSize(c *v1alpha1.ScaledComponent, newestFirst []v1alpha1.ScalingRecord, now time.Time) string {
	for i := range newestFirst {
		r := &newestFirst[i]
		changed := r.Spec.Decision == v1alpha1.DecisionUp || r.Spec.Decision == v1alpha1.DecisionDown || r.Spec.Decision == v1alpha1.DecisionRevert
		if r.Spec.Component == c.Name && r.Spec.TargetUID == c.TargetUID && changed && !r.Spec.DryRun && r.Status.Phase != v1alpha1.PhaseFailed && r.Status.Phase != "" {
			return fmt.Sprintf("%s (%s ago; %s: %s; record %s)", r.Spec.Reason, duration.HumanDuration(now.Sub(r.Spec.DecidedAt.Time)), r.Status.Phase, r.Status.Message, r.Name)
		}
	}
	return "the preset's, or what somebody else has written: the cluster-scaler has not changed it"
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
	return writeRecords(out, all, time.Now())
}

func writeRecords(out io.Writer, all []v1alpha1.ScalingRecord, now time.Time) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "DECIDED\tAGE\tSCALER\tCOMPONENT\tDECISION\tPHASE\tDECIDED AFTER\tEFFECT AFTER\tREASON\tOUTCOME")
	for i := range all {
		r := &all[i]
		at := r.Spec.DecidedAt.Time
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", at.UTC().Format(time.DateTime), duration.HumanDuration(now.Sub(at)),
			r.Spec.Scaler, r.Spec.Component, decisionWords(r), r.Status.Phase,
			milliseconds(r.Status.SignalToDecisionMilliseconds), milliseconds(r.Status.SignalToEffectMilliseconds), r.Spec.Reason, outcomeWords(r))
	}
	return w.Flush()
}

// outcomeWords is what came of a decision, or what it waits for.
func outcomeWords(r *v1alpha1.ScalingRecord) string {
	if r.Status.Phase == v1alpha1.PhaseHeld {
		return "-"
	}
	return r.Status.Message
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
