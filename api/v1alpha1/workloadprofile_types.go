package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// WorkloadProfile is what one workload really uses, container by container, and what every algorithm would give it.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=wp,categories=metapilot
// +kubebuilder:printcolumn:name="Kind",type=string,JSONPath=`.spec.targetRef.kind`
// +kubebuilder:printcolumn:name="Workload",type=string,JSONPath=`.spec.targetRef.name`
// +kubebuilder:printcolumn:name="CPU",type=string,JSONPath=`.status.containers[0].cpu.target`
// +kubebuilder:printcolumn:name="Memory",type=string,JSONPath=`.status.containers[0].memory.target`
// +kubebuilder:printcolumn:name="Gaps",type=string,JSONPath=`.status.containers[0].cpu.gapsPercent`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type WorkloadProfile struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   WorkloadProfileSpec   `json:"spec"`
	Status WorkloadProfileStatus `json:"status,omitempty"`
}

// WorkloadProfileList is a list of WorkloadProfiles.
//
// +kubebuilder:object:root=true
type WorkloadProfileList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []WorkloadProfile `json:"items"`
}

// WorkloadProfileSpec is which workload, by which algorithm, within which bounds.
type WorkloadProfileSpec struct {
	// TargetRef names the workload, in the profile's namespace.
	//
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="the target cannot be changed, because the history is about it: create another WorkloadProfile"
	TargetRef ProfileTarget `json:"targetRef"`
	// Algorithm that recommends. If left out, what the workload's annotation metapilot.io/algorithm says, and else the recommender's default.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self in ['auto', 'peak-trend', 'window', 'seasonal', 'headroom', 'vpa']",message="write auto, peak-trend, window, seasonal, headroom or vpa"
	Algorithm string `json:"algorithm,omitempty"`
	// Containers have bounds; the name * stands for all that are not named.
	//
	// +optional
	// +kubebuilder:validation:MaxItems=6
	// +listType=map
	// +listMapKey=name
	Containers []ContainerBounds `json:"containers,omitempty"`
}

// ProfileTarget names a workload: a Deployment, StatefulSet, DaemonSet, or anything with a scale subresource.
type ProfileTarget struct {
	// +kubebuilder:default="apps/v1"
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +optional
	APIVersion string `json:"apiVersion,omitempty"`
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind"`
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
}

// ContainerBounds are what is recommended at least and at most.
type ContainerBounds struct {
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`
	// +optional
	Bounds `json:",inline"`
	// MemoryPerCore keeps the two recommendations in proportion, as machines are: what is too low of the other is raised.
	//
	// +optional
	MemoryPerCore MemoryPerCore `json:"memoryPerCore,omitempty"`
}

// MemoryPerCore is an amount of memory for each core of CPU; what is left out is no bound.
//
// +kubebuilder:validation:XValidation:rule="!has(self.min) || !has(self.max) || quantity(string(self.min)).compareTo(quantity(string(self.max))) <= 0",message="memoryPerCore.min must not be above memoryPerCore.max"
// +kubebuilder:validation:XValidation:rule="!has(self.min) || quantity(string(self.min)).compareTo(quantity('1Mi')) >= 0",message="memoryPerCore.min: write at least 1Mi"
// +kubebuilder:validation:XValidation:rule="!has(self.max) || quantity(string(self.max)).compareTo(quantity('1Mi')) >= 0",message="memoryPerCore.max: write at least 1Mi"
type MemoryPerCore Range

// WorkloadProfileCheckpoint keeps what a WorkloadProfile's history adds up to, so that a restart of the recommender loses nothing. It is written by
// the recommender alone, has the name of its profile, and is not for people to read.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:shortName=wpc
// +kubebuilder:printcolumn:name="Saved",type=date,JSONPath=`.spec.saved`
// +kubebuilder:printcolumn:name="Samples",type=integer,JSONPath=`.spec.samples`
type WorkloadProfileCheckpoint struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec WorkloadProfileCheckpointSpec `json:"spec"`
}

// WorkloadProfileCheckpointList is a list of WorkloadProfileCheckpoints.
//
// +kubebuilder:object:root=true
type WorkloadProfileCheckpointList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []WorkloadProfileCheckpoint `json:"items"`
}

// WorkloadProfileCheckpointSpec is one saved history.
type WorkloadProfileCheckpointSpec struct {
	// Saved is when.
	Saved metav1.Time `json:"saved"`
	// Samples that the history rests on, of all containers: one with less never takes the place of one with more.
	Samples int64 `json:"samples"`
	// +optional
	// +kubebuilder:validation:MaxItems=128
	// +listType=map
	// +listMapKey=name
	Containers []ContainerCheckpoint `json:"containers,omitempty"`
}

// ContainerCheckpoint is the history of one container.
type ContainerCheckpoint struct {
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`
	// State is the compact form of recommender/model, with its version and checksum.
	//
	// +kubebuilder:validation:MaxLength=524288
	State []byte `json:"state"`
}
