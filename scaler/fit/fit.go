// Package fit learns from a fleet what a component of a tenant of a given scale needs, and how wrong that is for tenants that it has not seen.
//
// It owns the model and its error. It never says what a tenant should get: it knows nothing of what makes one tenant different from others of its scale.
package fit

import (
	"math"
	"slices"

	"github.com/metapilot/metapilot/scaler/model"
)

// Tenant is one that the fleet has: its scale, and what its component was seen to need.
type Tenant struct {
	Scale model.Scale
	Need  int64
}

// Model is what a tenant of no size needs, and how much more for each thing it has; none of them makes it need less.
type Model struct {
	Tenants int   // that it rests on
	Error   int64 // percent of the true need within which nine of ten tenants were that the model had not seen

	weights terms
}

// terms of the model: a constant, nodes, pods, objects, MiB of the database, and requests in a second.
type terms [6]float64

func termsOf(s *model.Scale) terms {
	return terms{1, float64(s.Nodes), float64(s.Pods), float64(s.Objects), float64(s.Bytes) / (1 << 20), float64(s.Requests)}
}

const (
	// Least is how many tenants a model rests on at least: five for each of its terms, a common rule of thumb (Harrell, Regression Modeling Strategies,
	// asks for 10 to 20 where each term is to be believed by itself, which nobody does here).
	Least = 30
	folds = 10
)

// Of learns from tenants, whose order matters only for which of them are left out together. With too few of them there is no model.
func Of(tenants []Tenant) (Model, bool) {
	tenants = slices.DeleteFunc(slices.Clone(tenants), func(t Tenant) bool { return t.Need <= 0 })
	if len(tenants) < Least {
		return Model{}, false
	}
	return Model{Tenants: len(tenants), Error: crossed(tenants), weights: solve(tenants)}, true
}

// Need of a tenant of this scale.
func (m *Model) Need(s *model.Scale) int64 {
	need := 0.0
	for i, x := range termsOf(s) {
		need += m.weights[i] * x
	}
	return int64(need)
}

// crossed is the error for tenants that were left out when the model was made, a tenth of all at a time.
func crossed(tenants []Tenant) int64 {
	errors := make([]float64, 0, len(tenants))
	for fold := range folds {
		var known, left []Tenant
		for i, t := range tenants {
			if i%folds == fold {
				left = append(left, t)
			} else {
				known = append(known, t)
			}
		}
		m := Model{weights: solve(known)}
		for i := range left {
			errors = append(errors, math.Abs(float64(m.Need(&left[i].Scale)-left[i].Need))/float64(left[i].Need))
		}
	}
	slices.Sort(errors)
	return int64(math.Round(100 * errors[(len(errors)*9+9)/10-1]))
}

const (
	rounds = 8   // of weighing anew: tenants that no line explains count less each time
	sweeps = 200 // of the coordinates in a round; the terms are few and of one size, so that is plenty
	enough = 1e-9
	// tuning is Huber's constant: with it the estimate is 95% as good as least squares where nothing is odd (Huber, Robust Statistics, 1981).
	tuning = 1.345
)

// solve finds terms of zero or more by least squares of relative errors, robustly: errors that are far beyond the usual one count as such, not squared.
func solve(tenants []Tenant) terms {
	rows, scale := normalized(tenants)
	var w terms
	trust := slices.Repeat([]float64{1}, len(rows))
	for range rounds {
		w = descend(rows, trust, w)
		doubt(rows, w, trust)
	}
	for i := range w {
		w[i] /= scale[i]
	}
	return w
}

// row is one tenant with its need as the unit, so that errors are relative: x · w should be 1.
type row terms

// normalized brings the terms to one size, by their means.
func normalized(tenants []Tenant) (rows []row, scale terms) {
	for i := range tenants {
		for j, x := range termsOf(&tenants[i].Scale) {
			scale[j] += x / float64(tenants[i].Need) / float64(len(tenants))
		}
	}
	rows = make([]row, len(tenants))
	for i := range tenants {
		for j, x := range termsOf(&tenants[i].Scale) {
			if scale[j] == 0 {
				scale[j] = 1 // nobody has any of it
			}
			rows[i][j] = x / float64(tenants[i].Need) / scale[j]
		}
	}
	return rows, scale
}

func (r *row) misses(w terms) float64 {
	e := -1.0
	for j := range w {
		e += r[j] * w[j]
	}
	return e
}

// descend along one coordinate after the other, none below zero.
func descend(rows []row, trust []float64, w terms) terms {
	gram, right := products(rows, trust)
	for range sweeps {
		moved := 0.0
		for j := range w {
			if gram[j][j] == 0 {
				continue
			}
			slope := -right[j]
			for k := range w {
				slope += gram[j][k] * w[k]
			}
			next := max(0, w[j]-slope/gram[j][j])
			moved, w[j] = max(moved, math.Abs(next-w[j])), next
		}
		if moved < enough {
			break
		}
	}
	return w
}

// products of the terms with each other, and with the need.
func products(rows []row, trust []float64) (gram [len(terms{})]terms, right terms) {
	for i := range rows {
		for j, x := range rows[i] {
			right[j] += trust[i] * x
			for k, y := range rows[i] {
				gram[j][k] += trust[i] * x * y
			}
		}
	}
	return gram, right
}

// doubt weighs tenants by how far they are off, against the median of that.
func doubt(rows []row, w terms, trust []float64) {
	off := make([]float64, len(rows))
	for i := range rows {
		off[i] = math.Abs(rows[i].misses(w))
	}
	sorted := slices.Sorted(slices.Values(off))
	usual := sorted[len(sorted)/2] / 0.6745 // the median of a normal distribution's absolute values
	for i := range trust {
		trust[i] = 1
		if far := tuning * usual; off[i] > far && off[i] > enough {
			trust[i] = max(far, enough) / off[i]
		}
	}
}
