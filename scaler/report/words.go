package report

import (
	"fmt"
	"strings"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler/model"
	"github.com/metapilot/metapilot/scaler/plan"
)

// stepWords is what would be done with a component.
func stepWords(c *v1alpha1.ScaledComponent, w *v1alpha1.Rehearsal) string {
	from, to := plan.SizeOf(c.Size), plan.SizeOf(w.To)
	var parts []string
	for _, r := range [...]model.Resource{model.Memory, model.CPU} {
		if a, b := from.Steered(r), to.Steered(r); a != b {
			parts = append(parts, fmt.Sprintf("%s %s -> %s", r, model.Short(r, a), model.Short(r, b)))
		}
	}
	text := c.Name + ": " + strings.Join(parts, ", ")
	switch {
	case w.Guard != "":
		return text + " (held by " + w.Guard + ")"
	case len(parts) == 0:
		return c.Name + ": " + string(w.Decision)
	}
	return text
}

// cores and GiB of a sum; a dash for nothing.
func cores(milli int64) string {
	if milli == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", float64(milli)/1000)
}

func gib(bytes int64) string {
	if bytes == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", float64(bytes)/(1<<30))
}

// seconds of a distribution; a dash for none.
func seconds(t v1alpha1.ReportTimes, ms int64) string {
	if t.Count == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1fs", float64(ms)/1000)
}

// changeWords counts changes by their kind.
func changeWords(c *v1alpha1.ReportChange) string {
	var parts []string
	for _, one := range []struct {
		n    int32
		what string
	}{{c.Up, "up"}, {c.Down, "down"}} {
		if one.n > 0 {
			parts = append(parts, thousands(int64(one.n))+" "+one.what)
		}
	}
	if c.Restarts > 0 {
		parts = append(parts, number(c.Restarts, "restart"))
	}
	if len(parts) == 0 {
		return "-"
	}
	return strings.Join(parts, ", ")
}

// amountWords are cores and GiB, of requests and of limits.
func amountWords(s v1alpha1.Size) string {
	size := plan.SizeOf(s)
	var parts []string
	if size.Requests.CPU > 0 {
		parts = append(parts, cores(size.Requests.CPU)+" cores")
	}
	if size.Requests.Memory > 0 {
		parts = append(parts, gib(size.Requests.Memory)+" GiB")
	}
	if size.Limits.CPU > 0 {
		parts = append(parts, cores(size.Limits.CPU)+" cores of limits")
	}
	if size.Limits.Memory > 0 {
		parts = append(parts, gib(size.Limits.Memory)+" GiB of limits")
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}
