package apply

import (
	"reflect"
	"testing"

	"sigs.k8s.io/yaml"
)

func read(t *testing.T, text string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := yaml.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestIncludes(t *testing.T) {
	want := "spec: {replicas: 2, containers: [{name: a, args: [x, y]}], labels: {k: v}}"
	for name, c := range map[string]struct {
		have string
		want bool
	}{
		"the same":                      {want, true},
		"defaults beside it":            {"{status: {ready: 1}, spec: {replicas: 2, paused: false, containers: [{name: a, args: [x, y], image: i}], labels: {k: v, o: p}}}", true},
		"another value":                 {"spec: {replicas: 3, containers: [{name: a, args: [x, y]}], labels: {k: v}}", false},
		"a missing key":                 {"spec: {replicas: 2, containers: [{name: a, args: [x, y]}]}", false},
		"one more element":              {"spec: {replicas: 2, containers: [{name: a, args: [x, y]}, {name: b}], labels: {k: v}}", false},
		"elements in another order":     {"spec: {replicas: 2, containers: [{name: a, args: [y, x]}], labels: {k: v}}", false},
		"a list in the place of a map":  {"spec: {replicas: 2, containers: [{name: a, args: [x, y]}], labels: [k]}", false},
		"nothing":                       {"{}", false},
		"a map in the place of a value": {"spec: {replicas: {a: 2}, containers: [{name: a, args: [x, y]}], labels: {k: v}}", false},
	} {
		if got := includes(read(t, c.have), read(t, want)); got != c.want {
			t.Errorf("%s: %t, want %t", name, got, c.want)
		}
	}
}

// What is laid over includes what was wanted, keeps what the API server filled in, and leaves what it was given as it was.
func TestOverlay(t *testing.T) {
	have := read(t, "spec: {clusterIP: 10.0.0.7, ports: [{name: api, port: 7443, nodePort: 31000}], externalIPs: [192.0.2.1]}")
	want := read(t, "spec: {ports: [{name: api, port: 6443}]}")
	got := overlay(have, want)
	if expected := read(t, "spec: {clusterIP: 10.0.0.7, ports: [{name: api, port: 6443, nodePort: 31000}], externalIPs: [192.0.2.1]}"); !reflect.DeepEqual(got, expected) {
		t.Errorf("got %v, want %v", got, expected)
	}
	if port := have["spec"].(map[string]any)["ports"].([]any)[0].(map[string]any)["port"]; port != float64(7443) {
		t.Errorf("what was given was changed to %v", port)
	}
	two := read(t, "spec: {ports: [{name: api, port: 6443}, {name: mine, port: 1}]}")
	if got := overlay(two, want); !reflect.DeepEqual(got, want) {
		t.Errorf("an element that nobody wants stays: %v", got)
	}
}

func TestPrune(t *testing.T) {
	m := read(t, "{metadata: {name: a, creationTimestamp: null}, spec: {strategy: {}, volumes: [{name: tmp, emptyDir: {}}], resources: {limits: {}}}}")
	prune(m)
	if want := read(t, "{metadata: {name: a}, spec: {volumes: [{name: tmp, emptyDir: {}}]}}"); !reflect.DeepEqual(m, want) {
		t.Errorf("got %v, want %v", m, want)
	}
}
