package sizetable

import (
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/yaml"

	"github.com/metapilot/metapilot/scaler/model"
)

//go:embed default.yaml
var standard []byte

// Table has of each component its rows, from small to large.
type Table struct {
	Version    int              `json:"version"`
	Components map[string][]Row `json:"components"`
}

// Row is what clusters up to a scale need at least.
type Row struct {
	UpTo   *Most  `json:"upTo,omitempty"` // nothing in the last row
	Floor  Amount `json:"floor"`
	Source string `json:"source"` // where the numbers come from
}

// Most is the scale up to which a row holds; what is left out does not count.
type Most struct {
	Nodes    *int64             `json:"nodes,omitempty"`
	Pods     *int64             `json:"pods,omitempty"`
	Objects  *int64             `json:"objects,omitempty"`
	Bytes    *resource.Quantity `json:"bytes,omitempty"`
	Requests *int64             `json:"requests,omitempty"` // in a second
}

// Amount is a container's CPU request and memory limit.
type Amount struct {
	CPU    resource.Quantity `json:"cpu"`
	Memory resource.Quantity `json:"memory"`
}

// Default is the table that the program has with it.
func Default() (Table, error) { return Parse(standard) }

// version of the format.
const version = 1

// Parse reads a table and says what is wrong with it, and where.
func Parse(text []byte) (Table, error) {
	var t Table
	if err := yaml.UnmarshalStrict(text, &t); err != nil {
		return Table{}, fmt.Errorf("a size table cannot be read: %w", err)
	}
	if t.Version != version {
		return Table{}, fmt.Errorf("version %d of a size table is not known: write version: %d", t.Version, version)
	}
	if len(t.Components) == 0 {
		return Table{}, errors.New("the size table has no components: write rows for at least one, such as kube-apiserver")
	}
	for _, name := range names(t.Components) {
		if err := check(t.Components[name]); err != nil {
			return Table{}, fmt.Errorf("components.%s%w", name, err)
		}
	}
	return t, nil
}

func names(of map[string][]Row) []string {
	all := make([]string, 0, len(of))
	for name := range of {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// check that the rows cover every scale once: each is for larger clusters than the one before it, and needs no less.
func check(rows []Row) error {
	for i := range rows {
		row := &rows[i]
		if err := alone(row, i == len(rows)-1); err != nil {
			return fmt.Errorf("[%d]%w", i, err)
		}
		if i > 0 {
			if err := rises(&rows[i-1], row); err != nil {
				return fmt.Errorf("[%d].%w", i, err)
			}
		}
	}
	if len(rows) == 0 {
		return errors.New(" has no rows: write at least one, or leave it out")
	}
	return nil
}

// alone checks a row by itself.
func alone(row *Row, last bool) error {
	switch {
	case strings.TrimSpace(row.Source) == "":
		return errors.New(".source is empty: write where its numbers come from")
	case row.UpTo == nil && !last:
		return errors.New(" has no upTo, so that the rows after it hold for nothing: write it last")
	case row.UpTo != nil && last:
		return errors.New(" is the last row and has an upTo, so that larger clusters have none: leave it out")
	case row.UpTo != nil && *row.UpTo == Most{}:
		return errors.New(".upTo is empty: write nodes, pods, objects, bytes or requests")
	}
	if why := unfit(row.Floor); why != "" {
		return fmt.Errorf(".floor.%s", why)
	}
	return nil
}

// Floors beyond these are typing mistakes.
var (
	least = Amount{CPU: resource.MustParse("10m"), Memory: resource.MustParse("32Mi")}
	most  = Amount{CPU: resource.MustParse("1k"), Memory: resource.MustParse("4Ti")}
)

func unfit(a Amount) string {
	switch {
	case a.CPU.Cmp(least.CPU) < 0 || a.CPU.Cmp(most.CPU) > 0:
		return fmt.Sprintf("cpu is %s: write from 10m to 1k", a.CPU.String())
	case a.Memory.Cmp(least.Memory) < 0 || a.Memory.Cmp(most.Memory) > 0:
		return fmt.Sprintf("memory is %s: write from 32Mi to 4Ti", a.Memory.String())
	}
	return ""
}

// rises: a row is for no smaller scale than the one before it in anything, and its floor is no lower.
func rises(before, row *Row) error {
	if before.Floor.CPU.Cmp(row.Floor.CPU) > 0 || before.Floor.Memory.Cmp(row.Floor.Memory) > 0 {
		return errors.New("floor is below that of the row before it: larger clusters need no less")
	}
	if row.UpTo == nil {
		return nil
	}
	return widens(before, row)
}

// widens: it is for larger clusters in one dimension at least, and for smaller ones in none.
func widens(before, row *Row) error {
	larger := false
	for i, of := range before.UpTo.limits() {
		switch has := row.UpTo.limits()[i]; {
		case has.known && !of.known:
			return fmt.Errorf("upTo.%s is not in the row before it: write it there, too, or leave it out", of.name)
		case has.known && has.most < of.most:
			return fmt.Errorf("upTo.%s is below that of the row before it: write rows from small to large", of.name)
		case !has.known && of.known || has.most > of.most:
			larger = true
		}
	}
	if !larger {
		return errors.New("upTo is that of the row before it: write rows from small to large")
	}
	return nil
}

// limit of one dimension.
type limit struct {
	name  string
	most  int64
	known bool
	of    func(*model.Scale) int64
}

func (m *Most) limits() []limit {
	bytes := limit{name: "bytes", of: func(s *model.Scale) int64 { return s.Bytes }}
	if m.Bytes != nil {
		bytes.most, bytes.known = m.Bytes.Value(), true
	}
	return []limit{
		count("nodes", m.Nodes, func(s *model.Scale) int64 { return s.Nodes }),
		count("pods", m.Pods, func(s *model.Scale) int64 { return s.Pods }),
		count("objects", m.Objects, func(s *model.Scale) int64 { return s.Objects }),
		bytes,
		count("requests", m.Requests, func(s *model.Scale) int64 { return s.Requests }),
	}
}

func count(name string, most *int64, of func(*model.Scale) int64) limit {
	if most == nil {
		return limit{name: name, of: of}
	}
	return limit{name: name, most: *most, known: true, of: of}
}

// Floor is the least that a component of a cluster of this scale needs, and the row that says so. A component that the table does not know has none.
func (t *Table) Floor(component string, s *model.Scale) (model.Amounts, string) {
	rows := t.Components[component]
	passed := ""
	for i := range rows {
		row := &rows[i]
		beyond := passes(row.UpTo, s)
		if beyond == "" {
			return model.Amounts{CPU: row.Floor.CPU.MilliValue(), Memory: row.Floor.Memory.Value()}, fmt.Sprintf("row %d of %d%s", i+1, len(rows), passed)
		}
		passed = ", for it has " + beyond
	}
	return model.Amounts{}, ""
}

// passes tells in what a scale is beyond a row; empty if it is in nothing.
func passes(m *Most, s *model.Scale) string {
	if m == nil {
		return ""
	}
	for _, l := range m.limits() {
		if l.known && l.of(s) > l.most {
			return "more than " + l.says()
		}
	}
	return ""
}

func (l limit) says() string {
	switch l.name {
	case "bytes":
		return model.Short(model.Memory, l.most) + " in etcd"
	case "requests":
		return fmt.Sprintf("%d requests/s", l.most)
	}
	return fmt.Sprintf("%d %s", l.most, l.name)
}
