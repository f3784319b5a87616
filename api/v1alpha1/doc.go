// Package v1alpha1 holds the kinds of the API group metapilot.io: what users write, what the components tell each other, and the words
// (condition types and reasons) in which they tell it. It never does anything: it imports apimachinery alone.
//
// +kubebuilder:object:generate=true
// +groupName=metapilot.io
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is the group and version of all kinds here.
var GroupVersion = schema.GroupVersion{Group: "metapilot.io", Version: "v1alpha1"}

// AddToScheme registers the kinds.
func AddToScheme(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion,
		&TenantCluster{}, &TenantClusterList{}, &ClusterScaler{}, &ClusterScalerList{}, &ScalingRecord{}, &ScalingRecordList{},
		&WorkloadProfile{}, &WorkloadProfileList{}, &WorkloadProfileCheckpoint{}, &WorkloadProfileCheckpointList{},
		&FleetReport{}, &FleetReportList{}, &ScalingPolicy{}, &ScalingPolicyList{})
	metav1.AddToGroupVersion(s, GroupVersion)
	return nil
}

// Labels that everything of a tenant carries, beside the recommended ones of Kubernetes (app.kubernetes.io/...).
const (
	TenantLabel    = "metapilot.io/tenant"    // name of the TenantCluster
	FleetLabel     = "metapilot.io/fleet"     // namespace of the TenantCluster
	ComponentLabel = "metapilot.io/component" // etcd, kube-apiserver, kube-controller-manager, kube-scheduler
)

// RestartedAnnotation on a pod has the spec.sizing.<component>.restartedAt, in RFC 3339, that it was made for. It stands in the pod template, so that
// pods are replaced when it changes.
const RestartedAnnotation = "metapilot.io/restarted-at"
