package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// SystemNamespace is where Metapilot runs. ScalingPolicies there reach ClusterScalers in every namespace.
const SystemNamespace = "metapilot-system"

// ScalingPolicy says how components are scaled where their ClusterScalers say nothing: in the whole fleet, in one namespace, or for some labels.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=spol,categories=metapilot
// +kubebuilder:printcolumn:name="Priority",type=integer,JSONPath=`.spec.priority`
// +kubebuilder:printcolumn:name="Up",type=string,JSONPath=`.spec.mode.up`
// +kubebuilder:printcolumn:name="Down",type=string,JSONPath=`.spec.mode.down`
// +kubebuilder:printcolumn:name="Scalers",type=integer,JSONPath=`.status.clusterScalers`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type ScalingPolicy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   ScalingPolicySpec   `json:"spec,omitempty"`
	Status ScalingPolicyStatus `json:"status,omitempty"`
}

// ScalingPolicyList is a list of ScalingPolicies.
//
// +kubebuilder:object:root=true
type ScalingPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ScalingPolicy `json:"items"`
}

// ScalingPolicySpec is whom it reaches, and what it says. What it leaves out is as the layers below it say.
//
// +kubebuilder:validation:XValidation:rule="!has(self.selector) || has(self.selector.matchLabels) && self.selector.matchLabels.size() > 0 || has(self.selector.matchExpressions) && self.selector.matchExpressions.size() > 0",message="spec.selector has nothing in it: write labels, or leave it out for every ClusterScaler"
type ScalingPolicySpec struct {
	// Selector of ClusterScalers by their labels; every one that the policy reaches if left out. A policy reaches those of its own namespace,
	// and one in metapilot-system those of all.
	//
	// +optional
	Selector *metav1.LabelSelector `json:"selector,omitempty"`
	// Priority among policies of the same layer: of two that set the same, the one with more wins (default 0).
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="self >= -1000 && self <= 1000",message="write a priority from -1000 to 1000"
	Priority int32 `json:"priority,omitempty"`
	// Mode of every component.
	//
	// +optional
	Mode *ComponentMode `json:"mode,omitempty"`
	// Pause holds every change. No other layer can end it.
	//
	// +optional
	Pause *Pause `json:"pause,omitempty"`
	// Freezes hold what is done by choice. Those of all layers hold.
	//
	// +optional
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	Freezes []Freeze `json:"freezes,omitempty"`
	// Maintenance windows, in which memory of etcd may shrink. Those of the highest layer that has any count.
	//
	// +optional
	// +kubebuilder:validation:MaxItems=8
	// +listType=atomic
	Maintenance []MaintenanceWindow `json:"maintenance,omitempty"`
	// Defaults hold for every component.
	//
	// +optional
	Defaults ComponentPolicy `json:"defaults,omitempty"`
	// Components have what is special about them. It goes before the defaults of all ScalingPolicies.
	//
	// +optional
	// +kubebuilder:validation:MaxItems=6
	// +listType=map
	// +listMapKey=name
	Components []NamedComponentPolicy `json:"components,omitempty"`
	// Fleet limits what is done to many tenants at once.
	//
	// +optional
	Fleet *FleetPolicy `json:"fleet,omitempty"`
}

// Freeze is a time that comes again in which nothing is done by choice: nothing shrinks, nothing is restarted, and nothing grows by utilisation.
type Freeze struct {
	// Schedule is when it begins: minute, hour, day of month, month, day of week, as in cron.
	//
	// +kubebuilder:validation:MinLength=9
	// +kubebuilder:validation:MaxLength=64
	Schedule string `json:"schedule"`
	// Duration of it.
	//
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1m') && duration(self) <= duration('8760h')",message="write a duration from 1m to 8760h, such as 72h"
	Duration metav1.Duration `json:"duration"`
	// TimeZone of the schedule, by its IANA name (default UTC).
	//
	// +optional
	// +kubebuilder:validation:MaxLength=64
	TimeZone string `json:"timeZone,omitempty"`
	// Reason is shown wherever a change is held for it.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Reason string `json:"reason"`
	// Rescues: a component that was killed for want of memory grows all the same, and what cannot run is taken back (default true).
	//
	// +optional
	Rescues *bool `json:"rescues,omitempty"`
}

// ScalingPolicyStatus is what became of it.
type ScalingPolicyStatus struct {
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// ClusterScalers that it reaches.
	//
	// +optional
	ClusterScalers int32 `json:"clusterScalers"`
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}
