package fleet

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/metapilot/metapilot/api/v1alpha1"
)

// Policy is how much may happen at the same time.
type Policy struct {
	GroupBy  string // label that tells a tenant's group; without it there are no groups
	Fleet    Budgets
	PerGroup Budgets
	Groups   map[string]Budgets // in the place of PerGroup
}

// Budgets are how much may happen to some tenants.
type Budgets struct{ Moves, Downs, Regrets Budget }

// Budget is how often something may happen within a time.
type Budget struct {
	Count  int
	Within time.Duration
}

func (b Budget) String() string { return fmt.Sprintf("%d within %s", b.Count, b.Within) }

// Defaults are the budgets where nobody has said anything (docs/spec/fleet.md says where each number is from).
func Defaults() Policy {
	fleet := Budgets{
		Moves: Budget{5, 10 * time.Minute}, Downs: Budget{240, time.Hour}, Regrets: Budget{10, 6 * time.Hour},
	}
	return Policy{Fleet: fleet, PerGroup: perGroup(fleet)}
}

// With is the policy with what a ScalingPolicy says of the fleet in its place; nil says nothing. What it says of the whole fleet bounds a group, too.
func (p Policy) With(says *v1alpha1.FleetPolicy) Policy {
	if says == nil {
		return p
	}
	p.GroupBy = says.GroupBy
	p.Fleet = p.Fleet.with(&says.FleetBudgets)
	p.PerGroup = perGroup(p.Fleet)
	if says.PerGroup != nil {
		p.PerGroup = p.PerGroup.with(says.PerGroup)
	}
	p.Groups = make(map[string]Budgets, len(says.Groups))
	for i := range says.Groups {
		p.Groups[says.Groups[i].Name] = p.PerGroup.with(&says.Groups[i].FleetBudgets)
	}
	return p
}

// Chosen is the ScalingPolicy whose word about the fleet counts; nil if none says anything. It is of Metapilot's own namespace and about all
// ClusterScalers, for nobody else speaks for the whole fleet; of several the one with the highest priority, and of those the first by name.
func Chosen(all []*v1alpha1.ScalingPolicy) (chosen *v1alpha1.ScalingPolicy) {
	for _, p := range all {
		if p.Spec.Fleet == nil || p.Namespace != v1alpha1.SystemNamespace || p.Spec.Selector != nil {
			continue
		}
		if chosen == nil || cmp.Or(cmp.Compare(p.Spec.Priority, chosen.Spec.Priority), strings.Compare(chosen.Name, p.Name)) > 0 {
			chosen = p
		}
	}
	return chosen
}

func (b Budgets) with(says *v1alpha1.FleetBudgets) Budgets {
	for into, from := range map[*Budget]*v1alpha1.FleetBudget{&b.Moves: says.Moves, &b.Downs: says.Downs, &b.Regrets: says.Regrets} {
		if from != nil {
			*into = Budget{int(from.Count), from.Within.Duration}
		}
	}
	return b
}

// perGroup: a group that nobody has said anything about may move and shrink as the fleet does, and be wrong half as often.
func perGroup(fleet Budgets) Budgets {
	fleet.Regrets.Count = (fleet.Regrets.Count + 1) / 2
	return fleet
}

// Of is the budgets of a group; of no group if there are none.
func (p *Policy) Of(group string) (b Budgets, grouped bool) {
	if p.GroupBy == "" {
		return Budgets{}, false
	}
	if own, named := p.Groups[group]; named {
		return own, true
	}
	return p.PerGroup, true
}
