package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ComponentPolicy is how sizes are decided. What is left out is as spec.defaults says, and else as Metapilot's defaults are.
type ComponentPolicy struct {
	// Sources of what calls for another size.
	//
	// +optional
	Sources SourcesPolicy `json:"sources,omitempty"`
	// Estimators of what size would be right.
	//
	// +optional
	Estimators EstimatorsPolicy `json:"estimators,omitempty"`
	// Bounds that no decision passes. A size that lies outside already is left until something else calls for a change.
	//
	// +optional
	Bounds Bounds `json:"bounds,omitempty"`
	// Cooldown after a change.
	//
	// +optional
	Cooldown Cooldown `json:"cooldown,omitempty"`
	// ScaleDown says when and by how much a component shrinks.
	//
	// +optional
	ScaleDown ScaleDownPolicy `json:"scaleDown,omitempty"`
	// TolerancePercent is the least change worth making, relative to the size (default 10). An OOM knows no tolerance.
	//
	// +optional
	TolerancePercent *Percent `json:"tolerancePercent,omitempty"`
	// Outcome says when the effect of a change is checked.
	//
	// +optional
	Outcome OutcomePolicy `json:"outcome,omitempty"`
	// Causes says whether root causes are looked for.
	//
	// +optional
	Causes CausesPolicy `json:"causes,omitempty"`
	// Restarts says when what needs a restart to profit from its new size is restarted.
	//
	// +optional
	Restarts RestartsPolicy `json:"restarts,omitempty"`
}

// Percent of something, from 1 to 1000.
//
// +kubebuilder:validation:XValidation:rule="self >= 1 && self <= 1000",message="write percent, a number from 1 to 1000"
type Percent int32

// SourcesPolicy switches and tunes the sources.
type SourcesPolicy struct {
	// +optional
	OOM OOMSource `json:"oom,omitempty"`
	// +optional
	CPU UtilizationSource `json:"cpu,omitempty"`
	// +optional
	Memory MemorySource `json:"memory,omitempty"`
	// +optional
	Throttling ThrottlingSource `json:"throttling,omitempty"`
	// +optional
	Probe ProbeSource `json:"probe,omitempty"`
}

// ProbeSource asks the tenant from outside, as its users do. While it fails, or nobody knows, the component does not shrink.
type ProbeSource struct {
	// Enabled is true if left out.
	//
	// +optional
	Enabled *bool `json:"enabled,omitempty"`
}

// OOMSource sees containers that were killed for want of memory.
type OOMSource struct {
	// Enabled is true if left out.
	//
	// +optional
	Enabled *bool `json:"enabled,omitempty"`
}

// UtilizationSource sees CPU used, relative to the request.
type UtilizationSource struct {
	// Enabled is true if left out.
	//
	// +optional
	Enabled *bool `json:"enabled,omitempty"`
	// AbovePercent of the request calls for more (default 80).
	//
	// +optional
	AbovePercent *Percent `json:"abovePercent,omitempty"`
	// For how long it has to be above (default 60s).
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('0s') && duration(self) <= duration('8760h')",message="write a duration from 0s to 8760h, such as 90s, 15m or 6h"
	For *metav1.Duration `json:"for,omitempty"`
}

// MemorySource sees memory used, relative to the limit.
type MemorySource struct {
	// Enabled is true if left out.
	//
	// +optional
	Enabled *bool `json:"enabled,omitempty"`
	// AbovePercent of the limit calls for more (default 85).
	//
	// +optional
	AbovePercent *Percent `json:"abovePercent,omitempty"`
	// For how long it has to be above (default 60s).
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('0s') && duration(self) <= duration('8760h')",message="write a duration from 0s to 8760h, such as 90s, 15m or 6h"
	For *metav1.Duration `json:"for,omitempty"`
	// Projection: growth that would reach the limit within this time calls for more, too (default 15m; 0s for none).
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('0s') && duration(self) <= duration('8760h')",message="write a duration from 0s to 8760h, such as 90s, 15m or 6h"
	Projection *metav1.Duration `json:"projection,omitempty"`
}

// ThrottlingSource sees containers that their CPU limit keeps from running.
type ThrottlingSource struct {
	// Enabled is true if left out.
	//
	// +optional
	Enabled *bool `json:"enabled,omitempty"`
	// AbovePercent of the scheduler's periods in which the limit was used up calls for more (default 10).
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="self < 100",message="no container can be throttled more than all the time: write less than 100"
	AbovePercent *Percent `json:"abovePercent,omitempty"`
	// For how long it has to be above (default 60s).
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('0s') && duration(self) <= duration('8760h')",message="write a duration from 0s to 8760h, such as 90s, 15m or 6h"
	For *metav1.Duration `json:"for,omitempty"`
}

// EstimatorsPolicy switches and tunes the estimators.
type EstimatorsPolicy struct {
	// +optional
	OOM OOMEstimator `json:"oom,omitempty"`
	// +optional
	Utilization UtilizationEstimator `json:"utilization,omitempty"`
	// +optional
	Profile ProfileEstimator `json:"profile,omitempty"`
	// +optional
	Size SizeEstimator `json:"size,omitempty"`
}

// SizeEstimator knows what tenants of this scale (nodes, pods, objects, bytes, requests) need: by a table, which is a floor, and by the fleet's other
// tenants. It raises what has no profile yet, and lowers nothing.
type SizeEstimator struct {
	// Enabled is true if left out.
	//
	// +optional
	Enabled *bool `json:"enabled,omitempty"`
}

// OOMEstimator multiplies what was too little.
type OOMEstimator struct {
	// FactorsPercent by which the limit grows at the first kill, at the second, and so on; the last one goes on (default 150, 300, 400).
	//
	// +optional
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:XValidation:rule="self.all(f, f > 100)",message="a factor has to make it larger: write more than 100"
	// +listType=atomic
	FactorsPercent []Percent `json:"factorsPercent,omitempty"`
	// RepeatWithin: kills further apart than this count as first ones (default 30m).
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('0s') && duration(self) <= duration('8760h')",message="write a duration from 0s to 8760h, such as 90s, 15m or 6h"
	RepeatWithin *metav1.Duration `json:"repeatWithin,omitempty"`
}

// UtilizationEstimator brings utilisation back to its target.
type UtilizationEstimator struct {
	// Enabled is true if left out.
	//
	// +optional
	Enabled *bool `json:"enabled,omitempty"`
	// CPUTargetPercent of the request is what should be used (default 60).
	//
	// +optional
	CPUTargetPercent *Percent `json:"cpuTargetPercent,omitempty"`
	// MemoryTargetPercent of the limit is what should be used (default 70).
	//
	// +optional
	MemoryTargetPercent *Percent `json:"memoryTargetPercent,omitempty"`
	// MaxStepPercent of the present size is the largest step up (default 200).
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="self > 100",message="a step up has to make it larger: write more than 100"
	MaxStepPercent *Percent `json:"maxStepPercent,omitempty"`
}

// ProfileEstimator takes the recommendation of the component's WorkloadProfile. It alone proposes less.
type ProfileEstimator struct {
	// Enabled is true if left out.
	//
	// +optional
	Enabled *bool `json:"enabled,omitempty"`
}

// ScaleDownPolicy is for what is larger than it needs to be.
type ScaleDownPolicy struct {
	// BelowPercent: less than this share of the size is recommended and used, all through the window (default 40).
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="self < 100",message="what needs all that it has is not too large: write less than 100"
	BelowPercent *Percent `json:"belowPercent,omitempty"`
	// Window over which the highest recommendation counts (default 12h).
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('0s') && duration(self) <= duration('8760h')",message="write a duration from 0s to 8760h, such as 90s, 15m or 6h"
	Window *metav1.Duration `json:"window,omitempty"`
	// MaxStepPercent of the size is the largest step down (default 25).
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="self < 100",message="a step down has to leave something: write less than 100"
	MaxStepPercent *Percent `json:"maxStepPercent,omitempty"`
	// History is how far back a profile has to know its workload before anything is taken from it (default 24h).
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('0s') && duration(self) <= duration('8760h')",message="write a duration from 0s to 8760h, such as 90s, 15m or 6h"
	History *metav1.Duration `json:"history,omitempty"`
	// Watch is for how long after a step an OOM kill or use above its threshold takes it back, and no other step is made (default 1h).
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('0s') && duration(self) <= duration('8760h')",message="write a duration from 0s to 8760h, such as 90s, 15m or 6h"
	Watch *metav1.Duration `json:"watch,omitempty"`
}

// Bounds of a container's size: of its CPU request and of its memory limit.
//
// +kubebuilder:validation:XValidation:rule="!has(self.min) || !has(self.max) || !has(self.min.cpu) || !has(self.max.cpu) || quantity(string(self.min.cpu)).compareTo(quantity(string(self.max.cpu))) <= 0",message="bounds.min.cpu must not be above bounds.max.cpu"
// +kubebuilder:validation:XValidation:rule="!has(self.min) || !has(self.max) || !has(self.min.memory) || !has(self.max.memory) || quantity(string(self.min.memory)).compareTo(quantity(string(self.max.memory))) <= 0",message="bounds.min.memory must not be above bounds.max.memory"
type Bounds struct {
	// +optional
	Min BoundAmounts `json:"min,omitempty"`
	// +optional
	Max BoundAmounts `json:"max,omitempty"`
}

// BoundAmounts are CPU and memory; what is left out is no bound.
//
// +kubebuilder:validation:XValidation:rule="!has(self.cpu) || quantity(string(self.cpu)).compareTo(quantity('10m')) >= 0 && quantity(string(self.cpu)).compareTo(quantity('10k')) <= 0",message="cpu: write from 10m to 10k cores"
// +kubebuilder:validation:XValidation:rule="!has(self.memory) || quantity(string(self.memory)).compareTo(quantity('32Mi')) >= 0 && quantity(string(self.memory)).compareTo(quantity('1Pi')) <= 0",message="memory: write from 32Mi to 1Pi"
type BoundAmounts Quantities

// Cooldown is how long a component is left alone after it has grown.
type Cooldown struct {
	// Up: until it may grow again by utilisation (default 60s). An OOM knows no cool-down.
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('0s') && duration(self) <= duration('8760h')",message="write a duration from 0s to 8760h, such as 90s, 15m or 6h"
	Up *metav1.Duration `json:"up,omitempty"`
	// Down: until it may shrink (default 6h).
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('0s') && duration(self) <= duration('8760h')",message="write a duration from 0s to 8760h, such as 90s, 15m or 6h"
	Down *metav1.Duration `json:"down,omitempty"`
}

// OutcomePolicy says when the effect of a change is checked.
type OutcomePolicy struct {
	// Early check (default 15m).
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('0s') && duration(self) <= duration('8760h')",message="write a duration from 0s to 8760h, such as 90s, 15m or 6h"
	Early *metav1.Duration `json:"early,omitempty"`
	// Late check (default 24h).
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('0s') && duration(self) <= duration('8760h')",message="write a duration from 0s to 8760h, such as 90s, 15m or 6h"
	Late *metav1.Duration `json:"late,omitempty"`
}

// RestartsPolicy says when restart debt is paid.
type RestartsPolicy struct {
	// QuietFor: without an OOM or a change of size for so long, pods that need a restart to profit from their size are replaced, one after
	// the other, the new one first (default 15m).
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('0s') && duration(self) <= duration('8760h')",message="write a duration from 0s to 8760h, such as 90s, 15m or 6h"
	QuietFor *metav1.Duration `json:"quietFor,omitempty"`
}

// CausesPolicy switches the search for root causes. Without it no growth of CPU is held for them.
type CausesPolicy struct {
	// Enabled is true if left out.
	//
	// +optional
	Enabled *bool `json:"enabled,omitempty"`
}
