package v1alpha1

// Names of what the cluster-scaler asks tenants with. The master-operator makes the first in the meta cluster and the others in the tenant.
const (
	// ProbesSecret of a tenant's namespace holds the certificate of ProbesUser.
	ProbesSecret = "cluster-scaler-probes"
	// ProbesUser may, in the tenant, list and watch ConfigMaps of ProbesNamespace, and try to create one there, which is never kept.
	ProbesUser = "metapilot:cluster-scaler-probes"
	// ProbesNamespace in the tenant is there to be asked about.
	ProbesNamespace = "metapilot-probe"
)
