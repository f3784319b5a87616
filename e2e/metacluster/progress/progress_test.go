package progress_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/metapilot/metapilot/e2e/metacluster/progress"
)

func TestStepsAreShownWithNotesAndCauses(t *testing.T) {
	var screen strings.Builder
	r := progress.New(&screen)
	if err := r.Step("building etcd", "", func() (string, error) { return "cached", nil }); err != nil {
		t.Fatal(err)
	}
	cause := errors.New("exit status 1; the end of its log, /logs/dns.log:\n  undefined: x")
	if err := r.Step("building dns", "2 min", func() (string, error) { return "", cause }); !errors.Is(err, cause) {
		t.Errorf("the step returned %v", err)
	}
	for _, want := range []string{"✓ building etcd", "cached\n", "… building dns", "takes about 2 min the first time\n", "✗ building dns", "/logs/dns.log", "undefined: x"} {
		if !strings.Contains(screen.String(), want) {
			t.Errorf("the screen does not show %q:\n%s", want, screen.String())
		}
	}
}
