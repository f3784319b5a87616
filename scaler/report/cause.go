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

// causesOf a component. Of what helps, the first by the alphabet stays, whichever comes first.
func (b *Builder) causesOf(c *v1alpha1.ScaledComponent) {
	for i := range c.Causes {
		one := &c.Causes[i]
		if b.causes[one.Type] == nil {
			b.causes[one.Type] = &cause{helps: one.Helps}
		}
		found := b.causes[one.Type]
		found.components++
		found.helps = min(found.helps, one.Helps)
	}
}

func (b *Builder) causesFound() (all []v1alpha1.ReportCause) {
	for name, c := range b.causes {
		all = append(all, v1alpha1.ReportCause{Type: short(name), Components: int32(c.components), Helps: short(c.helps)})
	}
	slices.SortFunc(all, func(x, y v1alpha1.ReportCause) int {
		return cmp.Or(cmp.Compare(y.Components, x.Components), cmp.Compare(x.Type, y.Type))
	})
	return all[:min(len(all), b.options.Top)]
}
