package logtail_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/metapilot/metapilot/e2e/metacluster/logtail"
)

func TestLast(t *testing.T) {
	var long strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&long, "line %d\n", i)
	}
	for name, tc := range map[string]struct{ text, first, last string }{
		"short": {"one\ntwo\n", "  one", "  two"},
		"long":  {long.String(), "  line 4988", "  line 4999"},
		"empty": {"", "  ", "  "},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log")
			if err := os.WriteFile(path, []byte(tc.text), 0o600); err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(logtail.Last(path), "\n")
			if lines[0] != tc.first || lines[len(lines)-1] != tc.last {
				t.Errorf("got %q", lines)
			}
		})
	}
	if got := logtail.Last("/nowhere/log"); !strings.Contains(got, "not readable") {
		t.Errorf("a missing log gives %q", got)
	}
}
