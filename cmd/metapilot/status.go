package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
	metricsv1beta1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/operators/tenantcluster/plan"
)

const page = 500

// showStatus prints a line for each tenant, or the components of one.
func showStatus(ctx context.Context, out io.Writer, c client.Client, namespace string, args []string) error {
	tenants, err := list(ctx, c, namespace)
	if err != nil {
		return err
	}
	if len(args) == 1 {
		for i := range tenants {
			if tenants[i].Name == args[0] {
				return showTenant(ctx, out, c, &tenants[i])
			}
		}
		return fmt.Errorf("there is no tenant %s in namespace %s; metapilot status -A lists all", args[0], namespace)
	}
	if len(tenants) == 0 {
		fmt.Fprintf(out, "no tenants in namespace %q; -A looks into all, and docs/spec/tenantcluster.md says how to make one\n", namespace)
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "TENANT\tVERSION\tREADY\tMEMBERS\tREQUESTS\tUSAGE\tAGE\tWHY NOT READY")
	for i := range tenants {
		if err := tenantLine(ctx, w, c, &tenants[i]); err != nil {
			return err
		}
	}
	return w.Flush()
}

// list reads all pages.
func list(ctx context.Context, c client.Client, namespace string) (all []v1alpha1.TenantCluster, err error) {
	for next := ""; ; {
		var some v1alpha1.TenantClusterList
		if err := c.List(ctx, &some, client.InNamespace(namespace), client.Limit(page), client.Continue(next)); err != nil {
			return nil, fmt.Errorf("listing TenantClusters: %w; is Metapilot installed in this cluster?", err)
		}
		all = append(all, some.Items...)
		if next = some.Continue; next == "" {
			return all, nil
		}
	}
}

func tenantLine(ctx context.Context, w io.Writer, c client.Client, tc *v1alpha1.TenantCluster) error {
	pods, err := look(ctx, c, tc)
	if err != nil {
		return err
	}
	var sum amounts
	for _, p := range pods {
		sum.add(p)
	}
	ready := apimeta.FindStatusCondition(tc.Status.Conditions, v1alpha1.ReadyCondition)
	said := metav1.ConditionUnknown
	if ready != nil {
		said = ready.Status
	}
	fmt.Fprintf(w, "%s/%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", tc.Namespace, tc.Name, orDash(tc.Status.Version), said, orDash(tc.Status.Etcd.ReadyMembers),
		sum.requests, sum.usage, age(tc.CreationTimestamp), why(tc))
	return nil
}

// showTenant prints the tenant's pods and what is said of it.
func showTenant(ctx context.Context, out io.Writer, c client.Client, tc *v1alpha1.TenantCluster) error {
	pods, err := look(ctx, c, tc)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s/%s  version %s  namespace %s\n\n", tc.Namespace, tc.Name, orDash(tc.Status.Version), orDash(tc.Status.Namespace))
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "POD\tREADY\tRESTARTS\tREQUESTS\tMEMORY LIMIT\tUSAGE\tNODE\tAGE")
	for _, p := range pods {
		fmt.Fprintf(w, "%s\t%t\t%d\t%s\t%s\t%s\t%s\t%s\n", p.name, p.ready, p.restarts, p.requests, p.limit.String(), p.usage, orDash(p.node), age(p.since))
	}
	fmt.Fprintln(w, "\nCONDITION\tSTATUS\tSINCE\tREASON\tMESSAGE")
	for _, cond := range tc.Status.Conditions {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", cond.Type, cond.Status, age(cond.LastTransitionTime), cond.Reason, cond.Message)
	}
	return w.Flush()
}

// pod is a line of a tenant.
type pod struct {
	amounts
	name, node string
	ready      bool
	restarts   int32
	limit      resource.Quantity
	since      metav1.Time
}

// amounts are CPU and memory; usage is unknown until the metrics API has seen the pod.
type amounts struct {
	requests, usage pair
}

type pair struct {
	cpu, memory resource.Quantity
	known       bool
}

func (p pair) String() string {
	if !p.known {
		return "-"
	}
	return fmt.Sprintf("%dm %dMi", p.cpu.MilliValue(), p.memory.Value()>>20)
}

func (p *pair) add(l corev1.ResourceList) {
	p.cpu.Add(*l.Cpu())
	p.memory.Add(*l.Memory())
	p.known = true
}

func (a *amounts) add(p pod) {
	for _, s := range []struct{ sum, one *pair }{{&a.requests, &p.requests}, {&a.usage, &p.usage}} {
		if s.one.known {
			s.sum.add(corev1.ResourceList{corev1.ResourceCPU: s.one.cpu, corev1.ResourceMemory: s.one.memory})
		}
	}
}

// look reads the tenant's pods and their usage.
func look(ctx context.Context, c client.Client, tc *v1alpha1.TenantCluster) ([]pod, error) {
	if tc.Status.Namespace == "" {
		return nil, nil
	}
	var found corev1.PodList
	if err := c.List(ctx, &found, client.InNamespace(tc.Status.Namespace), client.HasLabels{v1alpha1.ComponentLabel}); err != nil {
		return nil, fmt.Errorf("listing the pods of %s: %w", tc.Name, err)
	}
	used := usage(ctx, c, tc.Status.Namespace)
	var pods []pod
	for _, component := range plan.Components {
		for _, p := range found.Items {
			if p.Labels[v1alpha1.ComponentLabel] == component {
				line := lineOf(p)
				line.usage = used[p.Name]
				pods = append(pods, line)
			}
		}
	}
	return pods, nil
}

func lineOf(p corev1.Pod) pod {
	line := pod{name: p.Name, node: p.Spec.NodeName, since: p.CreationTimestamp}
	for _, container := range p.Spec.Containers {
		line.requests.add(container.Resources.Requests)
		line.limit.Add(*container.Resources.Limits.Memory())
	}
	for _, cond := range p.Status.Conditions {
		line.ready = line.ready || cond.Type == corev1.PodReady && cond.Status == corev1.ConditionTrue
	}
	for _, s := range p.Status.ContainerStatuses {
		line.restarts += s.RestartCount
	}
	return line
}

// usage is by pod; a cluster without metrics has none, which is shown and no error.
func usage(ctx context.Context, c client.Client, namespace string) map[string]pair {
	used := map[string]pair{}
	var metrics metricsv1beta1.PodMetricsList
	if err := c.List(ctx, &metrics, client.InNamespace(namespace)); err != nil {
		return used
	}
	for _, m := range metrics.Items {
		var sum pair
		for _, container := range m.Containers {
			sum.add(container.Usage)
		}
		used[m.Name] = sum
	}
	return used
}

// why says why a tenant is not ready; empty if it is.
func why(tc *v1alpha1.TenantCluster) string {
	if stalled := apimeta.FindStatusCondition(tc.Status.Conditions, v1alpha1.StalledCondition); stalled != nil && stalled.Status == metav1.ConditionTrue {
		return stalled.Reason + ": " + stalled.Message
	}
	switch ready := apimeta.FindStatusCondition(tc.Status.Conditions, v1alpha1.ReadyCondition); {
	case ready == nil:
		return "the master-operator has not looked at it yet; does it run?"
	case ready.Status == metav1.ConditionTrue:
		return ""
	default:
		return ready.Reason + ": " + ready.Message
	}
}

func age(since metav1.Time) string {
	if since.IsZero() {
		return "-"
	}
	return duration.HumanDuration(time.Since(since.Time))
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
