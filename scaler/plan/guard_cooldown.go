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
	case d.refused():
		wait, why = dayLater, "as little was tried and not given by the kubelet"
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

// dayLater is when a step down that a kubelet did not carry out is tried again: memory that was in use is often in use for good.
const dayLater = 24 * time.Hour

// refused: a step down to so little, or less, was taken back because its pods did not get it. Of a step of both resources memory was to blame.
func (d *draft) refused() bool {
	back := &d.o.Reverted
	if d.decision != model.Down || back.At.IsZero() || d.resource == model.CPU && back.From.Steered(model.Memory) < back.To.Steered(model.Memory) {
		return false
	}
	was, step := back.From.Steered(d.resource), d.o.Size.Steered(d.resource)*(100-d.p.DownStep)/100
	return was < back.To.Steered(d.resource) && max(d.value, step) <= was && d.o.Now.Before(back.At.Add(dayLater))
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
