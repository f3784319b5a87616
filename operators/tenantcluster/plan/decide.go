package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/internal/rollout"
)

// How often a tenant is looked at when nothing happens, in each state.
const (
	probePeriod  = 30 * time.Second // a usable tenant is used again to see that it still is
	startPeriod  = time.Second      // a tenant that is on its way: its own API tells us nothing until we ask
	repairPeriod = 5 * time.Second  // a tenant that was usable and is not
)

// Decide says what to do for a tenant.
func Decide(o Observed, c Config) Plan {
	p := Plan{Namespace: Namespace(o.Tenant), Issue: toIssue(o), Endpoint: endpoint(o)}
	if o.Terminating {
		p.Issue, p.Release = nil, true
		p.Status = status(o, p, fault{"NamespaceTerminating", "somebody removes the namespace " + p.Namespace + "; its tenant is made anew when it is gone"})
		p.Recheck = repairPeriod
		return p
	}
	var wrong fault
	p.Objects, wrong = render(o, c)
	p.Unwanted = unwantedBudgets(o.Tenant)
	p.Restart = restart(o)
	p.Status = status(o, p, wrong)
	p.Recheck = recheck(o, p)
	return p
}

// recheck: while nothing of the tenant can be asked, only what happens in the meta cluster can change anything, and wakes the operator.
func recheck(o Observed, p Plan) time.Duration {
	wait := nextRenewal(o)
	if o.Function.Asked || len(o.Function.Members) > 0 {
		wait = min(wait, askAgain(p.Status))
	}
	return wait
}

func askAgain(s v1alpha1.TenantClusterStatus) time.Duration {
	switch {
	case !s.Initialization.ControlPlaneInitialized:
		return startPeriod
	case !isTrue(s.Conditions, v1alpha1.ReadyCondition), !isTrue(s.Conditions, v1alpha1.EtcdClusterHealthyCondition), isTrue(s.Conditions, v1alpha1.RollingOutCondition):
		return repairPeriod
	}
	return probePeriod
}

// endpoint is where clients reach the tenant, once it is known.
func endpoint(o Observed) *v1alpha1.Endpoint {
	t := o.Tenant
	switch {
	case t.Spec.ControlPlaneEndpoint != nil:
		return t.Spec.ControlPlaneEndpoint
	case o.Address == "":
		return nil
	case t.Spec.Expose.Type == v1alpha1.ExposeNodePort:
		if o.NodePort == 0 {
			return nil
		}
		return &v1alpha1.Endpoint{Host: t.Spec.Expose.Hostname, Port: o.NodePort}
	}
	return &v1alpha1.Endpoint{Host: serviceHost(t, APIServer), Port: apiPort}
}

// restart replaces outdated etcd pods, one at a time.
func restart(o Observed) *Restart {
	step := rollout.Next(members(o))
	if step.Restart == "" {
		return nil
	}
	r := &Restart{Pod: step.Restart, MoveLeader: step.MoveLeader, Reason: "its template has changed"}
	for _, pod := range o.Pods {
		if pod.Name == r.Pod {
			r.UID = pod.UID
		}
	}
	return r
}

// members joins what Kubernetes says of etcd's pods with what etcd says of its members.
func members(o Observed) []rollout.Member {
	var all []rollout.Member
	for i := range o.Tenant.Spec.Etcd.Members {
		all = append(all, member(o, memberPod(i)))
	}
	return all
}

func member(o Observed, name string) rollout.Member {
	m := rollout.Member{Name: name, Ending: true} // until its pod is there
	ready := false
	for _, pod := range o.Pods {
		if pod.Name == name {
			m.Ending, m.Outdated, ready = pod.Terminating, pod.Hash != o.EtcdHash, pod.Ready
		}
	}
	m.Broken = !m.Ending && !ready // its readiness is a read that needs the quorum
	for _, said := range o.Function.Members {
		if said.Pod == name {
			m.Healthy, m.Leader = said.Healthy && ready, said.Leader
		}
	}
	return m
}

var isTrue = apimeta.IsStatusConditionTrue

// fault is why the tenant cannot become what its spec says until somebody changes something.
type fault struct{ reason, message string }

// notReady says of the pods of a component that are not ready, why.
func notReady(o Observed, component string) string {
	var why []string
	pods := 0
	for _, pod := range o.Pods {
		if pod.Component != component {
			continue
		}
		if pods++; !pod.Ready && !pod.Terminating {
			why = append(why, strings.TrimSuffix(pod.Name+": "+pod.Why, ": "))
		}
	}
	slices.Sort(why)
	switch {
	case len(why) > 0:
		return strings.Join(why, "; ")
	case pods == 0:
		return component + " has no pod yet"
	}
	return fmt.Sprintf("%s has %d pods and has not been asked yet", component, pods)
}
