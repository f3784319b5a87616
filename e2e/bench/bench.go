// Package bench writes down what a bench has measured: a table for people and rows of JSON for programs, in the form that every bench of
// the project shares. It measures nothing itself.
package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
)

// Row is one metric.
type Row struct {
	Metric string              `json:"metric"`
	Unit   string              `json:"unit"`
	Ours   *float64            `json:"ours"` // nil if it could not be measured; How says why
	Rivals map[string]*float64 `json:"rivals"`
	Aim    string              `json:"aim"`
	Holds  *bool               `json:"holds"` // nil if there is no aim, or nothing was measured
	How    string              `json:"how"`
}

// AtMost is a row whose aim is an upper bound.
func AtMost(metric, unit string, ours, bound float64, how string) Row {
	holds := ours <= bound
	return Row{Metric: metric, Unit: unit, Ours: &ours, Aim: fmt.Sprintf("<= %g", bound), Holds: &holds, How: how}
}

// Less is a row whose aim is to stay below a rival.
func Less(metric, unit string, ours float64, rival string, theirs float64, how string) Row {
	holds := ours < theirs
	return Row{Metric: metric, Unit: unit, Ours: &ours, Aim: "< " + rival, Holds: &holds, How: how}.Beside(rival, theirs)
}

// Plain is a row without an aim.
func Plain(metric, unit string, ours float64, how string) Row {
	return Row{Metric: metric, Unit: unit, Ours: &ours, Aim: "-", How: how}
}

// Beside adds what a rival did in the same run.
func (r Row) Beside(rival string, value float64) Row {
	r.Rivals = maps.Clone(r.Rivals)
	if r.Rivals == nil {
		r.Rivals = map[string]*float64{}
	}
	r.Rivals[rival] = &value
	return r
}

// Percentile returns the least value that at least so many percent of the values do not exceed, by the nearest rank.
func Percentile(values []float64, percent int) float64 {
	sorted := slices.Sorted(slices.Values(values))
	rank := (len(sorted)*percent + 99) / 100
	return sorted[max(rank, 1)-1]
}

// Median returns the median of the values, of which there has to be at least one.
func Median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// Write prints the table and writes the rows to <folder>/<name>.json.
func Write(out io.Writer, folder, name string, rows []Row) error {
	writeTable(out, rows)
	for i := range rows {
		if rows[i].Rivals == nil {
			rows[i].Rivals = map[string]*float64{}
		}
	}
	raw, err := json.MarshalIndent(rows, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding bench %s: %w", name, err)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, name+".json"), append(raw, '\n'), 0o644)
}

func writeTable(out io.Writer, rows []Row) {
	names := rivals(rows)
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(slices.Concat([]string{"METRIC", "UNIT", "OURS"}, upper(names), []string{"AIM", "HOLDS", "HOW"}), "\t"))
	for _, r := range rows {
		cells := []string{r.Metric, r.Unit, number(r.Ours)}
		for _, name := range names {
			cells = append(cells, number(r.Rivals[name]))
		}
		fmt.Fprintln(w, strings.Join(append(cells, r.Aim, verdict(r.Holds), r.How), "\t"))
	}
	w.Flush()
}

// rivals are the names of all that were measured beside us.
func rivals(rows []Row) []string {
	all := map[string]bool{}
	for _, r := range rows {
		for name := range r.Rivals {
			all[name] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

func upper(names []string) []string {
	all := slices.Clone(names)
	for i := range all {
		all[i] = strings.ToUpper(all[i])
	}
	return all
}

func number(v *float64) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprintf("%.1f", *v)
}

func verdict(holds *bool) string {
	switch {
	case holds == nil:
		return "-"
	case *holds:
		return "yes"
	}
	return "NO"
}
