package scaler

import (
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/internal/podresize"
	"github.com/metapilot/metapilot/scaler/actuator"
	"github.com/metapilot/metapilot/scaler/model"
	"github.com/metapilot/metapilot/scaler/plan"
	"github.com/metapilot/metapilot/scaler/source"
)

// view is one component on its way through a round: what was seen of it, what is decided, and what is said.
type view struct {
	component *component
	observed  model.Observed
	policy    model.Policy
	plan      model.Plan
	would     *v1alpha1.Rehearsal
	before    v1alpha1.ScaledComponent // what the status says of it so far
	records   []*v1alpha1.ScalingRecord
	yields    time.Time // until when somebody else's size is left alone, or was
}

// observe is all that decisions about the target rest on, newest record first.
func (r *Reconciler) observe(ctx context.Context, cs *v1alpha1.ClusterScaler, t target) ([]view, error) {
	records, err := r.records(ctx, cs)
	if err != nil {
		return nil, err
	}
	now := r.Clock.Now()
	views := make([]view, len(t.components))
	for i := range t.components {
		v := &views[i]
		v.component, v.policy = &t.components[i], plan.PolicyOf(&cs.Spec, t.components[i].name)
		v.before = said(cs, v.component.name)
		if v.before.TargetUID != v.component.uid {
			v.before = v1alpha1.ScaledComponent{Name: v.component.name} // it was about another one of this name
		}
		v.records = of(records, v.component)
		v.observed = model.Observed{
			Now: now, Component: v.component.name, Quorum: v.component.quorum, Size: v.component.size, Stuck: t.stuck,
			Foreign: v.component.foreign, Kills: merged(nil, v.before.Kills),
			Grown: timeOf(v.before.Grown), Shrunk: timeOf(v.before.Shrunk), Replaced: v.component.workload != nil,
			Target: string(v.component.uid), Restarted: v.component.restarted, Restarting: v.component.restarting(now),
			Replicas: v.component.replicas, Windows: t.windows, Idle: spellsOf(v.before.Idle),
			Born: v.component.born, Causes: typesOf(v.before.Causes),
		}
		if v.observed.Profile, err = r.profile(ctx, v.component); err != nil {
			return nil, err
		}
		v.recall()
		v.look(r.Sources, t.key)
		r.ledger.tell(keyOf(cs, v), &v.observed, &v.policy)
	}
	scale := scaleOf(cs.Status.Scale, views, now)
	for i := range views {
		o := &views[i].observed
		o.Scale, o.BySize = scale, r.bySize(o.Component, &scale)
	}
	beside(views)
	return views, nil
}

func said(cs *v1alpha1.ClusterScaler, component string) v1alpha1.ScaledComponent {
	for i := range cs.Status.Components {
		if cs.Status.Components[i].Name == component {
			return cs.Status.Components[i]
		}
	}
	return v1alpha1.ScaledComponent{Name: component}
}

// look adds what the pods and the sources say.
func (v *view) look(sources []source.Source, tenant types.NamespacedName) {
	o, c := &v.observed, v.component
	for _, pod := range c.pods {
		o.Pods = append(o.Pods, podOf(pod, c.container, c.size, o.Now))
		if last := &o.Pods[len(o.Pods)-1]; c.workload != nil {
			last.GoMemLimit = 0 // its user's, who may have set it to anything
			last.Size, last.Actual = written(last.Size, c.size), written(last.Actual, c.size)
		}
	}
	for _, s := range sources {
		s.Look(source.Component{Name: c.name, Tenant: tenant, Home: c.home, Container: c.container, Pods: c.pods}, o)
	}
	slices.SortStableFunc(o.Kills, func(a, b model.Kill) int { return a.At.Compare(b.At) })
	o.Kills = o.Kills[max(0, len(o.Kills)-keptKills):]
}

// written leaves out of a pod's size what its template does not say, such as what a LimitRange adds.
func written(size, template model.Size) model.Size {
	for of, said := range map[*int64]int64{
		&size.Requests.CPU: template.Requests.CPU, &size.Requests.Memory: template.Requests.Memory,
		&size.Limits.CPU: template.Limits.CPU, &size.Limits.Memory: template.Limits.Memory,
	} {
		if said == 0 {
			*of = 0
		}
	}
	return size
}

const keptKills = 16 // as many as the status takes

func podOf(p *corev1.Pod, container string, size model.Size, now time.Time) model.Pod {
	pod := model.Pod{Name: p.Name, Node: p.Spec.NodeName, Placed: p.Spec.NodeName != "", Terminating: !p.DeletionTimestamp.IsZero(), Throttled: -1}
	if c := podresize.Container(p, container); c != nil {
		pod.Size, pod.GoMemLimit = requirements(&c.Resources), goMemLimit(c)
		pod.Actual = pod.Size
	}
	if s := podresize.Status(p, container); s != nil {
		pod.Running = s.State.Running != nil
		if s.Resources != nil {
			pod.Actual = requirements(s.Resources)
		}
	}
	if why := podresize.Refused(p, actuator.Requirements(plan.ResourcesOf(size))); why != "" {
		pod.Pending, pod.Says = infeasible, why
	}
	for i := range p.Status.Conditions {
		if c := &p.Status.Conditions[i]; c.Type == corev1.PodReady {
			pod.Ready, pod.Turned = c.Status == corev1.ConditionTrue, c.LastTransitionTime.Time
		} else if why := waits(c, now); why != "" && (why != inProgress || pod.Pending == "") {
			pod.Pending, pod.Says = why, c.Message
		}
	}
	return pod
}

// waits is why a condition says that a pod has to wait for its size; empty if it does not.
func waits(c *corev1.PodCondition, now time.Time) string {
	switch {
	case c.Type == corev1.PodResizePending && c.Status == corev1.ConditionTrue,
		c.Reason == corev1.PodReasonUnschedulable && now.Sub(c.LastTransitionTime.Time) >= unplaced:
		return c.Reason
	case c.Type == corev1.PodResizeInProgress && c.Status == corev1.ConditionTrue && c.Reason == corev1.PodReasonError:
		return inProgress
	}
	return ""
}

// unplaced is how long the scheduler may look for a node before a size counts as too large: the pod before it may still be leaving its own.
const unplaced = 10 * time.Second

// inProgress is the kubelet's word for a resize that it tries and cannot do, such as a memory limit below what is in use.
const inProgress = "InProgress"

// infeasible is the kubelet's word for a resize that its node can never have.
const infeasible = "Infeasible"

func requirements(r *corev1.ResourceRequirements) model.Size {
	return model.Size{Requests: amountsOf(r.Requests), Limits: amountsOf(r.Limits)}
}

func amountsOf(l corev1.ResourceList) model.Amounts {
	return model.Amounts{CPU: l.Cpu().MilliValue(), Memory: l.Memory().Value()}
}

// goMemory is the variable in which a Go runtime is told how much memory there is.
const goMemory = "GOMEMLIMIT"

// goMemLimit is what the container's Go runtime was told; 0 if nothing.
func goMemLimit(c *corev1.Container) int64 {
	for _, e := range c.Env {
		if e.Name == goMemory {
			q, err := resource.ParseQuantity(e.Value)
			if err != nil {
				return 0 // not written by us
			}
			return q.Value()
		}
	}
	return 0
}

// reserve takes from the nodes what a decision adds to requests, so that the next component of the target does not count on it.
func (v *view) reserve(nodes []model.Node) {
	if v.plan.DryRun || v.plan.Decision != model.Up {
		return
	}
	for i := range v.observed.Pods {
		pod := &v.observed.Pods[i]
		for j := range nodes {
			if n := &nodes[j]; n.Name == pod.Node && !pod.Terminating {
				n.Free.CPU -= max(0, v.plan.To.Requests.CPU-pod.Size.Requests.CPU)
				n.Free.Memory -= max(0, v.plan.To.Requests.Memory-pod.Size.Requests.Memory)
			}
		}
	}
}

// nodes are all of them; what is free is reckoned for those that the target's pods run on.
func (r *Reconciler) nodes(ctx context.Context, t target) ([]model.Node, error) {
	var list corev1.NodeList
	if err := r.Client.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return nil, err
	}
	hosts := map[string]bool{}
	for i := range t.components {
		for _, pod := range t.components[i].pods {
			hosts[pod.Spec.NodeName] = true
		}
	}
	nodes := make([]model.Node, len(list.Items))
	for i := range list.Items {
		n := &list.Items[i]
		nodes[i] = model.Node{Name: n.Name, Allocatable: amountsOf(n.Status.Allocatable), Closed: n.Spec.Unschedulable || !ready(n)}
		nodes[i].Free = nodes[i].Allocatable
		if !hosts[n.Name] {
			continue
		}
		if err := r.occupy(ctx, &nodes[i]); err != nil {
			return nil, err
		}
	}
	return nodes, nil
}

// occupy takes what the node's pods have requested from what is free.
func (r *Reconciler) occupy(ctx context.Context, n *model.Node) error {
	var pods corev1.PodList
	if err := r.Client.List(ctx, &pods, client.MatchingFields{byNode: n.Name}, client.UnsafeDisableDeepCopy); err != nil {
		return err
	}
	for i := range pods.Items {
		if ended(&pods.Items[i]) {
			continue
		}
		for _, c := range pods.Items[i].Spec.Containers {
			asks := amountsOf(c.Resources.Requests)
			n.Free.CPU, n.Free.Memory = n.Free.CPU-asks.CPU, n.Free.Memory-asks.Memory
		}
	}
	return nil
}

func ready(n *corev1.Node) bool {
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}
