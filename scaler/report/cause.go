package report

import (
	"cmp"
	"slices"

	"github.com/metapilot/metapilot/api/v1alpha1"
)

// cause of trouble, and where it was found.
type cause struct {
	components int
	helps      string
}

// causesOf a component.
func (b *Builder) causesOf(*v1alpha1.ScaledComponent) {}

func (b *Builder) causesFound() (all []v1alpha1.ReportCause) {
	for name, c := range b.causes {
		all = append(all, v1alpha1.ReportCause{Type: short(name), Components: int32(c.components), Helps: short(c.helps)})
	}
	slices.SortFunc(all, func(x, y v1alpha1.ReportCause) int {
		return cmp.Or(cmp.Compare(y.Components, x.Components), cmp.Compare(x.Type, y.Type))
	})
	return all[:min(len(all), b.options.Top)]
}
