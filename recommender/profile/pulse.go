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
func (r *Recommender) alive() { r.beat.Store(r.Clock.Now().Unix()) }

// Healthy is the liveness probe: an error if the loop works and has given no sign of life for long. One that waits for the lead is well.
func (r *Recommender) Healthy(*http.Request) error {
	last := r.beat.Load()
	silent := r.Clock.Since(time.Unix(last, 0))
	if last == 0 || silent <= max(leastStuck, stuck*r.Options.Period) {
		return nil
	}
	return fmt.Errorf("the loop that fills the WorkloadProfiles has hung for %s", silent.Round(time.Second))
}
