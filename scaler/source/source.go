// Package source is what sees that a component may need another size: one folder for each source.
//
// It owns the contract between sources and the controller. A source tells what it has seen and never proposes anything.
//
// How to add a source:
//
//  1. a folder here, with a type that has the two methods of Source, and a field of model.Observed or model.Pod that it fills. Its zero value, or a
//     negative number, says that nothing is known, and an old reading is not given;
//  2. a line in cmd/cluster-scaler/sources.go; one that asks those in trouble more often comes after those that say who is;
//  3. if it calls for another size: a switch in api/v1alpha1 SourcesPolicy, model.Policy and plan.Defaults, and a file and a line in scaler/estimator;
//  4. if it asks strangers: package exposition, or bounds like its own on bytes, time and how many at a time; what came of questions is counted there;
//  5. the rights that it needs, and none more, in e2e/metacluster/install; a row in docs/spec/clusterscaler.md and in docs/spec/sources.md.
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
