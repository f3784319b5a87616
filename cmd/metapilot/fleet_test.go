package main

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/internal/testenv"
)

// What a fleet's order rests on is read from an API server, also where the kind ScalingPolicy is not installed.
func TestDownsAreReadFromAPIServer(t *testing.T) {
	env := testenv.Start(t, testenv.Options{CRDs: []string{"../../charts/metapilot-crds/templates"}})
	c := connected(t, env.Config)
	var cs v1alpha1.ClusterScaler
	must(t, yaml.Unmarshal([]byte(`{metadata: {name: one, namespace: default}, spec: {}, status: {components: [{name: etcd, size: {requests: {cpu: 200m}},
 turn: {to: {requests: {cpu: 150m}}, saving: {pods: 3, requests: {cpu: 150m}}, risk: 3, since: "2026-11-30T00:00:00Z"}}]}}`), &cs))
	status := cs.Status
	must(t, c.Create(t.Context(), &cs))
	cs.Status = status
	must(t, c.Status().Update(t.Context(), &cs))
	must(t, c.Create(t.Context(), &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": v1alpha1.GroupVersion.String(), "kind": "TenantCluster", "spec": map[string]any{"version": "v1.35.4"},
		"metadata": map[string]any{"name": "one", "namespace": "default", "labels": map[string]any{"stage": "prod"}},
	}}))
	must(t, c.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.SystemNamespace}}))
	policy := &v1alpha1.ScalingPolicy{ObjectMeta: metav1.ObjectMeta{Name: "fleet", Namespace: v1alpha1.SystemNamespace}}
	policy.Spec.Fleet = &v1alpha1.FleetPolicy{GroupBy: "stage", FleetBudgets: v1alpha1.FleetBudgets{Downs: &v1alpha1.FleetBudget{Within: metav1.Duration{Duration: time.Hour}}}}
	must(t, c.Create(t.Context(), policy))
	shows(t, c, "prod", "not before something changes", "the fleet may have 0 steps down within 1h0m0s")

	kind := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": map[string]any{"name": "scalingpolicies.metapilot.io"},
	}}
	must(t, c.Delete(t.Context(), kind))
	for gone := false; !gone && t.Context().Err() == nil; {
		_, err := connected(t, env.Config).RESTMapper().RESTMapping(v1alpha1.GroupVersion.WithKind("ScalingPolicy").GroupKind())
		gone = err != nil
	}
	shows(t, connected(t, env.Config), "default/one", "cpu 200m -> 150m", "now")
}

// shows expects words of what is read and printed.
func shows(t *testing.T, c client.Client, words ...string) {
	t.Helper()
	f, err := readFleet(t.Context(), c)
	must(t, err)
	var b strings.Builder
	must(t, writeDowns(&b, f, &downsOptions{top: 1}, time.Now()))
	for _, w := range words {
		if !strings.Contains(b.String(), w) {
			t.Errorf("there is no %q in\n%s", w, b.String())
		}
	}
}

func connected(t *testing.T, config *rest.Config) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	must(t, clientgoscheme.AddToScheme(scheme))
	must(t, v1alpha1.AddToScheme(scheme))
	c, err := client.New(config, client.Options{Scheme: scheme})
	must(t, err)
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
