package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ClusterScaler is the autopilot of one tenant: it grows components that are too small, at once, and keeps a record of every decision.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=cls,categories=metapilot
// +kubebuilder:printcolumn:name="Up",type=string,JSONPath=`.spec.mode.up`
// +kubebuilder:printcolumn:name="Down",type=string,JSONPath=`.spec.mode.down`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 50 && !self.metadata.name.contains('.')",message="metadata.name becomes part of its records' names: write at most 50 characters and no dot"
type ClusterScaler struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +kubebuilder:default={}
	// +optional
	Spec   ClusterScalerSpec   `json:"spec,omitempty"`
	Status ClusterScalerStatus `json:"status,omitempty"`
}

// ClusterScalerList is a list of ClusterScalers.
//
// +kubebuilder:object:root=true
type ClusterScalerList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ClusterScaler `json:"items"`
}

// ClusterScalerSpec is what is scaled and how. Empty, it grows every component of the TenantCluster of its own name, and says which ones could be smaller.
//
// +kubebuilder:validation:XValidation:rule="!has(self.tenantCluster) || !has(self.workloads)",message="write either tenantCluster or workloads: one ClusterScaler looks after one kind of target"
// +kubebuilder:validation:XValidation:rule="has(self.tenantCluster) == has(oldSelf.tenantCluster) && has(self.workloads) == has(oldSelf.workloads)",message="the target cannot be changed, because records are about it: create another ClusterScaler"
type ClusterScalerSpec struct {
	// TenantCluster whose components are scaled; the one of the ClusterScaler's own name if neither it nor workloads is written.
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="the target cannot be changed, because records are about it: create another ClusterScaler"
	TenantCluster *TenantClusterRef `json:"tenantCluster,omitempty"`
	// Workloads that are scaled instead: those of a control plane that Metapilot does not run, in the ClusterScaler's namespace.
	//
	// +optional
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=6
	// +listType=map
	// +listMapKey=name
	Workloads []WorkloadRef `json:"workloads,omitempty"`
	// Mode of every component that has none of its own.
	//
	// +kubebuilder:default={up: Auto, down: DryRun}
	// +optional
	Mode ScalingMode `json:"mode,omitempty"`
	// Pause holds every change. Decisions go on being made and shown.
	//
	// +optional
	Pause *Pause `json:"pause,omitempty"`
	// Maintenance windows, in which memory of etcd may shrink; without one it never does. A StatefulSet with etcd in its name is one.
	//
	// +optional
	// +kubebuilder:validation:MaxItems=8
	// +listType=atomic
	Maintenance []MaintenanceWindow `json:"maintenance,omitempty"`
	// Defaults hold for every component, in the place of Metapilot's own.
	//
	// +optional
	Defaults ComponentPolicy `json:"defaults,omitempty"`
	// Components have what is special about them, in the place of defaults.
	//
	// +optional
	// +kubebuilder:validation:MaxItems=6
	// +listType=map
	// +listMapKey=name
	Components []NamedComponentPolicy `json:"components,omitempty"`
	// Records says how long ScalingRecords are kept.
	//
	// +kubebuilder:default={}
	// +optional
	Records RecordRetention `json:"records,omitempty"`
}

// TenantClusterRef names a TenantCluster in the same namespace.
type TenantClusterRef struct {
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=50
	Name string `json:"name"`
}

// WorkloadRef names a workload in the same namespace. Its name is the name of the component.
type WorkloadRef struct {
	// Kind is Deployment or StatefulSet.
	//
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self in ['Deployment', 'StatefulSet']",message="write Deployment or StatefulSet"
	Kind string `json:"kind"`
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// Container that is scaled; the first one of the pod if left out.
	//
	// +kubebuilder:validation:MaxLength=63
	// +optional
	Container string `json:"container,omitempty"`
}

// ModeType is what is done with a decision.
//
// +kubebuilder:validation:XValidation:rule="self in ['Off', 'DryRun', 'Auto']",message="write Off (decide nothing), DryRun (decide and record, change nothing) or Auto"
// +kubebuilder:validation:MaxLength=16
type ModeType string

// What is done with a decision.
const (
	ModeOff    ModeType = "Off"
	ModeDryRun ModeType = "DryRun"
	ModeAuto   ModeType = "Auto"
)

// ScalingMode is one mode for each direction.
type ScalingMode struct {
	// Up is what is done with a decision to grow.
	//
	// +kubebuilder:default=Auto
	// +optional
	Up ModeType `json:"up,omitempty"`
	// Down is what is done with a decision to shrink.
	//
	// +kubebuilder:default=DryRun
	// +optional
	Down ModeType `json:"down,omitempty"`
}

// Pause holds every change.
type Pause struct {
	// Reason is shown wherever a change is held for it.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Reason string `json:"reason"`
	// Until when; for ever if left out.
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="self > timestamp('1970-01-01T00:00:00Z')",message="write a time such as 2026-12-01T08:00:00Z"
	Until *metav1.Time `json:"until,omitempty"`
}

// MaintenanceWindow is a time that comes again.
type MaintenanceWindow struct {
	// Schedule is when it opens: minute, hour, day of month, month, day of week, as in cron.
	//
	// +kubebuilder:validation:MinLength=9
	// +kubebuilder:validation:MaxLength=64
	Schedule string `json:"schedule"`
	// Duration that it is open.
	//
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1m') && duration(self) <= duration('168h')",message="write a duration from 1m to 168h, such as 2h"
	Duration metav1.Duration `json:"duration"`
	// TimeZone of the schedule, by its IANA name (default UTC).
	//
	// +optional
	// +kubebuilder:validation:MaxLength=64
	TimeZone string `json:"timeZone,omitempty"`
}

// NamedComponentPolicy is the policy of one component.
type NamedComponentPolicy struct {
	// Name of the component: etcd, kube-apiserver, kube-controller-manager or kube-scheduler of a TenantCluster, or the name of a workload.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// Mode of this component.
	//
	// +optional
	Mode *ComponentMode `json:"mode,omitempty"`
	// +optional
	ComponentPolicy `json:",inline"`
}

// ComponentMode is ScalingMode for one component; what is left out is as spec.mode says.
type ComponentMode struct {
	// +optional
	Up ModeType `json:"up,omitempty"`
	// +optional
	Down ModeType `json:"down,omitempty"`
}

// RecordRetention says how long ScalingRecords are kept. The newest record of each component is always kept.
type RecordRetention struct {
	// Keep is the number of records of each component.
	//
	// +kubebuilder:default=50
	// +kubebuilder:validation:XValidation:rule="self >= 1 && self <= 1000",message="write how many records of each component to keep, from 1 to 1000"
	// +optional
	Keep int32 `json:"keep,omitempty"`
	// MaxAge of a record.
	//
	// +kubebuilder:default="720h"
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('0s') && duration(self) <= duration('8760h')",message="write a duration from 0s to 8760h, such as 90s, 15m or 6h"
	MaxAge *metav1.Duration `json:"maxAge,omitempty"`
}
