package estimator

import (
	"fmt"

	"github.com/metapilot/metapilot/scaler/model"
)

// CPUBySize proposes the least CPU that a control plane of its scale needs.
func CPUBySize(o *model.Observed, p *model.Policy) model.Proposal { return bySize(o, p, model.CPU) }

// MemoryBySize does so for memory.
func MemoryBySize(o *model.Observed, p *model.Policy) model.Proposal {
	return bySize(o, p, model.Memory)
}

// trusted is the error in percent up to which the fleet's model counts: with more, one tenant says little about another.
const trusted = 50

// bySize raises what nobody knows yet to what others of its scale need, so that a large cluster is not found out kill by kill. What is known by its
// profile is only kept from going below the floor: nodes and objects tell less than what was measured.
func bySize(o *model.Observed, p *model.Policy, r model.Resource) model.Proposal {
	have, floor := o.Size.Steered(r), o.BySize.Floor.Of(r)
	switch {
	case !p.BySize:
		return abstain(r, "it is switched off")
	case have == 0:
		return abstain(r, "the container has neither request nor limit of it")
	case o.BySize.Unknown != "":
		return abstain(r, o.BySize.Unknown)
	case floor == 0:
		return abstain(r, "the size table does not know it")
	}
	says := fmt.Sprintf("with %s it needs at least %s (size table, %s)", o.Scale.Says(), model.Short(r, floor), o.BySize.Row)
	if !unmeasured(o, p, r) {
		return model.Proposal{Resource: r, Value: floor, Floor: true, Says: says, Source: "size"}
	}
	value := floor
	if e := o.BySize.Fleet.Of(r); e.Amount > floor && e.Error <= trusted {
		value = e.Amount
		says = fmt.Sprintf("with %s it needs %s, as %d others of the fleet do, nine of ten of them within %d%%", o.Scale.Says(), model.Short(r, value), e.Tenants, e.Error)
	}
	if value <= have {
		return model.Proposal{Resource: r, Value: floor, Floor: true, Says: says, Source: "size"}
	}
	return model.Proposal{Resource: r, Value: value, Says: says, Source: "size", Signal: o.Scale.At}
}

// unmeasured: no profile knows it for long enough, and nobody knew better when it was made smaller once.
func unmeasured(o *model.Observed, p *model.Policy, r model.Resource) bool {
	return o.Lowered.At.IsZero() && (o.Profile.Unknown != "" || o.Profile.Thin(r, o.Now, p.History) != "")
}
