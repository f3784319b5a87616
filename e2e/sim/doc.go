// Package sim runs a fleet of tenants through virtual days in seconds: the real decisions of scaler/plan, between controllers that are slow, see
// the world of a while ago, and die in the middle of what they do.
//
//	metrics ──samples──▶ scaler ──size──▶ operator ──pods──▶ kubelet ──kills──▶ scaler
//
// It owns the world around the decisions: loads, kernels that kill, kubelets, nodes, and the order in which all of them get their turn, drawn from
// one seed. It judges by promises that hold for any load (see promise.go). It never reads a clock, and starts nothing.
package sim
