package v1alpha1

// UsageKnownCondition of a ClusterScaler: the metrics API tells what the target's pods use.
const UsageKnownCondition = "UsageKnown"

// NodesFitCondition of a ClusterScaler: every pod of the target has a node with room for its size, decided and wanted.
const NodesFitCondition = "NodesFit"

// Conditions of a TenantCluster, and the first three of a ClusterScaler. Ready, Reconciling and Stalled are kstatus's words.
const (
	// ReadyCondition: a user can use the tenant.
	ReadyCondition = "Ready"
	// ReconcilingCondition: the tenant is on its way to what its spec says.
	ReconcilingCondition = "Reconciling"
	// StalledCondition: it will not get there until somebody changes something; the message says what.
	StalledCondition = "Stalled"
	// AvailableCondition: a canary was written, read and watched through the tenant's own endpoint.
	AvailableCondition = "Available"
	// EtcdClusterHealthyCondition: all members answer. The tenant may be Ready without: a quorum serves.
	EtcdClusterHealthyCondition = "EtcdClusterHealthy"
	// CertificatesAvailableCondition: all certificates are there and hold.
	CertificatesAvailableCondition = "CertificatesAvailable"
	// ControlPlaneComponentsHealthyCondition: the leases of the controller manager and the scheduler are fresh.
	ControlPlaneComponentsHealthyCondition = "ControlPlaneComponentsHealthy"
	// KubeconfigReadyCondition: the Secret with the administrator's kubeconfig is written.
	KubeconfigReadyCondition = "KubeconfigReady"
	// SizeAppliedCondition: every running pod has the size that was decided for it.
	SizeAppliedCondition = "SizeApplied"
	// ProberAdmittedCondition: the cluster-scaler's probe may ask the tenant. It is told once that has failed.
	ProberAdmittedCondition = "ProberAdmitted"
	// RollingOutCondition: some pods are of an older template.
	RollingOutCondition = "RollingOut"
)
