package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/internal/conditions"
)

// status says how the tenant is. It keeps nothing in mind: conditions keep their times as long as their status stays.
func status(o Observed, p Plan, wrong fault) v1alpha1.TenantClusterStatus {
	t := o.Tenant
	s := v1alpha1.TenantClusterStatus{
		ObservedGeneration: t.Generation, Namespace: p.Namespace, Version: t.Status.Version,
		Replicas: o.Deployments[APIServer].Total, ReadyReplicas: o.Deployments[APIServer].Ready,
		Selector: metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: selector(APIServer)}),
		Etcd:     etcdStatus(o), Initialization: t.Status.Initialization, ExternalManagedControlPlane: true,
		KubeconfigSecretRef: t.Status.KubeconfigSecretRef, Sizes: sizes(t), Certificates: certificateStatus(o),
		Conditions: slices.Clone(t.Status.Conditions),
	}
	if d := o.Deployments[APIServer]; d.rolled() {
		s.Version = d.Version
	}
	if kubeconfigDone(o, p) {
		s.KubeconfigSecretRef = &v1alpha1.SecretRef{Name: KubeconfigSecret(t.Name)}
	}
	for _, c := range conditionsOf(o, p, wrong) {
		c.ObservedGeneration, c.LastTransitionTime = t.Generation, timeOf(o.Now)
		apimeta.SetStatusCondition(&s.Conditions, c)
		s.Initialization.ControlPlaneInitialized = s.Initialization.ControlPlaneInitialized || c.Type == v1alpha1.ReadyCondition && c.Status == metav1.ConditionTrue
	}
	return s
}

func etcdStatus(o Observed) v1alpha1.EtcdStatus {
	healthy, leader := 0, ""
	for _, m := range o.Function.Members {
		if m.Healthy {
			healthy++
		}
		if m.Leader {
			leader = m.Pod
		}
	}
	members := o.Tenant.Spec.Etcd.Members
	return v1alpha1.EtcdStatus{Members: members, ReadyMembers: fmt.Sprintf("%d/%d", healthy, members), Leader: leader}
}

// conditionsOf a tenant, in the order in which they stand in Ready's way.
func conditionsOf(o Observed, p Plan, wrong fault) []metav1.Condition {
	parts := []metav1.Condition{certificates(p), etcdHealthy(o), available(o), componentsHealthy(o), kubeconfigReady(o, p)}
	ready := conditions.Is(v1alpha1.ReadyCondition, "Usable", fmt.Sprintf("a write, a read and a watch through %s went well", where(p)))
	for _, c := range parts {
		if c.Status != metav1.ConditionTrue && c.Type != v1alpha1.EtcdClusterHealthyCondition { // a member may be missing while the others serve
			ready = conditions.IsNot(v1alpha1.ReadyCondition, c.Reason, c.Message)
			break
		}
	}
	rolling := rollingOut(o)
	parts = append(parts, sizeApplied(o), rolling, stalled(wrong))
	if wrong.reason != "" && ready.Status != metav1.ConditionTrue {
		ready = conditions.IsNot(v1alpha1.ReadyCondition, wrong.reason, wrong.message)
	}
	return append(append(parts, proberAdmitted(o)...), reconciling(ready, rolling, wrong), ready)
}

func certificates(p Plan) metav1.Condition {
	var lacking, renewed []string
	for _, r := range p.Issue {
		if r.Renewal {
			renewed = append(renewed, r.Name)
		} else {
			lacking = append(lacking, r.Name)
		}
	}
	switch {
	case len(lacking) > 0:
		return conditions.IsNot(v1alpha1.CertificatesAvailableCondition, "Issuing", "being made: "+strings.Join(lacking, ", "))
	case len(renewed) > 0:
		return conditions.Is(v1alpha1.CertificatesAvailableCondition, "Renewing", "being renewed: "+strings.Join(renewed, ", "))
	}
	return conditions.Is(v1alpha1.CertificatesAvailableCondition, "Issued", "all certificates hold")
}

func etcdHealthy(o Observed) metav1.Condition {
	wanted, said := int(o.Tenant.Spec.Etcd.Members), etcdStatus(o).ReadyMembers
	var ill []string
	alarm := ""
	for _, m := range o.Function.Members {
		if !m.Healthy {
			ill = append(ill, m.Pod)
		}
		alarm = cmp.Or(alarm, m.Alarm)
	}
	switch {
	case len(o.Function.Members) == 0:
		return conditions.IsNot(v1alpha1.EtcdClusterHealthyCondition, "NotReady", notReady(o, Etcd))
	case alarm != "":
		return conditions.IsNot(v1alpha1.EtcdClusterHealthyCondition, "Alarm", "etcd raises "+alarm)
	case len(o.Function.Members)-len(ill) < wanted:
		return conditions.IsNot(v1alpha1.EtcdClusterHealthyCondition, "MemberDown", fmt.Sprintf("%s members answer; not: %s", said, strings.Join(ill, ", ")))
	}
	return conditions.Is(v1alpha1.EtcdClusterHealthyCondition, "Healthy", said+" members answer")
}

func available(o Observed) metav1.Condition {
	switch {
	case !o.Function.Asked:
		return conditions.IsNot(v1alpha1.AvailableCondition, "APIServerNotReady", notReady(o, APIServer))
	case o.Function.Fault != "":
		return conditions.IsNot(v1alpha1.AvailableCondition, "CanaryFailed", o.Function.Fault)
	}
	return conditions.Is(v1alpha1.AvailableCondition, "CanaryPassed", "a write, a read and a watch went well")
}

func componentsHealthy(o Observed) metav1.Condition {
	faults := map[string]string{ControllerManager: o.Function.Controller, Scheduler: o.Function.Scheduler}
	maps.DeleteFunc(faults, func(_, why string) bool { return why == "" })
	switch {
	case !o.Function.Asked:
		return conditions.IsNot(v1alpha1.ControlPlaneComponentsHealthyCondition, "NotAsked", "their leases are in the tenant's API, which is not ready")
	case len(faults) > 0:
		var all []string
		for _, component := range sortedKeys(faults) {
			all = append(all, component+": "+faults[component])
		}
		return conditions.IsNot(v1alpha1.ControlPlaneComponentsHealthyCondition, "LeaseNotFresh", strings.Join(all, "; "))
	}
	return conditions.Is(v1alpha1.ControlPlaneComponentsHealthyCondition, "LeasesFresh", "controller manager and scheduler are at work")
}

// proberAdmitted is told where it could not be done, and where it then could; a tenant that nobody could use says nothing about it.
func proberAdmitted(o Observed) []metav1.Condition {
	switch {
	case o.Function.Prober != "":
		return []metav1.Condition{conditions.IsNot(v1alpha1.ProberAdmittedCondition, "NotAdmitted", o.Function.Prober)}
	case o.Function.Asked && o.Function.Fault == "" && apimeta.FindStatusCondition(o.Tenant.Status.Conditions, v1alpha1.ProberAdmittedCondition) != nil:
		return []metav1.Condition{conditions.Is(v1alpha1.ProberAdmittedCondition, "Admitted", "the cluster-scaler's probe may ask the tenant")}
	}
	return nil
}

func kubeconfigDone(o Observed, p Plan) bool {
	_, issued := o.Credentials[Admin]
	return issued && p.Endpoint != nil
}

func kubeconfigReady(o Observed, p Plan) metav1.Condition {
	if kubeconfigDone(o, p) {
		return conditions.Is(v1alpha1.KubeconfigReadyCondition, "Written", "Secret "+KubeconfigSecret(o.Tenant.Name)+" holds it")
	}
	return conditions.IsNot(v1alpha1.KubeconfigReadyCondition, "NoEndpoint", "waits for the address of the API servers")
}

// sizeApplied: what is missing is on its way, or says what it waits for.
func sizeApplied(o Observed) metav1.Condition {
	var missing []string
	for _, pod := range o.Pods {
		if pod.Unsized != "" {
			missing = append(missing, pod.Name+": "+pod.Unsized)
		}
	}
	if len(missing) == 0 {
		return conditions.Is(v1alpha1.SizeAppliedCondition, "Applied", "every pod has the size that was decided")
	}
	slices.Sort(missing)
	return conditions.IsNot(v1alpha1.SizeAppliedCondition, "Resizing", strings.Join(missing, "; "))
}

// rollingOut lists the components that have pods of an older template.
func rollingOut(o Observed) metav1.Condition {
	var rolling []string
	for _, m := range members(o) {
		if m.Outdated || m.Ending {
			rolling = append(rolling, Etcd)
			break
		}
	}
	for _, component := range Components[1:] {
		if !o.Deployments[component].rolled() {
			rolling = append(rolling, component)
		}
	}
	if len(rolling) == 0 {
		return conditions.IsNot(v1alpha1.RollingOutCondition, "Done", "all pods are of the newest template")
	}
	return conditions.Is(v1alpha1.RollingOutCondition, "RollingOut", strings.Join(rolling, ", "))
}

func stalled(wrong fault) metav1.Condition {
	if wrong.reason == "" {
		return conditions.IsNot(v1alpha1.StalledCondition, "NotStalled", "nothing needs a user")
	}
	return conditions.Is(v1alpha1.StalledCondition, wrong.reason, wrong.message)
}

func reconciling(ready, rolling metav1.Condition, wrong fault) metav1.Condition {
	switch {
	case wrong.reason != "":
		return conditions.IsNot(v1alpha1.ReconcilingCondition, "Stalled", "waits for a user")
	case ready.Status != metav1.ConditionTrue:
		return conditions.Is(v1alpha1.ReconcilingCondition, ready.Reason, ready.Message)
	case rolling.Status == metav1.ConditionTrue:
		return conditions.Is(v1alpha1.ReconcilingCondition, rolling.Reason, rolling.Message)
	}
	return conditions.IsNot(v1alpha1.ReconcilingCondition, "Done", "the tenant is as its spec says")
}

func where(p Plan) string {
	if p.Endpoint == nil {
		return "the API"
	}
	return fmt.Sprintf("%s:%d", p.Endpoint.Host, p.Endpoint.Port)
}
