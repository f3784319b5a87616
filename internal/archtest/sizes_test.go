package archtest

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
)

// The budgets, in lines. Test files have none.
const (
	fileBudget      = 400
	mainBudget      = 60
	reconcileBudget = 40
	medianBudget    = 10
	p90Budget       = 35
)

func checkFiles(t tree) []problem {
	var found []problem
	for _, f := range t.production() {
		switch {
		case f.lines > fileBudget:
			found = append(found, problem{f.path, 1, fmt.Sprintf("file of %d lines, over the budget of %d", f.lines, fileBudget),
				"split it by what its parts are about"})
		case path.Base(f.path) == "main.go" && f.lines > mainBudget:
			found = append(found, problem{f.path, 1, fmt.Sprintf("main.go of %d lines, over the budget of %d", f.lines, mainBudget),
				"keep flags, options and setup here, and move the work to files or packages that are named after it"})
		}
	}
	return found
}

func checkReconcilers(t tree) []problem {
	var found []problem
	for _, f := range t.production() {
		for _, fn := range f.funcs {
			if fn.method && fn.name == "Reconcile" && fn.lines > reconcileBudget {
				found = append(found, problem{f.path, fn.line, fmt.Sprintf("Reconcile of %d lines, over the budget of %d", fn.lines, reconcileBudget),
					"let it read as a sentence: observe, decide, act, tell"})
			}
		}
	}
	return found
}

// placed is a function with its file.
type placed struct {
	function
	path string
}

// byLength lists all functions, the longest last.
func byLength(t tree) []placed {
	var all []placed
	for _, f := range t {
		for _, fn := range f.funcs {
			all = append(all, placed{fn, f.path})
		}
	}
	slices.SortStableFunc(all, func(a, b placed) int { return cmp.Compare(a.lines, b.lines) })
	return all
}

// checkFunctions looks at all functions together, because single long ones are fine where most are short.
func checkFunctions(t tree) []problem {
	var found []problem
	all := byLength(t.production())
	for _, b := range []struct {
		name            string
		percent, budget int
	}{{"median", 50, medianBudget}, {"90th percentile", 90, p90Budget}} {
		rank := (len(all)*b.percent + 99) / 100 // nearest rank
		short := slices.IndexFunc(all, func(fn placed) bool { return fn.lines > b.budget })
		if short < 0 || short >= rank {
			continue
		}
		longest := all[len(all)-1]
		found = append(found, problem{longest.path, longest.line,
			fmt.Sprintf("functions have a %s of %d lines, over the budget of %d", b.name, all[rank-1].lines, b.budget),
			fmt.Sprintf("bring %d more to %d lines or fewer, or split the longest: %s", rank-short, b.budget, longestOf(all))})
	}
	return found
}

// longestOf names the last few functions, with their lines.
func longestOf(sorted []placed) string {
	var names []string
	for _, fn := range slices.Backward(sorted[max(0, len(sorted)-5):]) {
		names = append(names, fmt.Sprintf("%s in %s (%d)", fn.name, fn.path, fn.lines))
	}
	return strings.Join(names, ", ")
}
