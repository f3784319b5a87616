// Package actuator writes decided sizes: of tenants into TenantCluster.spec.sizing, of plain workloads into their templates and pods.
//
// It is the only writer of sizes. It decides nothing, and it never writes against another writer: it says who that is.
package actuator
