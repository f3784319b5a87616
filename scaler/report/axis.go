package report

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/metapilot/metapilot/scaler/model"
)

// tick is a line of the grid.
type tick struct {
	Position float64
	Label    string
}

// spans between the lines of a time axis.
var spans = []time.Duration{
	time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	day, 2 * day, 7 * day, 14 * day, 28 * day, 91 * day, 364 * day,
}

const day = 24 * time.Hour

// most lines of a time axis, and of an axis of amounts: a grid is there to read values off, not to be looked at.
const (
	mostTimes   = 8
	mostAmounts = 4
)

// timeTicks are round times of UTC, at most mostTimes.
func timeTicks(from, to time.Time, place func(time.Time) float64) (all []tick) {
	step := spans[len(spans)-1]
	for _, s := range spans {
		if to.Sub(from)/s < mostTimes {
			step = s
			break
		}
	}
	format := "Jan 2"
	if step < day {
		format = "15:04"
	}
	last := ""
	for t := from.UTC().Truncate(step); !t.After(to); t = t.Add(step) {
		if t.Before(from) {
			continue
		}
		label := t.Format(format)
		if date := t.Format("Jan 2"); step < day && date != last {
			label, last = date+" "+label, date
		}
		all = append(all, tick{place(t), label})
	}
	return all
}

// amountTicks start at zero and end at or above the highest amount.
func amountTicks(r model.Resource, highest int64) (amounts []int64) {
	step := stepOf(r, highest)
	for at := int64(0); ; at += step {
		amounts = append(amounts, at)
		if at >= highest {
			return amounts
		}
	}
}

// stepOf an axis: powers of two of memory, and 1, 2 or 5 of CPU.
func stepOf(r model.Resource, highest int64) int64 {
	if r == model.Memory {
		step := int64(16 << 20)
		for highest > step*mostAmounts && step < 1<<60 {
			step *= 2
		}
		return step
	}
	for step := int64(10); step < 1e17; step *= 10 {
		for _, s := range [...]int64{step, 2 * step, 5 * step} {
			if highest <= s*mostAmounts {
				return s
			}
		}
	}
	return 1e17
}

// amount with its unit, as short as it can be said.
func amount(r model.Resource, value int64) string {
	if value == 0 {
		return "0"
	}
	if r == model.CPU && value < 1000 {
		return fmt.Sprintf("%dm", value)
	}
	if r == model.CPU {
		return trimmed(float64(value)/1000) + " cores"
	}
	for _, unit := range [...]struct {
		size int64
		name string
	}{{1 << 40, "TiB"}, {1 << 30, "GiB"}, {1 << 20, "MiB"}} {
		if value >= unit.size {
			return trimmed(float64(value)/float64(unit.size)) + " " + unit.name
		}
	}
	return fmt.Sprint(value)
}

// trimmed has three digits, and no zeros behind the point.
func trimmed(f float64) string {
	digits := 2
	for limit := 10.0; f >= limit && digits > 0; limit *= 10 {
		digits--
	}
	text := strconv.FormatFloat(f, 'f', digits, 64)
	if digits == 0 {
		return text
	}
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}
