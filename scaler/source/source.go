// Package source is what sees that a component may need another size: one folder for each source.
//
// It owns the contract between sources and the controller. A source tells what it has seen and never proposes anything.
package source

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/metapilot/metapilot/scaler/model"
)

// Source sees something that decisions rest on.
type Source interface {
	// Start watches until the context ends, and calls wake when decisions should be looked at anew. What is seen in pods needs no wake: every
	// change of a pod is a reason to decide.
	Start(ctx context.Context, wake func()) error
	// Look adds what is known about a component; observed.Pods has the same order as pods. It never waits.
	Look(component Component, observed *model.Observed)
}

// Component is a component as sources see it.
type Component struct {
	Name      string               // etcd, kube-apiserver, ..., or the workload's
	Tenant    types.NamespacedName // the TenantCluster that it belongs to; empty for a plain workload
	Home      string               // namespace of its pods
	Container string               // its name in the pods
	Pods      []*corev1.Pod
}
