package plan

import (
	"time"

	"github.com/metapilot/metapilot/scaler/model"
)

// sameAgain is how long the same hold or dry run is no news.
const sameAgain = time.Hour

// passes are guards that only ask for patience; a restart that is held is no news either, for it changes no size.
var passes = map[string]bool{"tolerance": true, "cooldown": true, "under-way": true}

// news: what is held or would be done is, when it has changed or was told an hour ago. Of a step down it makes no difference whether it is a dry run,
// so that a dry run is in all but its name what would be done; and what is done is written down whether it is news or not.
func news(o *model.Observed, plan *model.Plan) bool {
	last, guard, to := o.Last, "", plan.To
	switch plan.Decision {
	case model.Hold:
		guard, to = plan.Held.Guard, plan.Wants
		if passes[guard] || plan.Wants == plan.From {
			return false
		}
	case model.Down:
		last = o.LastDown
		last.DryRun = plan.DryRun
	case model.Up, model.Restart, model.Revert, model.Stay:
	}
	same := last.Decision == plan.Decision && last.DryRun == plan.DryRun && last.Guard == guard && told(last.To, to, plan.From)
	return !same || o.Now.Sub(last.At) >= sameAgain
}

// told: what is wanted was wanted before. That less of it is left is no news, for noise takes a wish away and brings it back. A restart wants no other
// size, and is told anew for another one.
func told(before, wanted, have model.Size) bool {
	for _, r := range [...]model.Resource{model.CPU, model.Memory} {
		left := wanted.Steered(r) == have.Steered(r) && wanted != have
		if !left && !near(before.Steered(r), wanted.Steered(r), r) {
			return false
		}
	}
	return true
}

// near amounts differ by less than a tenth, or by one grain: usage never stands still.
func near(x, y int64, r model.Resource) bool {
	return max(x, y)*9 <= min(x, y)*10 || max(x, y)-min(x, y) <= grain(r)
}
