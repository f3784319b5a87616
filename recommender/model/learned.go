package model

import "slices"

// Candidates is how many algorithms a container can keep scores of.
const Candidates = 5

// Learned is what the choice of an algorithm rests on. Package estimator fills it; it is kept here because it is as old as the history. A byte more of
// it, and the allocator takes 128 for each container.
type Learned struct {
	Scores [Candidates]Score
	Held   float32 // thousandths of a core or bytes: what was recommended last
	Slot   uint8   // up to which was scored, in its lower bits
	Raised uint8   // how many slots ago more was recommended than before, 255 at most
	Chosen uint8   // candidate
	Slots  uint8   // for which another one has been better, and clearly
}

// Score is how one algorithm would have done.
type Score struct {
	Held    float32 // thousandths of a core or bytes: what would be applied
	Over    float32 // share of the request that was not used
	Under   float32 // share of slots in which more was used
	Changes float32 // a slot
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}
