package plan

import (
	"embed"
	"fmt"
	"slices"
	"strings"
)

// known holds the flags of each component and minor version (hack/known-flags).
//
//go:embed known
var known embed.FS

// tunable are flags that Metapilot sets and users may set otherwise; the rest of what it sets holds a tenant together.
var tunable = map[string][]string{
	Etcd:              append(sortedKeys(etcdPresetS()), "tls-min-version"),
	APIServer:         append(sortedKeys(apiServerPresetS()), "enable-admission-plugins"),
	ControllerManager: append(sortedKeys(controllerPresetS()), "controllers"),
	Scheduler:         {"kube-api-qps", "kube-api-burst", "profiling"},
}

// dangerous are flags that no tenant survives.
var dangerous = map[string]map[string]string{
	Etcd: {
		"force-new-cluster": "makes a member forget the others at every start", "wal-dir": "names a folder that is not on the volume",
		"unsafe-no-fsync": "loses data when a node's power fails", "discovery-srv": "takes the place of the members that Metapilot names",
		"listen-client-http-urls": "serves clients without their certificates being asked for",
	},
	APIServer: {
		"etcd-prefix": "hides all that is stored", "etcd-servers-overrides": "names an etcd that does not belong to the tenant yet",
	},
}

// checkArgs says what is wrong with the first extra flag that the component would not start with; empty if nothing is.
func checkArgs(o Observed, component string) string {
	version := programOf(o, component).version
	flagsOf, err := knownFlags(component, version)
	if err != nil {
		return err.Error()
	}
	for _, arg := range extra(o.Tenant, component) {
		if wrong := checkArg(o, component, version, arg.Name, flagsOf); wrong != "" {
			return fmt.Sprintf("spec.%s.extraArgs: %s", field[component], wrong)
		}
	}
	return ""
}

func checkArg(o Observed, component, version, name string, flagsOf []string) string {
	if !slices.Contains(flagsOf, name) {
		return fmt.Sprintf("%s %s knows no flag --%s%s", component, version, name, didYouMean(name, flagsOf))
	}
	if why, refused := dangerous[component][name]; refused {
		return fmt.Sprintf("--%s %s: remove it", name, why)
	}
	if _, set := ours(o, component)[name]; set && !slices.Contains(tunable[component], name) {
		return fmt.Sprintf("--%s is set by Metapilot and ties %s to its tenant: remove it", name, component)
	}
	return ""
}

// field is the name of a component's part of the spec.
var field = map[string]string{Etcd: "etcd", APIServer: "apiServer", ControllerManager: "controllerManager", Scheduler: "scheduler"}

// knownFlags are those of the version's minor.
func knownFlags(component, version string) ([]string, error) {
	minor := strings.TrimPrefix(version, "v")
	if i := strings.LastIndex(minor, "."); i > 0 {
		minor = minor[:i]
	}
	raw, err := known.ReadFile(fmt.Sprintf("known/%s-%s.txt", component, minor))
	if err != nil {
		return nil, fmt.Errorf("the flags of %s %s are not known: use a version of 1.35 or 1.36 (etcd: 3.6)", component, version)
	}
	return strings.Fields(string(raw)), nil
}

// didYouMean names the known flag that differs least, if it is near.
func didYouMean(name string, flagsOf []string) string {
	best, nearest := "", 4
	for _, f := range flagsOf {
		if d := distance(name, f); d < nearest {
			best, nearest = f, d
		}
	}
	if best == "" {
		return ": see its documentation, or remove it"
	}
	return fmt.Sprintf(": did you mean --%s?", best)
}

// distance is Levenshtein's: how many letters have to be changed, added or removed.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
