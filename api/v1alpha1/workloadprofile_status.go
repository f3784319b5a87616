package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// AlgorithmAnnotation on a workload names the algorithm of its profile, if the profile itself names none.
const AlgorithmAnnotation = "metapilot.io/algorithm"

// Conditions of a WorkloadProfile beside Ready and Stalled.
const (
	// TargetFoundCondition: the workload is there. While it is not, nothing of the profile changes and nothing is forgotten.
	TargetFoundCondition = "TargetFound"
	// AlgorithmKnownCondition: there is an algorithm of the name that was asked for.
	AlgorithmKnownCondition = "AlgorithmKnown"
	// SourcesAnswerCondition: every source of usage answers, in full and in its senses.
	SourcesAnswerCondition = "SourcesAnswer"
	// CheckpointSavedCondition: the history is kept where a restart finds it.
	CheckpointSavedCondition = "CheckpointSaved"
)

// WorkloadProfileStatus is what is known of a workload's use.
type WorkloadProfileStatus struct {
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Algorithm in use.
	//
	// +optional
	Algorithm string `json:"algorithm,omitempty"`
	// Replicas that were seen within a day. Peaks are those of the hungriest one.
	//
	// +optional
	Replicas int32 `json:"replicas,omitempty"`
	// LastSample is the time of the newest.
	//
	// +optional
	LastSample *metav1.Time `json:"lastSample,omitempty"`
	// Sources of usage, and how they do.
	//
	// +optional
	// +listType=map
	// +listMapKey=name
	Sources []ProfileSource `json:"sources,omitempty"`
	// +optional
	// +listType=map
	// +listMapKey=name
	Containers []ContainerProfile `json:"containers,omitempty"`
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// ProfileSource is one source of usage.
type ProfileSource struct {
	Name string `json:"name"`
	// LastSample of this workload that came from it.
	//
	// +optional
	LastSample *metav1.Time `json:"lastSample,omitempty"`
	// Fault is what is wrong with its answers; empty if nothing is.
	//
	// +optional
	Fault string `json:"fault,omitempty"`
}

// ContainerProfile is what is known of one container of the workload, over all its replicas.
type ContainerProfile struct {
	Name string `json:"name"`
	// Recommended size: requests as targeted, limits in the proportion that the workload's own have, so that the QoS class stays.
	//
	// +optional
	Recommended Size `json:"recommended,omitempty"`
	// +optional
	CPU ResourceProfile `json:"cpu,omitempty"`
	// +optional
	Memory ResourceProfile `json:"memory,omitempty"`
	// OOMFloor is what kills for want of memory have taught.
	//
	// +optional
	OOMFloor *OOMFloor `json:"oomFloor,omitempty"`
	// BadSamples were not counted.
	//
	// +optional
	// +listType=map
	// +listMapKey=fault
	BadSamples []BadSamples `json:"badSamples,omitempty"`
}

// ResourceProfile is the use of one resource and what is recommended of it.
type ResourceProfile struct {
	// Target is the recommendation: for the request of CPU, and for what memory has to be there.
	//
	// +optional
	Target *resource.Quantity `json:"target,omitempty"`
	// Lower: a size below this is too small.
	//
	// +optional
	Lower *resource.Quantity `json:"lower,omitempty"`
	// Upper: a size above this is wasteful.
	//
	// +optional
	Upper *resource.Quantity `json:"upper,omitempty"`
	// Uncapped is the target without bounds.max.
	//
	// +optional
	Uncapped *resource.Quantity `json:"uncapped,omitempty"`
	// Reason is why the target is what it is.
	//
	// +optional
	Reason string `json:"reason,omitempty"`
	// Samples that were counted.
	//
	// +optional
	Samples int64 `json:"samples,omitempty"`
	// Since when there are samples.
	//
	// +optional
	Since *metav1.Time `json:"since,omitempty"`
	// GapsPercent of the last 24 hours, or of the time since the first sample, that nothing was seen of.
	//
	// +optional
	GapsPercent int32 `json:"gapsPercent,omitempty"`
	// Usage of the hungriest replica over some windows.
	//
	// +optional
	// +listType=map
	// +listMapKey=window
	Usage []UsageWindow `json:"usage,omitempty"`
	// GrowthPerHour of the peaks of the last six hours.
	//
	// +optional
	GrowthPerHour *resource.Quantity `json:"growthPerHour,omitempty"`
	// Recent are the peaks of the last 24 hours, each of half an hour, the oldest first, in thousandths of a core or MiB; -1 where nothing was seen.
	//
	// +optional
	// +kubebuilder:validation:MaxItems=48
	// +listType=atomic
	Recent []int64 `json:"recent,omitempty"`
	// Algorithms and what each of them recommends, before what kills, gaps and bounds make of it.
	//
	// +optional
	// +listType=map
	// +listMapKey=name
	Algorithms []AlgorithmProfile `json:"algorithms,omitempty"`
}

// UsageWindow are percentiles of peaks: of five minutes over an hour and a day, of three hours over a week.
type UsageWindow struct {
	// Window is 1h, 24h or 168h.
	Window string            `json:"window"`
	P50    resource.Quantity `json:"p50"`
	P90    resource.Quantity `json:"p90"`
	P95    resource.Quantity `json:"p95"`
	P99    resource.Quantity `json:"p99"`
	Max    resource.Quantity `json:"max"`
}

// AlgorithmProfile is what one algorithm recommends, and how it would have done on what was really used.
type AlgorithmProfile struct {
	Name string `json:"name"`
	// Chosen by auto, at present.
	//
	// +optional
	Chosen bool `json:"chosen,omitempty"`
	// +optional
	Target *resource.Quantity `json:"target,omitempty"`
	// +optional
	Lower *resource.Quantity `json:"lower,omitempty"`
	// +optional
	Upper *resource.Quantity `json:"upper,omitempty"`
	// Score is what its recommendations have cost of late, in requests: idle + k x exceeded + changes. Less is better; empty for the first day.
	//
	// +optional
	Score *resource.Quantity `json:"score,omitempty"`
	// IdlePercent of the request was not used.
	//
	// +optional
	IdlePercent *int32 `json:"idlePercent,omitempty"`
	// Exceeded is the share of time in which more was used.
	//
	// +optional
	Exceeded *resource.Quantity `json:"exceeded,omitempty"`
	// ChangesPerDay of the request.
	//
	// +optional
	ChangesPerDay *resource.Quantity `json:"changesPerDay,omitempty"`
	// Reason in words, also if it recommends nothing.
	//
	// +optional
	Reason string `json:"reason,omitempty"`
}

// OOMFloor is what memory is not recommended below.
type OOMFloor struct {
	// Bytes of memory.
	Bytes resource.Quantity `json:"bytes"`
	// Limit at which the last kill happened, or the peak that was seen, if that is more.
	Limit resource.Quantity `json:"limit"`
	// LastKill is when.
	LastKill metav1.Time `json:"lastKill"`
	// Kills since the floor is known.
	Kills int32 `json:"kills"`
	// ContraryHours are the hours since, in which usage was seen to stay well below; 168 let the floor go.
	ContraryHours int32 `json:"contraryHours"`
}

// BadSamples of one fault.
type BadSamples struct {
	// Fault: Invalid, OutOfOrder, Future or ClockJump.
	Fault string `json:"fault"`
	// Count ends at 255.
	Count int32 `json:"count"`
}
