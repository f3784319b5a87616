// Package tenantcluster runs tenants: for each TenantCluster it keeps a namespace with an etcd cluster, API servers, a controller manager
// and a scheduler, their credentials, and the administrator's kubeconfig.
//
// Look (observe.go, probe.go), think (plan/), act (act.go), tell (tell.go). It is the only writer of what it makes, and of the
// TenantCluster's status and controlPlaneEndpoint. It never decides a size: spec.sizing belongs to the ClusterScaler.
package tenantcluster
