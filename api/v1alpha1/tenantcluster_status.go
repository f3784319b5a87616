package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// TenantClusterStatus is how the tenant is.
type TenantClusterStatus struct {
	// ObservedGeneration is the generation of the spec that this status is about.
	//
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Namespace in which the tenant runs.
	//
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// Version that all API servers run.
	//
	// +optional
	Version string `json:"version,omitempty"`
	// Replicas is the number of API servers.
	//
	// +optional
	Replicas int32 `json:"replicas,omitempty"`
	// ReadyReplicas is the number of API servers that are ready.
	//
	// +optional
	ReadyReplicas int32 `json:"readyReplicas,omitempty"`
	// Selector selects the API servers' pods, as the scale subresource wants it.
	//
	// +optional
	Selector string `json:"selector,omitempty"`
	// +optional
	Etcd EtcdStatus `json:"etcd,omitempty"`
	// Initialization follows Cluster API's contract.
	//
	// +optional
	Initialization Initialization `json:"initialization,omitempty"`
	// ExternalManagedControlPlane is always true: no machine of the tenant runs its control plane (Cluster API's contract).
	//
	// +optional
	ExternalManagedControlPlane bool `json:"externalManagedControlPlane,omitempty"`
	// KubeconfigSecretRef names the Secret with the administrator's kubeconfig, beside the TenantCluster.
	//
	// +optional
	KubeconfigSecretRef *SecretRef `json:"kubeconfigSecretRef,omitempty"`
	// Sizes are those that the components' pods should have: the preset's, and what sizing says in their place.
	//
	// +optional
	// +listType=map
	// +listMapKey=name
	Sizes []ComponentSize `json:"sizes,omitempty"`
	// Certificates are those that end first, one for each authority.
	//
	// +optional
	// +listType=map
	// +listMapKey=name
	Certificates []CertificateStatus `json:"certificates,omitempty"`
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// EtcdStatus is how etcd is.
type EtcdStatus struct {
	// Members that are wanted.
	//
	// +optional
	Members int32 `json:"members,omitempty"`
	// ReadyMembers is the number of members that answer, such as "3/3".
	//
	// +optional
	ReadyMembers string `json:"readyMembers,omitempty"`
	// Leader is the pod of the leader.
	//
	// +optional
	Leader string `json:"leader,omitempty"`
}

// Initialization tells whether the control plane has ever been usable.
type Initialization struct {
	// +optional
	ControlPlaneInitialized bool `json:"controlPlaneInitialized,omitempty"`
}

// SecretRef names a Secret in the same namespace.
type SecretRef struct {
	Name string `json:"name"`
}

// ComponentSize is the size of one component.
type ComponentSize struct {
	Name string `json:"name"`
	// Replicas is the number of pods.
	Replicas int32 `json:"replicas"`
	// Size of each of them.
	Size Size `json:"size"`
}

// CertificateStatus is how long a certificate is valid.
type CertificateStatus struct {
	Name     string      `json:"name"`
	NotAfter metav1.Time `json:"notAfter"`
}

// GetConditions returns the conditions.
func (t *TenantCluster) GetConditions() []metav1.Condition { return t.Status.Conditions }

// SetConditions replaces the conditions.
func (t *TenantCluster) SetConditions(c []metav1.Condition) { t.Status.Conditions = c }
