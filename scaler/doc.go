// Package scaler is the controller of ClusterScalers: it looks at a target's components, has plan decide about each, writes the decision down,
// carries it out through actuator, and follows what comes of it.
//
// It owns ClusterScaler.status and ScalingRecords. It never touches a tenant's pods: the master-operator carries sizes there.
package scaler
