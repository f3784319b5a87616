package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TenantCluster is one hosted control plane: an etcd cluster, API servers, a controller manager and a scheduler in a namespace of their own.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:subresource:scale:specpath=.spec.replicas,statuspath=.status.replicas,selectorpath=.status.selector
// +kubebuilder:resource:shortName=tc,categories=metapilot
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=`.status.version`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Members",type=string,JSONPath=`.status.etcd.readyMembers`
// +kubebuilder:printcolumn:name="Endpoint",type=string,JSONPath=`.spec.controlPlaneEndpoint.host`,priority=1
// +kubebuilder:printcolumn:name="Namespace",type=string,JSONPath=`.status.namespace`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 50 && !self.metadata.name.contains('.')",message="metadata.name becomes part of a namespace's name: write at most 50 characters and no dot"
type TenantCluster struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +kubebuilder:validation:Required
	Spec   TenantClusterSpec   `json:"spec"`
	Status TenantClusterStatus `json:"status,omitempty"`
}

// TenantClusterList is a list of TenantClusters.
//
// +kubebuilder:object:root=true
type TenantClusterList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []TenantCluster `json:"items"`
}

// TenantClusterSpec is what the user wants of a tenant.
//
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.controlPlaneEndpoint) || oldSelf.controlPlaneEndpoint == self.?controlPlaneEndpoint.orValue(oldSelf.controlPlaneEndpoint)",message="controlPlaneEndpoint cannot be changed once it is set, because kubeconfigs name it: leave it as it is, or create another TenantCluster"
type TenantClusterSpec struct {
	// Version of Kubernetes, such as v1.36.3. It may be raised by one minor version at a time and never lowered by one.
	//
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^v1[.](35|36)[.][0-9]+$')",message="write a version of Kubernetes 1.35 or 1.36 with a leading v, such as v1.36.3"
	// +kubebuilder:validation:XValidation:rule="!self.matches('^v1[.][0-9]+[.][0-9]+$') || !oldSelf.matches('^v1[.][0-9]+[.][0-9]+$') || (int(self.split('.')[1]) - int(oldSelf.split('.')[1])) in [0, 1]",message="the minor version may stay or go up by one: write the next one first; it cannot go down"
	Version string `json:"version"`

	// Replicas is the number of API servers, unless sizing says otherwise.
	//
	// +kubebuilder:default=1
	// +kubebuilder:validation:XValidation:rule="self >= 1 && self <= 9",message="write a number of API servers from 1 to 9"
	// +optional
	Replicas *int32 `json:"replicas,omitempty"`

	// ControlPlaneEndpoint is where clients reach the API servers. The operator fills it in; it cannot be changed afterwards.
	//
	// +optional
	ControlPlaneEndpoint *Endpoint `json:"controlPlaneEndpoint,omitempty"`

	// Expose says how clients reach the API servers.
	//
	// +kubebuilder:default={type: ClusterIP}
	// +optional
	Expose Expose `json:"expose,omitempty"`

	// Network of the tenant's own nodes, pods and Services. It cannot be changed.
	//
	// +kubebuilder:default={}
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="network cannot be changed in a living cluster: create another TenantCluster"
	// +optional
	Network Network `json:"network,omitempty"`

	// Etcd is the tenant's store.
	//
	// +kubebuilder:default={}
	// +optional
	Etcd Etcd `json:"etcd,omitempty"`

	// APIServer holds what is special about the API servers.
	//
	// +optional
	APIServer Component `json:"apiServer,omitempty"`

	// ControllerManager holds what is special about the controller manager.
	//
	// +optional
	ControllerManager Component `json:"controllerManager,omitempty"`

	// Scheduler holds what is special about the scheduler.
	//
	// +optional
	Scheduler Component `json:"scheduler,omitempty"`

	// Certificates says how long certificates are valid.
	//
	// +kubebuilder:default={}
	// +optional
	Certificates Certificates `json:"certificates,omitempty"`

	// Sizing belongs to the ClusterScaler: replicas and resources that it has decided. Leave it out of Git.
	//
	// +optional
	Sizing Sizing `json:"sizing,omitempty"`
}

// Endpoint is an address of the API.
type Endpoint struct {
	// Host is a DNS name or an IP address.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Host string `json:"host"`
	// Port is a TCP port.
	//
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port"`
}

// ExposeType is a way to reach the API servers.
//
// +kubebuilder:validation:XValidation:rule="self in ['ClusterIP', 'NodePort']",message="write ClusterIP (clients inside the meta cluster) or NodePort (clients outside)"
// +kubebuilder:validation:MaxLength=32
type ExposeType string

// Ways to reach the API servers.
const (
	ExposeClusterIP ExposeType = "ClusterIP"
	ExposeNodePort  ExposeType = "NodePort"
)

// Expose says how clients reach the API servers.
//
// +kubebuilder:validation:XValidation:rule="self.type != 'NodePort' || (has(self.hostname) && self.hostname.size() > 0)",message="expose.type NodePort needs expose.hostname: write the name or address under which clients reach the meta cluster's nodes"
// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="expose cannot be changed, because kubeconfigs name the endpoint: create another TenantCluster"
type Expose struct {
	// Type is ClusterIP or NodePort.
	//
	// +kubebuilder:default=ClusterIP
	Type ExposeType `json:"type,omitempty"`
	// Hostname is the DNS name or IP address that clients use; the API servers' certificate holds for it.
	//
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$') || isIP(self)",message="write a DNS name in lower case or an IP address, without scheme and port"
	// +optional
	Hostname string `json:"hostname,omitempty"`
}

// CIDR is a range of addresses.
//
// +kubebuilder:validation:MaxLength=43
// +kubebuilder:validation:XValidation:rule="isCIDR(self)",message="write a range of addresses such as 10.96.0.0/16"
type CIDR string

// Network of a tenant.
type Network struct {
	// ServiceCIDRs are the ranges of Service addresses: one, or one for each IP family.
	//
	// +kubebuilder:default={"10.96.0.0/16"}
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=2
	// +listType=atomic
	ServiceCIDRs []CIDR `json:"serviceCIDRs,omitempty"`
	// PodCIDRs are the ranges of pod addresses: one, or one for each IP family.
	//
	// +kubebuilder:default={"10.244.0.0/16"}
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=2
	// +listType=atomic
	PodCIDRs []CIDR `json:"podCIDRs,omitempty"`
	// ClusterDomain is the DNS domain of Services.
	//
	// +kubebuilder:default=cluster.local
	// +kubebuilder:validation:MaxLength=100
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$')",message="write a DNS domain in lower case, such as cluster.local"
	ClusterDomain string `json:"clusterDomain,omitempty"`
}

// Etcd is the store of a tenant.
type Etcd struct {
	// Version of etcd, such as v3.6.14. It may change within 3.6.
	//
	// +kubebuilder:default=v3.6.14
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^v3[.]6[.][0-9]+$')",message="write a version of etcd 3.6 with a leading v, such as v3.6.14"
	Version string `json:"version,omitempty"`
	// Members is the number of members: 1, or 3 to survive the loss of one. It cannot be changed.
	//
	// +kubebuilder:default=1
	// +kubebuilder:validation:XValidation:rule="self in [1, 3]",message="write 1 member, or 3 to survive the loss of one"
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="etcd.members cannot be changed yet: create another TenantCluster"
	Members int32 `json:"members,omitempty"`
	// Storage of each member. It cannot be changed.
	//
	// +kubebuilder:default={}
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="etcd.storage cannot be changed, because a StatefulSet's volume claims cannot: create another TenantCluster"
	Storage EtcdStorage `json:"storage,omitempty"`
	// ExtraArgs are flags for etcd beside those that Metapilot sets.
	//
	// +optional
	// +kubebuilder:validation:MaxItems=64
	// +listType=map
	// +listMapKey=name
	ExtraArgs []Arg `json:"extraArgs,omitempty"`
}

// EtcdStorage is the volume of an etcd member.
type EtcdStorage struct {
	// Class is the StorageClass; empty for the default one of the meta cluster.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Class string `json:"class,omitempty"`
	// Size of the volume. Twice the quota of the database (2Gi) and some is a good start.
	//
	// +kubebuilder:default="8Gi"
	// +kubebuilder:validation:XValidation:rule="type(self) == string && isQuantity(self) && quantity(self).compareTo(quantity('1Gi')) >= 0",message="write at least 1Gi, as a string such as 8Gi"
	Size resource.Quantity `json:"size,omitempty"`
}

// Component is what is special about one component.
type Component struct {
	// ExtraArgs are flags beside those that Metapilot sets. They are checked against the flags that the component's version knows.
	//
	// +optional
	// +kubebuilder:validation:MaxItems=64
	// +listType=map
	// +listMapKey=name
	ExtraArgs []Arg `json:"extraArgs,omitempty"`
}

// Arg is a flag of a program.
type Arg struct {
	// Name of the flag without the leading dashes.
	//
	// +kubebuilder:validation:MaxLength=100
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9][a-zA-Z0-9.-]*$')",message="write the flag's name without the leading dashes and without =value, such as event-ttl"
	Name string `json:"name"`
	// Value of the flag; write "true" for a switch.
	//
	// +kubebuilder:validation:MaxLength=4096
	Value string `json:"value"`
}

// Certificates says how long certificates are valid.
//
// +kubebuilder:validation:XValidation:rule="!has(self.renewBefore) || (duration(self.renewBefore) >= duration('10m') && duration(self.renewBefore).getSeconds() * 3 <= duration(self.leafValidity).getSeconds() * 2)",message="certificates.renewBefore: write at least 10m and at most two thirds of certificates.leafValidity"
type Certificates struct {
	// LeafValidity is how long a certificate that is no authority is valid, from 1h to 8760h (one year).
	//
	// +kubebuilder:default="8760h"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1h') && duration(self) <= duration('8760h')",message="write a duration from 1h to 8760h (one year)"
	LeafValidity metav1.Duration `json:"leafValidity,omitempty"`
	// RenewBefore is how long before its end a certificate is replaced; a third of its validity if left out.
	//
	// +optional
	RenewBefore *metav1.Duration `json:"renewBefore,omitempty"`
}

// Sizing is the decided size of each component; what is left out has the size of the preset.
type Sizing struct {
	// +optional
	Etcd *EtcdSizing `json:"etcd,omitempty"`
	// +optional
	APIServer *ComponentSizing `json:"apiServer,omitempty"`
	// +optional
	ControllerManager *ComponentSizing `json:"controllerManager,omitempty"`
	// +optional
	Scheduler *ComponentSizing `json:"scheduler,omitempty"`
}

// EtcdSizing is the decided size of each etcd member.
type EtcdSizing struct {
	// +optional
	Resources Resources `json:"resources,omitempty"`
}

// ComponentSizing is the decided size of a stateless component.
type ComponentSizing struct {
	// Replicas is the number of pods.
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="self >= 1 && self <= 9",message="write a number of replicas from 1 to 9"
	Replicas *int32 `json:"replicas,omitempty"`
	// +optional
	Resources Resources `json:"resources,omitempty"`
	// RestartedAt: pods that are older are replaced, one after the other, the new one first.
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="self > timestamp('1970-01-01T00:00:00Z')",message="write a time such as 2026-12-01T08:00:00Z"
	RestartedAt *metav1.Time `json:"restartedAt,omitempty"`
}

// Resources of one container.
//
// +kubebuilder:validation:XValidation:rule="!has(self.requests) || !has(self.limits) || !has(self.requests.cpu) || !has(self.limits.cpu) || quantity(string(self.requests.cpu)).compareTo(quantity(string(self.limits.cpu))) <= 0",message="requests.cpu must not be above limits.cpu"
// +kubebuilder:validation:XValidation:rule="!has(self.requests) || !has(self.limits) || !has(self.requests.memory) || !has(self.limits.memory) || quantity(string(self.requests.memory)).compareTo(quantity(string(self.limits.memory))) <= 0",message="requests.memory must not be above limits.memory"
type Resources struct {
	// +optional
	Requests Amounts `json:"requests,omitempty"`
	// +optional
	Limits Amounts `json:"limits,omitempty"`
}

// Amounts of resources. What is left out stays as the preset has it.
//
// +kubebuilder:validation:XValidation:rule="!has(self.cpu) || quantity(string(self.cpu)).compareTo(quantity('10m')) >= 0",message="cpu: write at least 10m"
// +kubebuilder:validation:XValidation:rule="!has(self.memory) || quantity(string(self.memory)).compareTo(quantity('32Mi')) >= 0",message="memory: write at least 32Mi"
type Amounts struct {
	// CPU in cores, such as 500m.
	//
	// +optional
	CPU *resource.Quantity `json:"cpu,omitempty"`
	// Memory in bytes, such as 512Mi.
	//
	// +optional
	Memory *resource.Quantity `json:"memory,omitempty"`
}
