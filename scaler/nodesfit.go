package scaler

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/internal/conditions"
	"github.com/metapilot/metapilot/scaler/model"
)

// noNodeFits is the reason of the condition and of its event, which whoever adds nodes can act on.
const noNodeFits = "NoNodeFits"

// nodesFit: every pod has a node that has room for its size, and every size that is wanted has one, too.
func nodesFit(views []view) metav1.Condition {
	var lacking []string
	for i := range views {
		if why := lacks(&views[i]); why != "" {
			lacking = append(lacking, why)
		}
	}
	if len(lacking) > 0 {
		return conditions.IsNot(v1alpha1.NodesFitCondition, noNodeFits, strings.Join(lacking, "; ")+"; add a node with that much room")
	}
	return conditions.Is(v1alpha1.NodesFitCondition, "Fit", "every pod has a node with room for its size")
}

// lacks is for what of a component there is no room; empty if there is for all.
func lacks(v *view) string {
	o := &v.observed
	for i := range o.Pods {
		pod := &o.Pods[i]
		switch pod.Pending {
		case corev1.PodReasonUnschedulable:
			return fmt.Sprintf("%s: no node takes %s with requests of %s (%s)", o.Component, pod.Name, asked(pod.Size.Requests), pod.Says)
		case infeasible, corev1.PodReasonDeferred:
			return fmt.Sprintf("%s: %s has no room for requests of %s for %s", o.Component, pod.Node, asked(o.Size.Requests), pod.Name)
		}
	}
	if held := v.plan.Held; held != nil && held.Guard == nodeCapacity {
		return fmt.Sprintf("%s: %s, and requests of %s are wanted", o.Component, held.Says, asked(v.plan.Wants.Requests))
	}
	return ""
}

// nodeCapacity is the guard that knows nodes (scaler/plan).
const nodeCapacity = "node-capacity"

func asked(a model.Amounts) string {
	return model.Short(model.CPU, a.CPU) + " and " + model.Short(model.Memory, a.Memory)
}

// tellNodes says it as an event when a size has begun to fit no node, and when that is over.
func (r *Reconciler) tellNodes(before, after *v1alpha1.ClusterScaler, t target) {
	was, now := apimeta.FindStatusCondition(before.Status.Conditions, v1alpha1.NodesFitCondition), apimeta.FindStatusCondition(after.Status.Conditions, v1alpha1.NodesFitCondition)
	if now == nil || was == nil && now.Status == metav1.ConditionTrue || was != nil && was.Status == now.Status {
		return
	}
	kind, reason := corev1.EventTypeNormal, "NodesFit"
	if now.Status == metav1.ConditionFalse {
		kind, reason = corev1.EventTypeWarning, noNodeFits
	}
	about := []client.Object{after}
	if t.tenant != nil {
		about = append(about, t.tenant)
	}
	for _, o := range about {
		r.Recorder.Eventf(o, nil, kind, reason, "Place", "%s", shortened(now.Message))
	}
}
