package plan

import "github.com/metapilot/metapilot/scaler/model"

// guardPause: somebody wants nothing to change, and has said why.
func guardPause(d *draft) model.Verdict {
	if d.p.Paused == "" || !d.p.PausedUntil.IsZero() && !d.o.Now.Before(d.p.PausedUntil) {
		return passed
	}
	return model.Verdict{Held: true, Says: "paused: " + d.p.Paused, Until: d.p.PausedUntil}
}
