// Package supervisor keeps the parts of the meta cluster running: it reads what is wanted from a file, starts the parts in their
// namespaces and cgroups, starts them again with a back-off when they die, and writes down what runs and what died why.
//
// It owns the processes. Every part dies with the supervisor (the kernel sees to that), so there is no half-supervised state: after
// any crash, start the supervisor again. Which part to stop or start is decided in supervisor/plan. It never looks at Kubernetes.
package supervisor

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/metapilot/metapilot/e2e/metacluster/network"
	"github.com/metapilot/metapilot/e2e/metacluster/supervisor/plan"
	"github.com/metapilot/metapilot/e2e/metacluster/wholefile"
)

// Part is one process to keep running.
type Part struct {
	Name   string   `json:"name"`
	Cgroup string   `json:"cgroup"`          // below cgroup.Root
	Needs  string   `json:"needs,omitempty"` // the part that has to run before it; for a program, the holder of its namespaces
	Holder *Holder  `json:"holder,omitempty"`
	Path   string   `json:"path,omitempty"` // the program; empty for a holder
	Args   []string `json:"args,omitempty"`
	Digest string   `json:"digest,omitempty"` // of the files that the program reads at start: another one restarts it
	Held   bool     `json:"held,omitempty"`   // keep it stopped until released
}

// Holder makes a part the holder of namespaces of its own: network, mounts and host name.
type Holder struct {
	Hostname string         `json:"hostname"`
	Node     *network.Node  `json:"node,omitempty"` // nil for the control plane, which is the hub of the network
	Nodes    []network.Node `json:"nodes"`          // all nodes, for routes
	Cgroup   string         `json:"cgroup"`         // all that runs inside, containers too; ended with the holder
	Binds    []Bind         `json:"binds,omitempty"`
	Files    []File         `json:"files,omitempty"`
}

// Bind shows a folder of the machine at another place inside.
type Bind struct {
	From string `json:"from"`
	At   string `json:"at"`
}

// File shows a fixed text in the place of a file inside.
type File struct {
	At   string `json:"at"`
	Text string `json:"text"`
}

func (p Part) hash() string {
	p.Held = false
	raw, err := json.Marshal(p)
	if err != nil {
		panic(fmt.Sprintf("encoding part %s: %v", p.Name, err)) // plain strings and numbers always encode
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:8])
}

func (p Part) planned() plan.Part {
	return plan.Part{Name: p.Name, Needs: p.Needs, Hash: p.hash(), Held: p.Held}
}

// PartStatus is what the supervisor says of one part.
type PartStatus struct {
	Name      string    `json:"name"`
	Cgroup    string    `json:"cgroup"`
	PID       int       `json:"pid,omitempty"` // 0 while it does not run
	Held      bool      `json:"held,omitempty"`
	StartedAt time.Time `json:"startedAt,omitzero"`
	Restarts  int       `json:"restarts"`
	LastExit  string    `json:"lastExit,omitempty"` // how it ended the last time, if that was not asked for
	DiedAt    time.Time `json:"diedAt,omitzero"`
}

// Files are the places that the supervisor and the rest of the program share.
type Files struct {
	Parts  string // wanted parts; written by others
	Status string // status of the parts; written by the supervisor
	Lock   string // held as long as a supervisor lives
	Logs   string // folder, one log a part
}

// FilesIn returns the places in a state folder.
func FilesIn(state string) Files {
	return Files{
		Parts:  filepath.Join(state, "parts.json"),
		Status: filepath.Join(state, "status.json"),
		Lock:   filepath.Join(state, "supervisor.lock"),
		Logs:   filepath.Join(state, "logs"),
	}
}

// Folder is where the files are.
func (f Files) Folder() string { return filepath.Dir(f.Parts) }

// Log is the log file of a part.
func (f Files) Log(part string) string {
	return filepath.Join(f.Logs, strings.ReplaceAll(part, "/", ".")+".log")
}

// WriteParts says which parts are wanted, in starting order.
func (f Files) WriteParts(parts []Part) error { return writeJSON(f.Parts, parts) }

// ReadParts returns the wanted parts; none if nobody wrote any.
func (f Files) ReadParts() ([]Part, error) {
	var parts []Part
	return parts, readJSON(f.Parts, &parts)
}

// ReadStatus returns the supervisor's last word; empty if it never said any.
func (f Files) ReadStatus() ([]PartStatus, error) {
	var status []PartStatus
	return status, readJSON(f.Status, &status)
}

func writeJSON(path string, value any) error {
	raw, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding %s: %w", path, err)
	}
	return wholefile.Write(path, append(raw, '\n'), 0o600)
}

func readJSON(path string, into any) error {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	return nil
}
