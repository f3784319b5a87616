package bench_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/metapilot/metapilot/e2e/bench"
)

func TestWrite(t *testing.T) {
	var table strings.Builder
	folder := filepath.Join(t.TempDir(), "bench")
	rows := []bench.Row{
		bench.AtMost("fast", "s", 3, 60, "median of 3"),
		bench.AtMost("slow", "s", 61, 60, "median of 3"),
		bench.Plain("size", "MiB", 12.34, "sum"),
		{Metric: "unknown", Unit: "s", Aim: "<= 1", How: "no rival on this machine"},
	}
	if err := bench.Write(&table, folder, "try", rows); err != nil {
		t.Fatal(err)
	}
	want := `METRIC   UNIT  OURS  AIM    HOLDS  HOW
fast     s     3.0   <= 60  yes    median of 3
slow     s     61.0  <= 60  NO     median of 3
size     MiB   12.3  -      -      sum
unknown  s     -     <= 1   -      no rival on this machine
`
	if table.String() != want {
		t.Errorf("table is\n%s", table.String())
	}
	raw, err := os.ReadFile(filepath.Join(folder, "try.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{`"ours": null`, `"rivals": {}`, `"holds": false`, `"metric": "size"`} {
		if !strings.Contains(string(raw), field) {
			t.Errorf("the JSON lacks %s:\n%s", field, raw)
		}
	}
}

func TestMedian(t *testing.T) {
	for want, values := range map[float64][]float64{2: {3, 1, 2}, 2.5: {4, 1, 2, 3}, 7: {7}} {
		if got := bench.Median(values); got != want {
			t.Errorf("median of %v is %v, want %v", values, got, want)
		}
	}
}
