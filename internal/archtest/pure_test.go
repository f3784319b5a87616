package archtest

import (
	"fmt"
	"path"
	"slices"
)

// pureRooms are the folders, and all below them, whose code is a function of its arguments: same input, same bytes. part and addon of
// the meta cluster are not among them although they only render: they name types of network, supervisor and pki, which do real work.
var pureRooms = []string{
	"operators/*/plan",
	"recommender/model", "recommender/estimator",
	"scaler/model", "scaler/plan", "scaler/estimator", "scaler/cause", "scaler/fleet", "scaler/report", "scaler/sizetable", "scaler/fit",
	"kvass/assign",
	"internal/conditions", "internal/rollout", "internal/units",
	"e2e/metacluster/supervisor/plan",
}

// valueLibraries are the packages of others that pure rooms may import: values and arithmetic only.
var valueLibraries = []string{
	module + "/api/v1alpha1",
	"k8s.io/api/apps/v1", "k8s.io/api/core/v1", "k8s.io/api/policy/v1", // what a plan renders
	"k8s.io/apimachinery/pkg/api/meta", // conditions, given their time
	"k8s.io/apimachinery/pkg/api/resource",
	"k8s.io/apimachinery/pkg/apis/meta/v1",
	"k8s.io/apimachinery/pkg/util/intstr",
	"sigs.k8s.io/yaml",                                                         // of tables that are part of a program
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1", // as which they are kept
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/util",           // decaying histograms
}

// impure are the parts of the standard library that pure rooms do without, each with all packages below it, and the way out.
var impure = []struct{ path, instead string }{
	{"context", "nothing waits here, so leave cancelling to the caller"},
	{"net", "observe outside, and take what was found as a value (net/netip is one)"},
	{"os", "observe outside, and take what was found as a value"},
	{"syscall", "observe outside, and take what was found as a value"},
	{"log", "say it in the plan's reason and message; the caller tells"},
	{"sync", "arguments are read-only and results new, so there is nothing to lock"},
	{"math/rand", "take the drawn numbers, or a function that draws them, as an argument"},
	{"crypto/rand", "take the drawn numbers, or a function that draws them, as an argument"},
}

func pure(folder string) bool {
	for ; folder != "."; folder = path.Dir(folder) {
		if slices.ContainsFunc(pureRooms, func(room string) bool {
			matched, _ := path.Match(room, folder) // the patterns are ours and well-formed
			return matched
		}) {
			return true
		}
	}
	return false
}

// pureFiles leaves out tests: they may read scenario files and draw random input.
func pureFiles(t tree) tree {
	return slices.DeleteFunc(t.production(), func(f file) bool { return !pure(f.folder()) })
}

func checkPureImports(t tree) []problem {
	var found []problem
	for _, f := range pureFiles(t) {
		for _, i := range f.imports {
			if instead := wayOut(i.name); instead != "" {
				found = append(found, problem{f.path, i.line, fmt.Sprintf("pure room %s imports %s", f.folder(), shown(i.name)), instead})
			}
		}
	}
	return found
}

// wayOut is what a pure room does instead of importing a package; empty if it may import it.
func wayOut(imported string) string {
	folder, own := ours(imported)
	switch {
	case own && pure(folder), imported == "net/netip", slices.Contains(valueLibraries, imported):
		return ""
	case own:
		return "pure rooms import only each other, so take the value as an argument, or move its type into a pure room"
	case !standard(imported):
		return "only the value libraries that archtest names may be imported, so take a value of our own as an argument"
	}
	for _, i := range impure {
		if within(imported, i.path) {
			return i.instead
		}
	}
	return ""
}

func checkClock(t tree) []problem {
	var found []problem
	for _, f := range pureFiles(t) {
		for _, c := range f.clock {
			found = append(found, problem{f.path, c.line, fmt.Sprintf("pure room %s uses %s", f.folder(), c.name),
				"time is data: compare with the field Now of what was observed, and return how long to wait as Recheck"})
		}
	}
	return found
}
