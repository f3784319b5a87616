package cluster

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOnlyOurOwnStateIsTakenAndRemoved(t *testing.T) {
	for name, tc := range map[string]struct {
		files []string
		ours  bool
	}{
		"missing":                   {nil, true},
		"ours":                      {[]string{marker, "run.json", "pki/ca.key"}, true},
		"ours, killed at its start": {[]string{"." + marker + "123"}, true},
		"foreign":                   {[]string{"precious"}, false},
		"foreign with a run.json":   {[]string{"run.json", "precious"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			state := filepath.Join(t.TempDir(), "state")
			for _, file := range tc.files {
				path := filepath.Join(state, file)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte("{}"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			err := makeState(state)
			if !tc.ours {
				if err == nil || !strings.Contains(err.Error(), "METAPILOT_STATE") {
					t.Errorf("a foreign folder was answered with %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := removeState(state); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(state); !os.IsNotExist(err) {
				t.Errorf("the folder is still there: %v", err)
			}
		})
	}
}

func TestHalfARecordIsNone(t *testing.T) {
	state := t.TempDir()
	if err := writeRun(state, Run{Checkout: "/src", Nodes: 3}); err != nil {
		t.Fatal(err)
	}
	if run := readRun(state); run == nil || run.Nodes != 3 {
		t.Errorf("the record is read as %+v", run)
	}
	if err := os.WriteFile(runFile(state), []byte(`{"checkout": "/sr`), 0o600); err != nil {
		t.Fatal(err)
	}
	if run := readRun(state); run != nil {
		t.Errorf("half a record is read as %+v", run)
	}
}
