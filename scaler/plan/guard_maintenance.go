package plan

import "github.com/metapilot/metapilot/scaler/model"

// guardMaintenance: memory of a member of a quorum shrinks only when people say that they are ready for it, for a member that is killed costs an
// election, and all of them may be killed at once.
func guardMaintenance(d *draft) model.Verdict {
	w := &d.o.Windows
	switch {
	case d.decision != model.Down || !d.o.Quorum || d.resource != model.Memory || w.Open:
		return passed
	case w.Says != "":
		return hold("memory of " + d.o.Component + " shrinks in maintenance windows only: " + w.Says)
	}
	return model.Verdict{Held: true, Says: "memory of " + d.o.Component + " shrinks in maintenance windows only", Until: w.Next}
}
