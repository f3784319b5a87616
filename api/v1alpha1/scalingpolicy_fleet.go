package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// FleetPolicy is how much may happen to all tenants together, and to those of one group. What is left out is as Metapilot's defaults are.
//
// +kubebuilder:validation:XValidation:rule="!(has(self.perGroup) || has(self.groups)) || has(self.groupBy)",message="budgets of groups need groupBy: write the key of the label of TenantClusters that tells their group"
type FleetPolicy struct {
	// GroupBy is a label of TenantClusters: those with the same value are a group. Those without it are a group, too, of the empty name. If it is left
	// out there are no groups, and only the budgets of the whole fleet count.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=316
	// +kubebuilder:validation:XValidation:rule="self.matches('^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$')",message="write the key of a label, such as example.com/stage"
	GroupBy string `json:"groupBy,omitempty"`
	// The budgets of all tenants together.
	FleetBudgets `json:",inline"`
	// PerGroup are the budgets of each group, beside those of the fleet.
	//
	// +optional
	PerGroup *FleetBudgets `json:"perGroup,omitempty"`
	// Groups have budgets of their own, in the place of perGroup.
	//
	// +optional
	// +kubebuilder:validation:MaxItems=64
	// +listType=map
	// +listMapKey=name
	Groups []GroupBudgets `json:"groups,omitempty"`
}

// GroupBudgets are those of one group.
type GroupBudgets struct {
	// Name of the group: the value of the label.
	//
	// +kubebuilder:validation:MaxLength=63
	Name         string `json:"name"`
	FleetBudgets `json:",inline"`
}

// FleetBudgets say how much may happen within a time.
type FleetBudgets struct {
	// Moves are changes that replace pods by choice (default 5 within 10m; of a group as many). What was killed is helped at once, whatever this says.
	//
	// +optional
	Moves *FleetBudget `json:"moves,omitempty"`
	// Downs are steps to a smaller size, the safest first (default 240 within 1h; of a group as many).
	//
	// +optional
	Downs *FleetBudget `json:"downs,omitempty"`
	// Regrets are steps down that were taken back: with more of them nothing shrinks until enough are longer ago (default 10 within 6h; of a group 5). Of
	// one group no more of them count for the fleet than the group itself may have, so that its trouble is its own.
	//
	// +optional
	Regrets *FleetBudget `json:"regrets,omitempty"`
}

// FleetBudget is a number of things within a time.
type FleetBudget struct {
	// Count is how many; 0 is none.
	//
	// +kubebuilder:validation:XValidation:rule="self >= 0 && self <= 100000",message="write a number from 0 to 100000"
	Count int32 `json:"count"`
	// Within is the time that is looked back to: scaling records are kept for a day at least.
	//
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1m') && duration(self) <= duration('24h')",message="write a duration from 1m to 24h, such as 10m or 6h"
	Within metav1.Duration `json:"within"`
}
