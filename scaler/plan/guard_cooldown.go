package plan

import (
	"time"

	"github.com/metapilot/metapilot/scaler/model"
)

// guardCooldown: a change shows only after a while, so the next one waits for it. A kill does not wait.
func guardCooldown(d *draft) model.Verdict {
	wait, why := d.p.UpCooldown, "it grew a moment ago"
	switch {
	case d.urgent:
		return passed
	case d.decision == model.Down:
		wait, why = d.p.DownCooldown, "it grew, was killed or was taken back to a larger size not long ago"
	case d.decision == model.Restart:
		wait, why = d.p.QuietBeforeDebts, "a restart waits until the component is quiet"
	}
	since := d.o.Grown
	switch d.decision {
	case model.Restart:
		since = latest(since, d.o.Shrunk, lastKill(d.o), d.o.Restarted)
	case model.Down:
		since = latest(since, d.o.Reverted.At, lastKill(d.o))
	case model.Up, model.Revert, model.Stay, model.Hold:
	}
	if end := since.Add(wait); !since.IsZero() && d.o.Now.Before(end) {
		return model.Verdict{Held: true, Says: why, Until: end}
	}
	return passed
}

func lastKill(o *model.Observed) time.Time {
	if n := len(o.Kills); n > 0 {
		return o.Kills[n-1].At
	}
	return time.Time{}
}

func latest(times ...time.Time) (last time.Time) {
	for _, t := range times {
		if t.After(last) {
			last = t
		}
	}
	return last
}
