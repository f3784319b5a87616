// Package part says what each part of the meta cluster is: which program, with which arguments and files. It is pure: it renders
// text from values. It never starts anything, writes a file or reads a clock; cluster and supervisor do.
package part

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/metapilot/metapilot/e2e/metacluster/network"
	"github.com/metapilot/metapilot/e2e/metacluster/supervisor"
)

// Control is the part that holds the control plane's namespaces; the cgroup of all that runs in them has the same name.
const Control = "control"

// Ports of the control plane, all in its own network namespace.
const (
	apiPort       = 6443
	etcdPort      = 2379
	etcdPeerPort  = 2380
	managerPort   = 10257
	schedulerPort = 10259
)

// APIServer is the URL at which the machine, the nodes and the control plane reach the API.
func APIServer() string { return fmt.Sprintf("https://%s:%d", network.ControlAddress, apiPort) }

// Config is what the parts are made from.
type Config struct {
	State      string            // state folder
	Nodes      []network.Node    // in order
	Kubernetes map[string]string // program -> path
	Etcd       string            // path
	PauseImage string
	Memory     int64 // bytes of the machine
}

// Set is everything to be kept running, and the files it reads.
type Set struct {
	Parts []supervisor.Part
	Files map[string]string // path -> text
}

// Render returns the parts in starting order with their files.
func Render(c Config) Set {
	s := Set{Files: map[string]string{}}
	s.control(c)
	for _, node := range c.Nodes {
		s.node(c, node)
	}
	return s
}

// add appends a program that runs inside a holder. files are those that it reads; a change in one restarts it.
func (s *Set) add(holder, name, path string, args []string, files map[string]string) {
	sum := sha256.New()
	for _, file := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(sum, "%s %d %s\n", file, len(files[file]), files[file])
		s.Files[file] = files[file]
	}
	s.Parts = append(s.Parts, supervisor.Part{
		Name: name, Needs: holder, Cgroup: filepath.Join(holder, "system", filepath.Base(name)),
		Path: path, Args: args, Digest: hex.EncodeToString(sum.Sum(nil)[:8]),
	})
}

func flag(name string, value any) string { return fmt.Sprintf("--%s=%v", name, value) }
