package source

import (
	"math"
	"time"

	"github.com/metapilot/metapilot/recommender/model"
)

// ahead is how far the clock of a source may be before ours without its readings counting as wrong. The model bears as much.
const ahead = time.Minute

// Known is a reading, and which source it came from.
type Known struct {
	Reading
	Source string
}

// subject is what sources are compared in.
type subject struct {
	namespace, pod, container string
	resource                  model.Resource
}

// Merge chooses among what several sources tell, given in order of precedence: of each resource of each container the first reading that is not
// older than fresh, which is two periods of asking for most; if there is none, the one closest to now. Amounts that no container can use never win
// and are always among the result, so that the model counts how often a source lies while another one tells the truth.
//
// Faults stay with their answers: that one source knows everything does not make another one well.
func Merge(now time.Time, fresh time.Duration, told []Told) []Known {
	var known []Known
	chosen := map[subject]int{} // where in known
	for _, t := range told {
		for _, r := range t.Answer.Readings {
			s := subject{r.Namespace, r.Pod, r.Container, r.Resource}
			i, rival := chosen[s]
			switch {
			case impossible(r.Amount):
				known = append(known, Known{r, t.Source})
			case !rival:
				chosen[s] = len(known)
				known = append(known, Known{r, t.Source})
			case better(now.Sub(r.At), now.Sub(known[i].At), fresh):
				known[i] = Known{r, t.Source}
			}
		}
	}
	return known
}

// impossible leaves out amounts that are only too large to be believed: where that begins is for the model to say.
func impossible(amount float64) bool {
	return math.IsNaN(amount) || math.IsInf(amount, 0) || amount < 0
}

// better: a reading of the first age takes the place of one of the second age, which has precedence.
func better(age, preferred, fresh time.Duration) bool {
	within := func(d time.Duration) bool { return d <= fresh && d >= -ahead }
	switch {
	case within(preferred):
		return false
	case within(age):
		return true
	}
	return age.Abs() < preferred.Abs()
}
