// Package component builds the programs that a meta cluster consists of from Go modules, or takes them from Debian, and makes images of them.
//
// Each component has a small module of its own below e2e/components, so that no version of one forces another. What has been built
// is kept in a store outside the checkout under a hash of everything that went into it; nothing is built twice, by any checkout.
package component

import (
	"fmt"
	"slices"
	"strings"
)

// Component is one static binary.
type Component struct {
	Name     string
	Version  string
	Folder   string   // below e2e/components; of our own programs the checkout
	Sources  []string // files and folders below Folder that the program is made of; all of Folder if there are none
	ModFile  string   // "" for go.mod
	Package  string   // what to build, seen from the folder
	Tags     []string // build tags
	Vars     []string // -X variables of the linker
	Packages []string // of Debian that it comes from, instead of a Go module
	Programs []string // the names under which it is started, apart from its own
	Usually  string   // how long a first build takes on two cores
}

// Names of the components.
const (
	Kubernetes          = "kubernetes"
	Etcd                = "etcd"
	CoreDNS             = "coredns"
	MetricsServer       = "metrics-server"
	VolumeProvisioner   = "volume-provisioner"
	Workload            = "workload"
	Pause               = "pause"
	MasterOperator      = "master-operator"
	ClusterScaler       = "cluster-scaler"
	WorkloadRecommender = "workload-recommender"
	VPARecommender      = "vpa-recommender"
	VPAUpdater          = "vpa-updater"
	VPAAdmission        = "vpa-admission-controller"
	Prometheus          = "prometheus"
)

// VPA is the folder of the Vertical Pod Autoscaler's three programs, below e2e/components.
const VPA = "vpa"

// DefaultVersion is the Kubernetes version of the meta cluster itself.
const DefaultVersion = "v1.36.3"

// All lists every component that can be built, the longest builds first.
func All() []Component {
	return []Component{
		kubernetes("v1.36.3", "", []string{"node"}, "kubelet", "kube-proxy"),
		kubernetes("v1.35.4", "v1.35.mod", nil),
		{Name: CoreDNS, Version: "v1.15.0", Folder: CoreDNS, Package: ".", Usually: "2 min"},
		{
			Name: MetricsServer, Version: "v0.9.0", Folder: MetricsServer,
			Package: "sigs.k8s.io/metrics-server/cmd/metrics-server", Usually: "2 min",
		},
		{Name: Etcd, Version: "v3.6.14", Folder: Etcd, Package: ".", Programs: []string{"etcdctl"}, Usually: "1 min"},
		{Name: VolumeProvisioner, Version: "v1", Folder: VolumeProvisioner, Package: ".", Usually: "1 min"},
		{Name: Workload, Version: "v1", Folder: Workload, Package: ".", Usually: "10 s"},
		{Name: Pause, Version: "v1", Folder: Pause, Package: ".", Usually: "5 s"},
		own(MasterOperator, "operators"),
		own(ClusterScaler, "scaler"),
		own(WorkloadRecommender, "recommender"),
		rival(VPARecommender, "recommender"),
		rival(VPAUpdater, "updater"),
		rival(VPAAdmission, "admission-controller"),
		{Name: Prometheus, Version: "debian", Packages: []string{"prometheus", "libc6"}, Usually: "10 s"}, // 2.42 in Debian 12
	}
}

// own is a program of this repository.
func own(name string, rooms ...string) Component {
	return Component{
		Name: name, Version: "dev", Folder: "../..", Package: "./cmd/" + name, Usually: "1 min",
		Sources: append([]string{"go.mod", "go.sum", "api", "internal", "cmd/" + name}, rooms...),
	}
}

// rival is a program of Kubernetes' Vertical Pod Autoscaler, which benches compare us with. Only they build it.
func rival(name, program string) Component {
	const programs = "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/"
	return Component{Name: name, Version: "v1.7.3", Folder: VPA, Package: programs + program, Usually: "3 min"}
}

func kubernetes(version, modFile string, tags []string, nodePrograms ...string) Component {
	major, minor, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	minor, _, _ = strings.Cut(minor, ".")
	const build = "k8s.io/component-base/version."
	return Component{
		Name: Kubernetes, Version: version, Folder: Kubernetes, ModFile: modFile, Package: ".",
		Tags: append([]string{"providerless"}, tags...),
		Vars: []string{build + "gitVersion=" + version, build + "gitMajor=" + major, build + "gitMinor=" + minor},
		Programs: append([]string{
			"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl",
		}, nodePrograms...),
		Usually: "9 min",
	}
}

// Find returns the component with the name and, if one is given, the version.
func Find(name, version string) (Component, error) {
	var known []string
	for _, c := range All() {
		if c.Name == name && (version == "" || c.Version == version) {
			return c, nil
		}
		known = append(known, c.Name+"@"+c.Version)
	}
	asked := name
	if version != "" {
		asked += "@" + version
	}
	slices.Sort(known)
	return Component{}, fmt.Errorf("there is no component %s; there are: %s", asked, strings.Join(known, ", "))
}
