package report

import (
	"cmp"
	"fmt"
	"strings"
)

// grouping is by what components are summed up. To add one, write a function that names the line of a component, and a line in groupings.
type grouping struct {
	name string
	of   func(*part) string
}

// groupings that need no key.
var groupings = []grouping{
	{"owner", func(p *part) string { return p.tenant.namespace }},
	{"component", func(p *part) string { return cmp.Or(p.component, "(not looked at yet)") }},
}

// byLabel is the start of the one that needs a key.
const byLabel = "label="

// CheckBy says what is wrong with owner, component or label=<key>.
func CheckBy(by string) error {
	_, err := parseBy(by)
	return err
}

// parseBy reads owner, component or label=<key>.
func parseBy(by string) (grouping, error) {
	for _, g := range groupings {
		if g.name == by {
			return g, nil
		}
	}
	if key, ok := strings.CutPrefix(by, byLabel); ok && key != "" {
		return grouping{by, func(p *part) string { return cmp.Or(p.tenant.labels[key], "(without "+key+")") }}, nil
	}
	return grouping{}, fmt.Errorf("cannot sum up by %q: write owner (the namespace), component, or label=<key of the TenantClusters' labels>", by)
}
