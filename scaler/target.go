package scaler

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler/actuator"
	"github.com/metapilot/metapilot/scaler/model"
	"github.com/metapilot/metapilot/scaler/plan"
)

// target is what a ClusterScaler looks after.
type target struct {
	key        client.ObjectKey // of the TenantCluster
	tenant     *v1alpha1.TenantCluster
	components []component
	fault      fault  // why it cannot be looked after
	stuck      string // why it cannot be changed
	behind     bool   // the cache has not seen yet what was written
	windows    model.Maintenance
	badWindow  string // what is wrong with them
}

type fault struct{ reason, message string }

// component is one part of the target.
type component struct {
	name, container string
	quorum          bool
	size            model.Size
	home, kind      string // namespace and kind of the workload, which has the component's name
	replicas        int    // how many pods it should have
	foreign         string
	pods            []*corev1.Pod
	workload        client.Object // nil for a component of a tenant
	behind          bool          // the cache has not seen yet what was written of it
	restarted       time.Time     // when its pods were to be replaced last
	born            time.Time     // when what it belongs to was created
	uid             types.UID     // of the TenantCluster or the workload: what was decided about another one is no memory of this one
}

// rolling is how long pods may take to be replaced before it is tried again.
const rolling = 15 * time.Minute

// restarting: some pods were made before the last restart was asked for.
func (c *component) restarting(now time.Time) bool {
	mark := c.restarted.UTC().Format(time.RFC3339)
	return now.Sub(c.restarted) < rolling && slices.ContainsFunc(c.pods, func(p *corev1.Pod) bool { return p.Annotations[v1alpha1.RestartedAnnotation] != mark })
}

// changedBy is who has written the workload last beside the scaler.
func (c *component) changedBy() string {
	who, last := "somebody", time.Time{}
	for _, entry := range c.workload.GetManagedFields() {
		if entry.Manager != actuator.Owner && entry.Time != nil && entry.Time.After(last) {
			who, last = entry.Manager, entry.Time.Time
		}
	}
	return who
}

// Components of a tenant, in the order in which they are shown.
var Components = []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"}

func (r *Reconciler) find(ctx context.Context, cs *v1alpha1.ClusterScaler) (target, error) {
	if taken, err := r.taken(ctx, cs); taken.reason != "" || err != nil {
		return target{fault: taken}, err
	}
	if len(cs.Spec.Workloads) > 0 {
		return r.findWorkloads(ctx, cs)
	}
	t := target{key: client.ObjectKey{Namespace: cs.Namespace, Name: TenantOf(cs)}, tenant: &v1alpha1.TenantCluster{}}
	err := r.Client.Get(ctx, t.key, t.tenant)
	switch {
	case apierrors.IsNotFound(err):
		t.fault = fault{"TargetNotFound", fmt.Sprintf("there is no TenantCluster %s in namespace %s: create it, or name another one in spec.tenantCluster", t.key.Name, t.key.Namespace)}
		return t, nil
	case err != nil:
		return t, err
	}
	if unknown := unknownComponents(cs, Components); unknown != "" {
		t.fault = fault{"UnknownComponent", unknown}
		return t, nil
	}
	if t.behind = r.behind(t.tenant); t.behind {
		return t, nil
	}
	if !t.tenant.DeletionTimestamp.IsZero() {
		t.stuck = "the TenantCluster is being removed"
	}
	return t, r.fill(ctx, &t)
}

// taken: an older ClusterScaler looks after the same target. Both would decide about the same kill.
func (r *Reconciler) taken(ctx context.Context, cs *v1alpha1.ClusterScaler) (fault, error) {
	var all v1alpha1.ClusterScalerList
	same := []client.ListOption{client.InNamespace(cs.Namespace), client.UnsafeDisableDeepCopy}
	if tenant := TenantOf(cs); tenant != "" {
		same = append(same, client.MatchingFields{byTenant: tenant})
	}
	if err := r.Client.List(ctx, &all, same...); err != nil {
		return fault{}, err
	}
	for i := range all.Items {
		other := &all.Items[i]
		if what := sharing(cs, other); what != "" && other.DeletionTimestamp.IsZero() && Older(other, cs) {
			return fault{"TargetTaken", fmt.Sprintf("ClusterScaler %s looks after %s already: delete one of the two, or take it out of one", other.Name, what)}, nil
		}
	}
	return fault{}, nil
}

// Older tells whether a is older than b, or comes first by name if both are of one second. Of two ClusterScalers for one target it works.
func Older(a, b *v1alpha1.ClusterScaler) bool {
	if x, y := a.CreationTimestamp.Time, b.CreationTimestamp.Time; !x.Equal(y) {
		return x.Before(y)
	}
	return a.Name < b.Name
}

// unknownComponents says which components of the policy the target has not.
func unknownComponents(cs *v1alpha1.ClusterScaler, known []string) string {
	for _, c := range cs.Spec.Components {
		if !slices.Contains(known, c.Name) {
			return fmt.Sprintf("spec.components names %q, which the target has not: write one of %s", c.Name, strings.Join(known, ", "))
		}
	}
	return ""
}

// fill reads the components of a tenant: sizes as they are decided, and pods.
func (r *Reconciler) fill(ctx context.Context, t *target) error {
	if t.tenant.Status.Namespace == "" {
		return nil
	}
	var pods corev1.PodList
	if err := r.Client.List(ctx, &pods, client.InNamespace(t.tenant.Status.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return err
	}
	for _, name := range Components {
		c := component{name: name, container: name, home: t.tenant.Status.Namespace, kind: kindOf(name), quorum: name == etcd, foreign: actuator.Foreign(t.tenant, name), restarted: actuator.RestartedAt(t.tenant, name), uid: t.tenant.UID, born: t.tenant.CreationTimestamp.Time}
		size, replicas, known := sizeOf(t.tenant, name)
		if !known {
			continue // the master-operator has not looked at it yet
		}
		c.size, c.replicas = size, replicas
		for i := range pods.Items {
			if pods.Items[i].Labels[v1alpha1.ComponentLabel] == name && !ended(&pods.Items[i]) {
				c.pods = append(c.pods, &pods.Items[i])
			}
		}
		t.components = append(t.components, c)
	}
	return nil
}

// kindOf is the kind of the workload that runs a tenant's component (operators/tenantcluster/plan).
func kindOf(component string) string {
	if component == "etcd" {
		return "StatefulSet"
	}
	return "Deployment"
}

// sizeOf is the decided size of a component: what the master-operator makes of preset and sizing, and over it what the spec says since. It goes with the
// number of its pods.
func sizeOf(tc *v1alpha1.TenantCluster, name string) (size model.Size, replicas int, known bool) {
	i := slices.IndexFunc(tc.Status.Sizes, func(s v1alpha1.ComponentSize) bool { return s.Name == name })
	if i < 0 {
		return model.Size{}, 0, false
	}
	decided := actuator.Resources(tc, name)
	since := v1alpha1.Size{Requests: v1alpha1.Quantities(decided.Requests), Limits: v1alpha1.Quantities(decided.Limits)}
	return overlay(plan.SizeOf(tc.Status.Sizes[i].Size), plan.SizeOf(since)), int(tc.Status.Sizes[i].Replicas), true
}

func overlay(size, over model.Size) model.Size {
	for into, from := range map[*int64]int64{
		&size.Requests.CPU: over.Requests.CPU, &size.Requests.Memory: over.Requests.Memory,
		&size.Limits.CPU: over.Limits.CPU, &size.Limits.Memory: over.Limits.Memory,
	} {
		if from > 0 {
			*into = from
		}
	}
	return size
}

// findWorkloads reads plain workloads; one that is not there is the target's fault.
func (r *Reconciler) findWorkloads(ctx context.Context, cs *v1alpha1.ClusterScaler) (target, error) {
	var t target
	var names []string
	for _, ref := range cs.Spec.Workloads {
		names = append(names, ref.Name)
		c, err := r.findWorkload(ctx, cs.Namespace, ref)
		switch {
		case apierrors.IsNotFound(err): // the others are looked after all the same
			t.fault = fault{"TargetNotFound", fmt.Sprintf("there is no %s %s in namespace %s: create it, or take it out of spec.workloads", ref.Kind, ref.Name, cs.Namespace)}
			continue
		case err != nil:
			return t, err
		case c.container == "":
			t.fault = fault{"ContainerNotFound", fmt.Sprintf("%s %s has no container %q: write one that it has in spec.workloads", ref.Kind, ref.Name, ref.Container)}
			continue
		}
		t.components, t.behind = append(t.components, c), t.behind || c.behind
	}
	if unknown := unknownComponents(cs, names); unknown != "" {
		return target{fault: fault{"UnknownComponent", unknown}}, nil
	}
	return t, nil
}

func (r *Reconciler) findWorkload(ctx context.Context, namespace string, ref v1alpha1.WorkloadRef) (component, error) {
	workload, template, selector := blank(ref.Kind)
	c := component{name: ref.Name, workload: workload, home: namespace, kind: ref.Kind}
	if err := r.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: ref.Name}, workload); err != nil {
		return c, err
	}
	c.uid, c.born, c.replicas = workload.GetUID(), workload.GetCreationTimestamp().Time, actuator.Replicas(workload)
	c.pick(template.Spec.Containers, ref.Container)
	c.quorum = ref.Kind == "StatefulSet" && isEtcd(c.name, c.container)
	c.behind = r.behind(workload)
	chosen, err := metav1.LabelSelectorAsSelector(selector())
	if err != nil {
		return c, err
	}
	var pods corev1.PodList
	if err := r.Client.List(ctx, &pods, client.InNamespace(namespace), client.MatchingLabelsSelector{Selector: chosen}, client.UnsafeDisableDeepCopy); err != nil {
		return c, err
	}
	for i := range pods.Items {
		if !ended(&pods.Items[i]) {
			c.pods = append(c.pods, &pods.Items[i])
		}
	}
	return c, nil
}

const etcd = "etcd"

// isEtcd takes what has it in its name for one: what is not has maintenance windows that it needs not, and what is would lose its quorum.
func isEtcd(names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return strings.Contains(name, etcd) })
}

// pick takes the container of the name, or the first one.
func (c *component) pick(all []corev1.Container, name string) {
	i := slices.IndexFunc(all, func(have corev1.Container) bool { return name == "" || name == have.Name })
	if i >= 0 {
		c.container, c.size = all[i].Name, defaulted(requirements(&all[i].Resources))
	}
}

// defaulted has limits as requests where none are written: so the API server makes pods (k8s.io/kubernetes/pkg/apis/core/v1/defaults.go).
func defaulted(size model.Size) model.Size {
	if size.Requests.CPU == 0 {
		size.Requests.CPU = size.Limits.CPU
	}
	if size.Requests.Memory == 0 {
		size.Requests.Memory = size.Limits.Memory
	}
	return size
}

// ended: an evicted pod stays for people to read, and nothing else.
func ended(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

// blank is a workload to be read, and the parts of it that are looked at.
func blank(kind string) (client.Object, *corev1.PodTemplateSpec, func() *metav1.LabelSelector) {
	if kind == "StatefulSet" {
		s := &appsv1.StatefulSet{}
		return s, &s.Spec.Template, func() *metav1.LabelSelector { return s.Spec.Selector }
	}
	d := &appsv1.Deployment{}
	return d, &d.Spec.Template, func() *metav1.LabelSelector { return d.Spec.Selector }
}
