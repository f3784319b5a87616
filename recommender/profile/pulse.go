package profile

import (
	"fmt"
	"net/http"
	"time"
)

// stuck is how many periods without a sign of life are taken for a loop that hangs: each question and each write has a limit of time far below.
const stuck = 10

// leastStuck is for periods so short that one slow source would count as a hang.
const leastStuck = 5 * time.Minute

// alive notes that the loop goes on.
func (r *Recommender) alive() {
	now := r.Clock.Now() // whole, for its monotonic part: a clock that jumps is no hang
	r.beat.Store(&now)
}

// Healthy is the liveness probe: an error if the loop works and has given no sign of life for long. One that waits for the lead is well.
func (r *Recommender) Healthy(*http.Request) error {
	last := r.beat.Load()
	if last == nil {
		return nil
	}
	if silent := r.Clock.Since(*last); silent > max(leastStuck, stuck*r.Options.Period) {
		return fmt.Errorf("the loop that fills the WorkloadProfiles has hung for %s", silent.Round(time.Second))
	}
	return nil
}
