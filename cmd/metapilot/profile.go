package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/api/v1alpha1"
)

func explainProfile(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "profile WORKLOAD",
		Short: "Say what a workload uses, what is recommended for it, and why; WORKLOAD is a name, or kind/name",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, namespace, err := o.connect()
			if err != nil {
				return err
			}
			p, err := findProfile(cmd.Context(), c, namespace, args[0])
			if err != nil {
				return err
			}
			return writeProfile(cmd.OutOrStdout(), p, time.Now())
		},
	}
}

// findProfile by the name of the workload, and its kind if that is told.
func findProfile(ctx context.Context, c client.Client, namespace, workload string) (*v1alpha1.WorkloadProfile, error) {
	kind, name, told := strings.Cut(workload, "/")
	if !told {
		kind, name = "", workload
	}
	var found []*v1alpha1.WorkloadProfile
	for next := ""; ; {
		var some v1alpha1.WorkloadProfileList
		if err := c.List(ctx, &some, client.InNamespace(namespace), client.Limit(page), client.Continue(next)); err != nil {
			return nil, fmt.Errorf("listing WorkloadProfiles: %w; is Metapilot installed in this cluster?", err)
		}
		for i := range some.Items {
			if ref := some.Items[i].Spec.TargetRef; ref.Name == name && (kind == "" || strings.EqualFold(ref.Kind, kind)) {
				found = append(found, &some.Items[i])
			}
		}
		if next = some.Continue; next == "" {
			break
		}
	}
	return theOne(found, namespace, workload)
}

func theOne(found []*v1alpha1.WorkloadProfile, namespace, workload string) (*v1alpha1.WorkloadProfile, error) {
	switch len(found) {
	case 0:
		return nil, fmt.Errorf("no WorkloadProfile in namespace %s is about %s: a tenant's workloads are in the namespace that metapilot status shows; "+
			"others get a profile when they have the label %s, or when you create one", namespace, workload, v1alpha1.TenantLabel)
	case 1:
		return found[0], nil
	}
	var names []string
	for _, p := range found {
		names = append(names, strings.ToLower(p.Spec.TargetRef.Kind)+"/"+p.Spec.TargetRef.Name)
	}
	return nil, fmt.Errorf("%d WorkloadProfiles are about %s: write one of %s", len(found), workload, strings.Join(names, ", "))
}

func writeProfile(out io.Writer, p *v1alpha1.WorkloadProfile, now time.Time) error {
	s := &p.Status
	fmt.Fprintf(out, "%s %s in %s\n", p.Spec.TargetRef.Kind, p.Spec.TargetRef.Name, p.Namespace)
	if s.LastSample == nil {
		fmt.Fprintln(out, "nothing is known of its use yet")
	} else {
		fmt.Fprintf(out, "%s recommends, by the hungriest of %d replicas seen within a day; the last sample is %s old\n",
			s.Algorithm, s.Replicas, duration.HumanDuration(now.Sub(s.LastSample.Time)))
	}
	for _, c := range s.Conditions {
		if (c.Status == metav1.ConditionTrue) == (c.Type == v1alpha1.StalledCondition) {
			fmt.Fprintf(out, "%s: %s\n", c.Reason, c.Message)
		}
	}
	for _, src := range s.Sources {
		if src.LastSample != nil {
			fmt.Fprintf(out, "from %s, %s ago\n", src.Name, duration.HumanDuration(now.Sub(src.LastSample.Time)))
		}
	}
	for i := range s.Containers {
		if err := writeContainer(out, &s.Containers[i], now); err != nil {
			return err
		}
	}
	return nil
}

func writeContainer(out io.Writer, c *v1alpha1.ContainerProfile, now time.Time) error {
	fmt.Fprintf(out, "\ncontainer %s\n", c.Name)
	if c.Recommended.Requests != (v1alpha1.Quantities{}) {
		fmt.Fprintf(out, "  recommended  %s\n", sizeWords(c.Recommended))
	}
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "  \tTARGET\tLOWER\tUPPER\tUNCAPPED\tP50 24h\tP90 24h\tP95 24h\tP99 24h\tMAX 24h\tMAX 168h\tGROWTH/h\tSAMPLES\tKNOWN\tGAPS")
	for _, r := range resourcesOf(c) {
		writeFigures(w, r.name, r.profile, now)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, r := range resourcesOf(c) {
		fmt.Fprintf(out, "  why %s: %s\n", r.name, r.profile.Reason)
	}
	for _, r := range resourcesOf(c) {
		fmt.Fprint(out, sparkline(r.name, r.profile))
	}
	writeFloor(out, c, now)
	return writeAlgorithms(out, c)
}

type named struct {
	name    string
	profile *v1alpha1.ResourceProfile
}

func resourcesOf(c *v1alpha1.ContainerProfile) []named {
	return []named{{"cpu", &c.CPU}, {"memory", &c.Memory}}
}

func writeFigures(w io.Writer, name string, r *v1alpha1.ResourceProfile, now time.Time) {
	known := "-"
	if r.Since != nil {
		known = duration.HumanDuration(now.Sub(r.Since.Time))
	}
	day, week := window(r, "24h"), window(r, "168h")
	fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\t%d%%\n", name, or(r.Target), or(r.Lower), or(r.Upper), or(r.Uncapped),
		or(&day.P50), or(&day.P90), or(&day.P95), or(&day.P99), or(&day.Max), or(&week.Max), or(r.GrowthPerHour), r.Samples, known, r.GapsPercent)
}

func window(r *v1alpha1.ResourceProfile, name string) v1alpha1.UsageWindow {
	for _, w := range r.Usage {
		if w.Window == name {
			return w
		}
	}
	return v1alpha1.UsageWindow{}
}

// or is a quantity, or a dash if there is none.
func or(q *resource.Quantity) string {
	if q == nil || q.IsZero() {
		return "-"
	}
	return q.String()
}

var bars = []rune("▁▂▃▄▅▆▇█")

// sparkline draws the peaks of the last day against what is recommended: a full bar is all of it, ! is more, and a dot is a gap.
func sparkline(name string, r *v1alpha1.ResourceProfile) string {
	if len(r.Recent) == 0 || r.Target == nil {
		return ""
	}
	whole := r.Target.MilliValue()
	if name == "memory" {
		whole = r.Target.Value() >> 20
	}
	var line strings.Builder
	for _, peak := range r.Recent {
		switch {
		case peak < 0:
			line.WriteRune('·')
		case peak > whole:
			line.WriteRune('!')
		default:
			line.WriteRune(bars[int(peak)*(len(bars)-1)/max(1, int(whole))])
		}
	}
	return fmt.Sprintf("  %s %s, half an hour each; █ is %s, ! is more, · was not seen\n", name, line.String(), r.Target)
}

func writeFloor(out io.Writer, c *v1alpha1.ContainerProfile, now time.Time) {
	if f := c.OOMFloor; f != nil {
		fmt.Fprintf(out, "  OOM floor %s: %d kills, the last %s ago at %s; %d of 168 hours of contrary evidence\n",
			&f.Bytes, f.Kills, duration.HumanDuration(now.Sub(f.LastKill.Time)), &f.Limit, f.ContraryHours)
	}
	for _, b := range c.BadSamples {
		fmt.Fprintf(out, "  %d samples were not counted: %s\n", b.Count, b.Fault)
	}
}

func writeAlgorithms(out io.Writer, c *v1alpha1.ContainerProfile) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "  ALGORITHM\tOF\tTARGET\tCOST\tIDLE\tEXCEEDED\tCHANGES/d\tSAYS")
	for _, r := range resourcesOf(c) {
		for _, a := range r.profile.Algorithms {
			mark := ""
			if a.Chosen {
				mark = " *"
			}
			fmt.Fprintf(w, "  %s%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", a.Name, mark, r.name, or(a.Target), ratio(a.Score), percent(a.IdlePercent), ratio(a.Exceeded), ratio(a.ChangesPerDay), a.Reason)
		}
	}
	return w.Flush()
}

// ratio is a number that is small, or a dash if there is none.
func ratio(q *resource.Quantity) string {
	if q == nil {
		return "-"
	}
	return fmt.Sprintf("%.3f", float64(q.MilliValue())/1000)
}

func percent(n *int32) string {
	if n == nil {
		return "-"
	}
	return fmt.Sprintf("%d%%", *n)
}
