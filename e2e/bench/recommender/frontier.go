package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
)

// drawFrontier sweeps from little slack to little that exceeds: VPA by its percentile, ours by multiples of what auto recommends.
func drawFrontier(o options, set string, all []series) error {
	sweep := map[string]func() recommender{}
	for _, percentile := range []float64{0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 1} {
		sweep[fmt.Sprintf("vpa p%g", 100*percentile)] = func() recommender { return newVPAAt(percentile) }
	}
	for _, times := range []float64{0.8, 0.85, 0.9, 0.95, 1, 1.05, 1.1, 1.2} {
		sweep[fmt.Sprintf("ours x%.2f", times)] = func() recommender { return newOursTimes("auto", times) }
	}
	results := compare(all, sweep, false)
	names := make([]string, 0, len(results))
	for name := range results {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if by := strings.Compare(a[:3], b[:3]); by != 0 {
			return by
		}
		return int(1000 * (results[a].slack - results[b].slack))
	})
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintf(w, "%s\tSLACK %%\tEXCEED %%\tCHANGES/d\n", strings.ToUpper(set))
	for _, name := range names {
		r := results[name]
		fmt.Fprintf(w, "%s\t%.1f\t%.2f\t%.2f\n", name, r.slack, r.exceed, r.changes)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(o.out, "recommender-frontier-"+set+".svg"), []byte(picture(set, names, results)), 0o644)
}

const (
	width, height, edge     = 640, 400, 56
	mostSlack, mostExceeded = 80.0, 8.0 // percent; the axes end there
)

// picture has slack from left to right, and what exceeds from the bottom up; closer to the lower left corner is better.
func picture(set string, names []string, results map[string]result) string {
	x := func(slack float64) float64 { return edge + min(slack, mostSlack)/mostSlack*(width-2*edge) }
	y := func(exceed float64) float64 {
		return height - edge - min(exceed, mostExceeded)/mostExceeded*(height-2*edge)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="11">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="white"/><text x="%d" y="24" font-size="14">%s: request that was not used, and samples above the request</text>`+"\n", edge, strings.ToUpper(set))
	for slack := 0.0; slack <= mostSlack; slack += 20 {
		fmt.Fprintf(&b, `<line x1="%.0f" y1="%.0f" x2="%.0f" y2="%.0f" stroke="#ddd"/><text x="%.0f" y="%d" text-anchor="middle">%.0f %%</text>`+"\n", x(slack), y(0), x(slack), y(mostExceeded), x(slack), height-edge+16, slack)
	}
	for exceed := 0.0; exceed <= mostExceeded; exceed += 2 {
		fmt.Fprintf(&b, `<line x1="%.0f" y1="%.0f" x2="%.0f" y2="%.0f" stroke="#ddd"/><text x="%d" y="%.0f" text-anchor="end">%.0f %%</text>`+"\n", x(0), y(exceed), x(mostSlack), y(exceed), edge-6, y(exceed)+4, exceed)
	}
	for i, who := range []struct{ prefix, color, says string }{{"ours", "#0a7d4f", "ours, auto, by multiples"}, {"vpa", "#c0392b", "VPA, by percentiles"}} {
		var line []string
		for _, name := range names {
			if r := results[name]; strings.HasPrefix(name, who.prefix) && r.slack >= 0 && r.exceed <= mostExceeded {
				line = append(line, fmt.Sprintf("%.1f,%.1f", x(r.slack), y(r.exceed)))
				fmt.Fprintf(&b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"><title>%s: %.1f %% slack, %.2f %% above, %.2f changes a day</title></circle>`+"\n", x(r.slack), y(r.exceed), who.color, name, r.slack, r.exceed, r.changes)
			}
		}
		fmt.Fprintf(&b, `<polyline points="%s" fill="none" stroke="%s"/><text x="%d" y="%d" fill="%s">%s</text>`+"\n", strings.Join(line, " "), who.color, width-edge-150, 50+16*i, who.color, who.says)
	}
	return b.String() + "</svg>\n"
}
