// Package plan decides what a TenantCluster needs: which credentials, which objects, which pods to resize or restart, and what to say.
//
// It is a function of what was observed: no clock, no randomness, no I/O; the same spec gives the same bytes, whatever runs the operator.
// It owns the flag sets and the sizes of the presets. It never makes a key and never compares with live objects: the room above does.
package plan
