package plan

import "github.com/metapilot/metapilot/scaler/model"

// guardOwner: where somebody else writes the size, writing against them would only go to and fro; and what is being removed needs none.
func guardOwner(d *draft) model.Verdict {
	switch {
	case d.o.Stuck != "":
		return hold(d.o.Stuck)
	case d.o.Foreign != "" && !d.o.Yields.IsZero():
		return model.Verdict{Held: true, Until: d.o.Yields, Says: d.o.Foreign + " has set another size after the ClusterScaler: that is left alone for a while; " +
			"take the size out of what " + d.o.Foreign + " applies, or out of spec.workloads"}
	case d.o.Foreign != "":
		return hold(d.o.Foreign + " writes this component's sizing, which belongs to the ClusterScaler: remove it there (kubectl patch --type=json " +
			"with op remove gives it back), and leave it out of what " + d.o.Foreign + " applies")
	}
	return passed
}
