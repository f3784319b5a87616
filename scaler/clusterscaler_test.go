package scaler_test

import (
	"testing"

	"github.com/metapilot/metapilot/internal/testenv"
)

// On a real API server without nodes: what is decided, written, told, and left alone.
func TestOnAPIServer(t *testing.T) {
	env := testenv.Start(t, testenv.Options{CRDs: []string{"../charts/metapilot-crds/templates"}})
	w := newWorld(t, env.Config)
	for name, test := range map[string]func(*testing.T, *world){
		"a kill leads to a larger size and a record": growsAfterAKill,
	} {
		t.Run(name, func(t *testing.T) { test(t, w) })
	}
}

func growsAfterAKill(t *testing.T, w *world) {
	tc := w.tenantOf(t, "killed")
	w.scalerOf(t, "killed", "{}")
	w.kill(t, tc.etcd)
	w.awaitLimit(t, tc, "etcd", "768Mi")
	r := w.awaitRecord(t, "killed", "Up", 1)
	t.Logf("%+v\n%+v", r.Spec, r.Status)
	t.Logf("%+v", tc.ManagedFields)
}
