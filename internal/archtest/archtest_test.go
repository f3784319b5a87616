package archtest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func TestRepositoryKeepsTheRules(t *testing.T) {
	repository, err := parseTree(os.DirFS(findRoot(t)))
	if err != nil {
		t.Fatal(err)
	}
	for _, known := range []string{"internal/archtest/doc.go", "e2e/metacluster/main.go"} {
		if !slices.ContainsFunc(repository, func(f file) bool { return f.path == known }) {
			t.Errorf("%s was not read, so the rules may have seen little of the repository", known)
		}
	}
	for _, p := range judge(repository) {
		t.Error(p)
	}
}

// findRoot goes up to the folder of the main module.
func findRoot(t *testing.T) string {
	folder, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		_, err := os.Stat(filepath.Join(folder, "go.mod"))
		switch {
		case err == nil:
			return folder
		case !errors.Is(err, fs.ErrNotExist) || folder == filepath.Dir(folder):
			t.Fatalf("looking for go.mod from the test upwards: %v", err)
		}
		folder = filepath.Dir(folder)
	}
}

// source is a Go file that imports the packages; "~" stands for our module, and a name before the path renames.
func source(pkg string, imports ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "package %s\n", pkg)
	for _, i := range imports {
		name, imported, renamed := strings.Cut(i, " ")
		if !renamed {
			name, imported = "", i
		}
		fmt.Fprintf(&b, "import %s %q\n", name, strings.Replace(imported, "~", "github.com/metapilot/metapilot", 1))
	}
	return b.String()
}

// functions is a Go file of a comment line, so that it starts in line 2, and n functions of the given number of lines.
func functions(n int, head string, lines int) string {
	one := head + " {\n" + strings.Repeat("\n", lines-2) + "}\n"
	return "// Package x.\npackage x\n" + strings.Repeat(one, n)
}

func judgeFiles(t *testing.T, files map[string]string) []string {
	t.Helper()
	root := fstest.MapFS{}
	for name, text := range files {
		root[name] = &fstest.MapFile{Data: []byte(text)}
	}
	parsed, err := parseTree(root)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, p := range judge(parsed) {
		all = append(all, p.String())
	}
	return all
}

func TestEachRuleSaysWhatToDoInstead(t *testing.T) {
	for name, tc := range map[string]struct {
		files map[string]string
		want  []string
	}{
		"component imports component": {
			map[string]string{"scaler/actuator/act.go": source("actuator", "fmt", "~/operators/etcd")},
			[]string{"scaler/actuator/act.go:3: scaler imports operators/etcd; components meet in the API server, so read there what the other one writes, or move what both need to internal"},
		},
		"test of a component imports another component": {
			map[string]string{"gitops/render_test.go": source("gitops", "~/recommender/model")},
			[]string{"gitops/render_test.go:2: gitops imports recommender/model; components meet in the API server, so read there what the other one writes, or move what both need to internal"},
		},
		"component imports cmd": {
			map[string]string{"operators/tenant/act.go": source("tenant", "~/cmd/master-operator/options")},
			[]string{"operators/tenant/act.go:2: operators imports cmd/master-operator/options; nothing imports cmd, so move what both need to internal or into a component"},
		},
		"binary imports another binary": {
			map[string]string{"cmd/metapilot/main.go": source("main", "~/cmd/kvass/options")},
			[]string{"cmd/metapilot/main.go:2: cmd/metapilot imports cmd/kvass/options; nothing imports cmd, so move what both need to internal or into a component"},
		},
		"component imports e2e": {
			map[string]string{"kvass/wire/wire.go": source("wire", "~/e2e/load")},
			[]string{"kvass/wire/wire.go:2: kvass imports e2e/load; imports go cmd -> components -> internal -> api, so move what both need to internal"},
		},
		"internal imports a component": {
			map[string]string{"internal/podresize/resize.go": source("podresize", "~/operators/etcd")},
			[]string{"internal/podresize/resize.go:2: internal imports operators/etcd; internal serves every component and knows none, so take the value as an argument, or move the code into the component"},
		},
		"api imports ours": {
			map[string]string{"api/v1alpha1/types.go": source("v1alpha1", "~/internal/units")},
			[]string{"api/v1alpha1/types.go:2: api imports internal/units; api imports nothing of ours, so move the type to api, or what uses it out of api"},
		},
		"api imports more than apimachinery": {
			map[string]string{"api/v1alpha1/types.go": source("v1alpha1", "k8s.io/api/core/v1", "k8s.io/apimachinery/pkg/runtime")},
			[]string{"api/v1alpha1/types.go:2: api imports k8s.io/api/core/v1; api rests on k8s.io/apimachinery and the standard library alone, so declare the type here, or move the code out of api"},
		},
		"folder outside the house": {
			map[string]string{"pkg/cache/doc.go": "// Package cache.\n" + source("cache")},
			[]string{"pkg/cache/doc.go:2: lies in no room of the house; move it to one of api, cmd, e2e, gitops, hack, internal, kvass, operators, recommender, scaler"},
		},
		"lean binary links controller code from afar": {
			map[string]string{
				"cmd/kvass/main.go":         source("main", "~/kvass/coordinator"),
				"kvass/coordinator/loop.go": source("coordinator", "~/internal/apply"),
				"internal/apply/apply.go":   source("conditions", "sigs.k8s.io/controller-runtime/pkg/client"),
			},
			[]string{"internal/apply/apply.go:2: cmd/kvass links sigs.k8s.io/controller-runtime/pkg/client (cmd/kvass -> kvass/coordinator -> internal/apply); it must not carry controller code, so move what needs this to a package that it does not import"},
		},
		"lean binary links another component": {
			map[string]string{
				"cmd/kvass/main.go":    source("main", "~/scaler/record"),
				"scaler/record/doc.go": source("record", "sigs.k8s.io/controller-runtime"),
			},
			[]string{"cmd/kvass/main.go:2: cmd/kvass links scaler/record (cmd/kvass); it must not carry controller code, so move what needs this to a package that it does not import"},
		},
		"pure room does I/O": {
			map[string]string{"operators/etcd/plan/quorum/quorum.go": source("quorum", "os/exec", "net/http")},
			[]string{
				"operators/etcd/plan/quorum/quorum.go:2: pure room operators/etcd/plan/quorum imports os/exec; observe outside, and take what was found as a value",
				"operators/etcd/plan/quorum/quorum.go:3: pure room operators/etcd/plan/quorum imports net/http; observe outside, and take what was found as a value (net/netip is one)",
			},
		},
		"pure room waits, locks and draws": {
			map[string]string{"kvass/assign/assign.go": source("assign", "context", "sync/atomic", "math/rand/v2")},
			[]string{
				"kvass/assign/assign.go:2: pure room kvass/assign imports context; nothing waits here, so leave cancelling to the caller",
				"kvass/assign/assign.go:3: pure room kvass/assign imports sync/atomic; arguments are read-only and results new, so there is nothing to lock",
				"kvass/assign/assign.go:4: pure room kvass/assign imports math/rand/v2; take the drawn numbers, or a function that draws them, as an argument",
			},
		},
		"pure room imports an impure one": {
			map[string]string{"scaler/plan/plan.go": source("plan", "~/internal/pki")},
			[]string{"scaler/plan/plan.go:2: pure room scaler/plan imports internal/pki; pure rooms import only each other, so take the value as an argument, or move its type into a pure room"},
		},
		"pure room imports a library": {
			map[string]string{"recommender/model/model.go": source("model", "k8s.io/client-go/kubernetes")},
			[]string{"recommender/model/model.go:2: pure room recommender/model imports k8s.io/client-go/kubernetes; only the value libraries that archtest names may be imported, so take a value of our own as an argument"},
		},
		"pure room reads the clock": {
			map[string]string{"scaler/cause/cause.go": source("cause", "clock time") + "var now = clock.Now\nvar age = clock.Since(now())\n"},
			[]string{
				"scaler/cause/cause.go:3: pure room scaler/cause uses time.Now; time is data: compare with the field Now of what was observed, and return how long to wait as Recheck",
				"scaler/cause/cause.go:4: pure room scaler/cause uses time.Since; time is data: compare with the field Now of what was observed, and return how long to wait as Recheck",
			},
		},
		"package of everything": {
			map[string]string{"internal/util/a.go": source("util"), "internal/util/b.go": source("util")},
			[]string{"internal/util/a.go:1: package util says nothing about what it holds; name it after the one thing that it provides, in the singular, or move its parts to where they are used"},
		},
		"long file": {
			map[string]string{"scaler/record/record.go": "package record\n" + strings.Repeat("\n", 400)},
			[]string{"scaler/record/record.go:1: file of 401 lines, over the budget of 400; split it by what its parts are about"},
		},
		"long main.go": {
			map[string]string{"cmd/metapilot/main.go": "package main\n" + strings.Repeat("\n", 60)},
			[]string{"cmd/metapilot/main.go:1: main.go of 61 lines, over the budget of 60; keep flags, options and setup here, and move the work to files or packages that are named after it"},
		},
		"long Reconcile among short functions": {
			map[string]string{
				"operators/etcd/controller.go": functions(1, "func (r *Reconciler) Reconcile()", 41),
				"operators/etcd/observe.go":    functions(20, "func observe()", 3),
			},
			[]string{"operators/etcd/controller.go:3: Reconcile of 41 lines, over the budget of 40; let it read as a sentence: observe, decide, act, tell"},
		},
		"half of the functions are long": {
			map[string]string{"internal/pki/a.go": functions(2, "func a()", 10), "internal/pki/b.go": functions(3, "func b()", 11)},
			[]string{"internal/pki/b.go:25: functions have a median of 11 lines, over the budget of 10; bring 1 more to 10 lines or fewer, or split the longest: " +
				"b in internal/pki/b.go (11), b in internal/pki/b.go (11), b in internal/pki/b.go (11), a in internal/pki/a.go (10), a in internal/pki/a.go (10)"},
		},
		"more than a tenth of the functions are very long": {
			map[string]string{"internal/pki/a.go": functions(8, "func a()", 2), "internal/pki/b.go": functions(2, "func b()", 36)},
			[]string{"internal/pki/b.go:39: functions have a 90th percentile of 36 lines, over the budget of 35; bring 1 more to 35 lines or fewer, or split the longest: " +
				"b in internal/pki/b.go (36), b in internal/pki/b.go (36), a in internal/pki/a.go (2), a in internal/pki/a.go (2), a in internal/pki/a.go (2)"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := judgeFiles(t, tc.files); !slices.Equal(got, tc.want) {
				t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(tc.want, "\n"))
			}
		})
	}
}

func TestWhatTheHouseAllows(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"imports downwards": {
			"cmd/metapilot/main.go":        source("main", "~/cmd/metapilot/command", "~/scaler/record", "~/internal/pki", "~/api/v1alpha1"),
			"e2e/sim/sim.go":               source("sim", "~/scaler/plan", "~/operators/etcd/plan", "k8s.io/kubernetes/pkg/api"),
			"operators/etcd/controller.go": source("etcd", "~/operators/etcd/plan", "~/internal/podresize", "sigs.k8s.io/controller-runtime"),
			"internal/podresize/resize.go": source("podresize", "~/internal/apply", "~/api/v1alpha1"),
			"api/v1alpha1/types.go":        source("v1alpha1", "time", "k8s.io/apimachinery/pkg/apis/meta/v1"),
		},
		"tests with tools of ours and of others": {
			"api/v1alpha1/types_test.go": source("v1alpha1_test", "~/internal/testenv", "github.com/google/go-cmp/cmp"),
			"scaler/plan/plan_test.go":   source("plan_test", "os", "github.com/cockroachdb/datadriven", "time") + "var now = time.Now()\n",
			"kvass/wire/wire_test.go":    source("wire") + strings.Repeat("\n", 1000),
			"internal/pki/pki_test.go":   functions(9, "func a()", 50),
		},
		"lean binary whose tests are not lean": {
			"cmd/kvass/main.go":               source("main", "~/kvass/coordinator"),
			"kvass/coordinator/loop_test.go":  source("coordinator", "~/internal/testenv"),
			"internal/testenv/environment.go": source("testenv", "sigs.k8s.io/controller-runtime/pkg/envtest"),
		},
		"values in pure rooms": {
			"scaler/plan/plan.go": source("plan", "fmt", "net/netip", "time", "~/scaler/cause", "~/internal/units",
				"k8s.io/apimachinery/pkg/api/resource") + "const age = time.Hour\nvar end = time.Unix(0, 0)\n",
			"recommender/estimator/estimator.go": source("estimator", "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/util"),
		},
		"names that only begin like a room's or a package's": {
			"scaler/planner/clock.go":  source("planner", "os", "time") + "var now = time.Now()\n",
			"scaler/cause/address.go":  source("cause", "contextual", "network"),
			"internal/commons/sort.go": source("commons"),
		},
		"code that nobody writes": {
			"api/v1alpha1/zz_generated.deepcopy.go": source("v1alpha1", "k8s.io/api/core/v1") + strings.Repeat("\n", 1000),
			"api/client/client.go":                  "// Code generated by client-gen. DO NOT EDIT.\n\n" + source("client", "k8s.io/client-go/rest"),
			"scaler/plan/testdata/src/a.go":         "not Go at all",
			"vendor/x/util/util.go":                 source("util"),
			".git/hooks/x.go":                       source("hooks"),
			"bin/x.go":                              source("bin"),
		},
		"functions at the budget": {
			"operators/etcd/controller.go": functions(1, "func (r *Reconciler) Reconcile()", 40),
			"operators/etcd/reconcile.go":  functions(1, "func Reconcile()", 50),
			"operators/etcd/act.go":        functions(20, "func act()", 10),
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := judgeFiles(t, files); len(got) != 0 {
				t.Errorf("got, although nothing is wrong:\n%s", strings.Join(got, "\n"))
			}
		})
	}
}

func TestBrokenFileIsNamed(t *testing.T) {
	_, err := parseTree(fstest.MapFS{"scaler/plan/plan.go": &fstest.MapFile{Data: []byte("package plan\nfunc {\n")}})
	if err == nil || !strings.Contains(err.Error(), "scaler/plan/plan.go:2:6") {
		t.Errorf("got %v, want an error that names the file and the place", err)
	}
}
