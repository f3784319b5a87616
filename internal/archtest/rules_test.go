package archtest

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// module is where the import paths of this repository start; those of the modules below it go on with their folder.
const module = "github.com/metapilot/metapilot"

// problem says what is wrong at a place, and what to do instead.
type problem struct {
	path    string
	line    int
	wrong   string
	instead string
}

func (p problem) String() string {
	return fmt.Sprintf("%s:%d: %s; %s", p.path, p.line, p.wrong, p.instead)
}

// judge applies every rule.
func judge(t tree) []problem {
	var all []problem
	for _, rule := range []func(tree) []problem{
		checkDirections, checkAPI, checkLinks, checkPureImports, checkClock, checkNames, checkFiles, checkReconcilers, checkFunctions,
	} {
		all = append(all, rule(t)...)
	}
	return all
}

var components = []string{"operators", "recommender", "scaler", "kvass", "gitops"}

// importable is which rooms each room may import besides itself: cmd -> components -> internal -> api. The tests of e2e and the
// tools of hack look at all of the product from outside, so they stand beside cmd.
var importable = map[string][]string{
	"api":         {},
	"internal":    {"api"},
	"operators":   {"internal", "api"},
	"recommender": {"internal", "api"},
	"scaler":      {"internal", "api"},
	"kvass":       {"internal", "api"},
	"gitops":      {"internal", "api"},
	"cmd":         append([]string{"internal", "api"}, components...),
	"e2e":         append([]string{"internal", "api"}, components...),
	"hack":        append([]string{"internal", "api"}, components...),
}

// roomOf is the room that a folder lies in: its first element, but each binary has a room of its own below cmd.
func roomOf(folder string) string {
	elements := strings.SplitN(folder, "/", 3)
	if elements[0] == "cmd" && len(elements) > 1 {
		return path.Join(elements[:2]...)
	}
	return elements[0]
}

// kindOf is the key of a room in importable.
func kindOf(room string) string { return strings.SplitN(room, "/", 2)[0] }

// ours returns the folder of an imported package if it is one of this repository.
func ours(imported string) (folder string, ok bool) { return strings.CutPrefix(imported, module+"/") }

// shown is how messages name an imported package: those of ours by their folder.
func shown(imported string) string { return strings.TrimPrefix(imported, module+"/") }

func standard(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".")
}

// within tells whether a slashed path is the given one or lies below it.
func within(name, parent string) bool { return name == parent || strings.HasPrefix(name, parent+"/") }

func withinAny(name string, parents []string) bool {
	return slices.ContainsFunc(parents, func(parent string) bool { return within(name, parent) })
}

// checkDirections keeps imports going one way. A test may use internal's tools wherever it lies.
func checkDirections(t tree) []problem {
	var found []problem
	for _, f := range t {
		room := roomOf(f.folder())
		allowed, known := importable[kindOf(room)]
		if !known {
			found = append(found, problem{f.path, f.pkg.line, "lies in no room of the house",
				"move it to one of " + strings.Join(slices.Sorted(maps.Keys(importable)), ", ")})
			continue
		}
		for _, i := range f.imports {
			folder, own := ours(i.name)
			to := roomOf(folder)
			if !own || to == room || slices.Contains(allowed, to) || f.test() && to == "internal" {
				continue
			}
			found = append(found, problem{f.path, i.line, fmt.Sprintf("%s imports %s", room, folder), detour(room, to)})
		}
	}
	return found
}

// detour is what to do instead of an import from one room to another.
func detour(from, to string) string {
	switch {
	case kindOf(to) == "cmd":
		return "nothing imports cmd, so move what both need to internal or into a component"
	case from == "api":
		return "api imports nothing of ours, so move the type to api, or what uses it out of api"
	case from == "internal":
		return "internal serves every component and knows none, so take the value as an argument, or move the code into the component"
	case slices.Contains(components, from) && slices.Contains(components, to):
		return "components meet in the API server, so read there what the other one writes, or move what both need to internal"
	}
	return "imports go cmd -> components -> internal -> api, so move what both need to internal"
}

// checkAPI keeps api light for those who import our types: every dependency of it becomes theirs. What its tests need does not.
func checkAPI(t tree) []problem {
	var found []problem
	for _, f := range t.production() {
		if roomOf(f.folder()) != "api" {
			continue
		}
		for _, i := range f.imports {
			if _, own := ours(i.name); !own && !standard(i.name) && !within(i.name, "k8s.io/apimachinery") {
				found = append(found, problem{f.path, i.line, "api imports " + i.name,
					"api rests on k8s.io/apimachinery and the standard library alone, so declare the type here, or move the code out of api"})
			}
		}
	}
	return found
}

// lean is the binary that runs as a sidecar in other people's pods, and so has to stay small and without controller code.
const lean = "cmd/kvass"

// tooHeavy is what the lean binary must not link.
var tooHeavy = []string{module + "/operators", module + "/recommender", module + "/scaler", "sigs.k8s.io/controller-runtime"}

// checkLinks looks at all our packages that the lean binary links, however far away.
func checkLinks(t tree) []problem {
	ways := linked(t.production())
	var found []problem
	for _, f := range t.production() {
		way, ok := ways[f.folder()]
		if !ok {
			continue
		}
		for _, i := range f.imports {
			if withinAny(i.name, tooHeavy) {
				found = append(found, problem{f.path, i.line, fmt.Sprintf("%s links %s (%s)", lean, shown(i.name), way),
					"it must not carry controller code, so move what needs this to a package that it does not import"})
			}
		}
	}
	return found
}

// linked returns the folders of the lean binary and of what it imports of ours, each with the way there. It does not go on
// from what is too heavy: the import of that is the fault.
func linked(t tree) map[string]string {
	next := map[string][]string{}
	ways := map[string]string{}
	for _, f := range t {
		if within(f.folder(), lean) {
			ways[f.folder()] = f.folder()
		}
		for _, i := range f.imports {
			if folder, own := ours(i.name); own && !withinAny(i.name, tooHeavy) {
				next[f.folder()] = append(next[f.folder()], folder)
			}
		}
	}
	for queue := slices.Sorted(maps.Keys(ways)); len(queue) > 0; queue = queue[1:] {
		for _, folder := range next[queue[0]] {
			if _, known := ways[folder]; !known {
				ways[folder] = ways[queue[0]] + " -> " + folder
				queue = append(queue, folder)
			}
		}
	}
	return ways
}

// checkNames refuses packages that are named after nothing, since everything fits into them.
func checkNames(t tree) []problem {
	var found []problem
	seen := map[string]bool{}
	for _, f := range t {
		name := strings.TrimSuffix(f.pkg.name, "_test")
		if seen[f.folder()] || !slices.Contains([]string{"util", "utils", "common", "helper", "helpers", "misc"}, name) {
			continue
		}
		seen[f.folder()] = true
		found = append(found, problem{f.path, f.pkg.line, fmt.Sprintf("package %s says nothing about what it holds", name),
			"name it after the one thing that it provides, in the singular, or move its parts to where they are used"})
	}
	return found
}
