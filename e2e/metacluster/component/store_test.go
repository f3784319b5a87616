package component_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/metapilot/metapilot/e2e/metacluster/component"
)

// tiny is a component that builds in a second.
func tiny(t *testing.T) (component.Store, component.Component) {
	t.Helper()
	s := component.Store{Root: t.TempDir(), Source: t.TempDir()}
	write(t, s, "go.mod", "module example.com/tiny\n\ngo 1.26.0\n")
	write(t, s, "main.go", "package main\n\nfunc main() {}\n")
	return s, component.Component{Name: "tiny", Version: "v1", Folder: "tiny", Package: ".", Programs: []string{"alias"}}
}

func write(t *testing.T, s component.Store, name, text string) {
	t.Helper()
	path := filepath.Join(s.Source, "tiny", name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func build(t *testing.T, s component.Store, c component.Component) component.Built {
	t.Helper()
	built, err := s.Build(t.Context(), c, filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	return built
}

func TestContentDecidesWhatIsRebuilt(t *testing.T) {
	s, c := tiny(t)
	first := build(t, s, c)
	if _, err := os.Stat(first.Path("alias")); err != nil {
		t.Errorf("the program has no link under its other name: %v", err)
	}
	if _, there, err := s.Locate(c); err != nil || !there {
		t.Errorf("what was built is not found again: %v, %v", there, err)
	}
	write(t, s, "main.go", "package main\n\nfunc main() { println() }\n")
	if _, there, err := s.Locate(c); err != nil || there {
		t.Errorf("after a change the old build is taken: %v, %v", there, err)
	}
	if second := build(t, s, c); second.Hash == first.Hash {
		t.Error("another source has the same hash")
	}
	flagged := c
	flagged.Tags = []string{"other"}
	if _, there, err := s.Locate(flagged); err != nil || there {
		t.Errorf("with other flags the old build is taken: %v, %v", there, err)
	}
}

func TestFailedBuildNamesItsLogAndLeavesNothing(t *testing.T) {
	s, c := tiny(t)
	write(t, s, "main.go", "package main\n\nfunc main() { undefined() }\n")
	log := filepath.Join(t.TempDir(), "log")
	_, err := s.Build(t.Context(), c, log)
	if err == nil || !strings.Contains(err.Error(), log) {
		t.Errorf("the error does not name the log: %v", err)
	}
	raw, err := os.ReadFile(log)
	if err != nil || !strings.Contains(string(raw), "undefined: undefined") {
		t.Errorf("the log does not hold the compiler's words: %q, %v", raw, err)
	}
	if left, err := os.ReadDir(filepath.Join(s.Root, "components")); err != nil || len(left) != 0 {
		t.Errorf("a failed build left %v, %v", left, err)
	}
}

func TestOldBuildsAreRemoved(t *testing.T) {
	s, c := tiny(t)
	for _, text := range []string{"1", "2", "3", "4", "5"} {
		write(t, s, "main.go", "package main\n\nfunc main() { println("+text+") }\n")
		build(t, s, c)
	}
	if left, err := os.ReadDir(filepath.Join(s.Root, "components")); err != nil || len(left) != 3 {
		t.Errorf("%d builds are kept (%v), want 3", len(left), err)
	}
	if _, there, err := s.Locate(c); err != nil || !there {
		t.Errorf("the newest build is gone: %v", err)
	}
}

func TestImageHoldsTheProgram(t *testing.T) {
	s, c := tiny(t)
	built := build(t, s, c)
	path, err := built.Image()
	if err != nil {
		t.Fatal(err)
	}
	image, err := tarball.ImageFromPath(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.Config.User != "65534:65534" || len(config.Config.Entrypoint) != 1 || config.Config.Entrypoint[0] != "/tiny" {
		t.Errorf("the image runs %v as %q", config.Config.Entrypoint, config.Config.User)
	}
	layers, err := image.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("%d layers, %v", len(layers), err)
	}
	if !strings.HasSuffix(built.ImageRef(), "/tiny:v1-"+built.Hash) {
		t.Errorf("the image is called %s", built.ImageRef())
	}
}

func TestUnknownComponentIsAnsweredWithTheKnownOnes(t *testing.T) {
	_, err := component.Find("kubernetes", "v1.12.0")
	if err == nil || !strings.Contains(err.Error(), "kubernetes@v1.12.0") || !strings.Contains(err.Error(), "kubernetes@v1.35.4") {
		t.Errorf("got %v", err)
	}
}
