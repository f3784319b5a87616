package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// ClusterScalerStatus is what the autopilot sees and does.
type ClusterScalerStatus struct {
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Probe is what asking the TenantCluster from outside shows; nothing for workloads.
	//
	// +optional
	Probe *ProbeStatus `json:"probe,omitempty"`
	// +optional
	// +listType=map
	// +listMapKey=name
	Components []ScaledComponent `json:"components,omitempty"`
	// Scale of the tenant's cluster, as its programs told last.
	//
	// +optional
	Scale *ClusterScale `json:"scale,omitempty"`
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// ProbeState is what asking a tenant from outside has shown.
type ProbeState string

// What asking a tenant from outside has shown.
const (
	ProbeAnswers ProbeState = "Answers"
	ProbeFailing ProbeState = "Failing" // nothing is made smaller
	ProbeUnknown ProbeState = "Unknown" // nothing is made smaller either
	ProbeOff     ProbeState = "Off"     // nobody asks, and nothing rests on it
)

// ProbeStatus is how a tenant answers who asks it as its users do. It is written when it changes.
type ProbeStatus struct {
	// State is Answers, Failing, Unknown or Off.
	State ProbeState `json:"state"`
	// Since when; left out if that is not known.
	//
	// +optional
	Since *metav1.Time `json:"since,omitempty"`
	// Says what fails, or why it is not known.
	//
	// +optional
	Says string `json:"says,omitempty"`
}

// ScaledComponent is what is known and decided of one component.
type ScaledComponent struct {
	Name string `json:"name"`
	// TargetUID is that of the TenantCluster or workload that all this is about.
	//
	// +optional
	TargetUID types.UID `json:"targetUID,omitempty"`
	// Size that its containers should have.
	//
	// +optional
	Size Size `json:"size,omitempty"`
	// Replicas is how many pods it should have; left out if that is not known.
	//
	// +optional
	Replicas int32 `json:"replicas,omitempty"`
	// Would is what would be done with it if every mode were DryRun, or is held; left out if nothing is called for.
	//
	// +optional
	Would *Rehearsal `json:"would,omitempty"`
	// Says is why it has this size and no other.
	//
	// +optional
	Says string `json:"says,omitempty"`
	// WhyNotSmaller is what keeps it from shrinking.
	//
	// +optional
	WhyNotSmaller string `json:"whyNotSmaller,omitempty"`
	// Held is a change that is wanted and not made.
	//
	// +optional
	Held *HeldChange `json:"held,omitempty"`
	// Causes of its trouble, the surest first.
	//
	// +optional
	// +kubebuilder:validation:MaxItems=4
	// +listType=map
	// +listMapKey=type
	Causes []Cause `json:"causes,omitempty"`
	// Turn is a step down that waits for nothing but its turn among those of the fleet; the mode may be DryRun.
	//
	// +optional
	Turn *Turn `json:"turn,omitempty"`
	// Waits says which pod does not run with this size yet, and why.
	//
	// +optional
	Waits string `json:"waits,omitempty"`
	// UsageUnknown says why it is not known what its pods use; until then only OOM kills make it grow.
	//
	// +optional
	UsageUnknown string `json:"usageUnknown,omitempty"`
	// RestartDebt says what a restart would bring, if it would bring anything.
	//
	// +optional
	RestartDebt string `json:"restartDebt,omitempty"`
	// Grown is when it last grew.
	//
	// +optional
	Grown *metav1.Time `json:"grown,omitempty"`
	// Shrunk is when it last shrank.
	//
	// +optional
	Shrunk *metav1.Time `json:"shrunk,omitempty"`
	// Idle is what is known of its being too large.
	//
	// +optional
	Idle *Idle `json:"idle,omitempty"`
	// Yields is until when a size that somebody else has given a plain workload is left alone, or was.
	//
	// +optional
	Yields *metav1.Time `json:"yields,omitempty"`
	// Kills are the last OOM kills, oldest first.
	//
	// +optional
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	Kills []OOMKill `json:"kills,omitempty"`
	// LastRecord names the ScalingRecord of the last decision.
	//
	// +optional
	LastRecord string `json:"lastRecord,omitempty"`
}

// Rehearsal is what would be done with a component.
type Rehearsal struct {
	// Decision: Up, Down, Revert or Restart, or Hold for what a guard would hold.
	Decision Decision `json:"decision"`
	// To is the size that it would get, one step on.
	//
	// +optional
	To Size `json:"to,omitempty"`
	// Guard that holds it.
	//
	// +optional
	Guard string `json:"guard,omitempty"`
}

// Turn is a step down that waits for nothing but its turn among those of the fleet. The least risk comes first, then the largest saving.
type Turn struct {
	// To is the size that it would have.
	To Size `json:"to"`
	// Saving of it, over all pods.
	Saving Saving `json:"saving"`
	// Risk in points, and what they come from.
	Risk int32 `json:"risk"`
	// +optional
	// +listType=atomic
	Risks []string `json:"risks,omitempty"`
	// Since when it waits.
	Since metav1.Time `json:"since"`
	// DryRun: it would only be told.
	//
	// +optional
	DryRun bool `json:"dryRun,omitempty"`
}

// Idle is how long less than it has was recommended of each resource, and the most that was. The time starts anew whenever that is not so, or not known.
type Idle struct {
	// +optional
	CPU *IdleResource `json:"cpu,omitempty"`
	// +optional
	Memory *IdleResource `json:"memory,omitempty"`
}

// IdleResource is for how long one resource was too large.
type IdleResource struct {
	Since metav1.Time `json:"since"`
	// Seen is when it was looked at last, to some minutes: it is not written at each look.
	Seen metav1.Time `json:"seen"`
	// Highest is the most that was recommended since, or used in a week, and a fifth more of that.
	Highest resource.Quantity `json:"highest"`
}

// HeldChange is a change that is wanted and not made.
type HeldChange struct {
	// Guard that holds it.
	Guard string `json:"guard"`
	// Reason in words.
	Reason string `json:"reason"`
	// Wants is the size that it would get.
	//
	// +optional
	Wants Size `json:"wants,omitempty"`
	// Since when it is held by this guard.
	Since metav1.Time `json:"since"`
	// Until when at the earliest, if that is known.
	//
	// +optional
	Until *metav1.Time `json:"until,omitempty"`
}

// OOMKill is one container killed for want of memory.
type OOMKill struct {
	Pod string `json:"pod"`
	// Container is the id of the container, by which kills are told apart.
	Container string `json:"container"`
	// Time of the kill, in whole seconds, as the kubelet tells it.
	Time metav1.Time `json:"time"`
	// Limit of memory in bytes at which it was killed.
	Limit int64 `json:"limit"`
}

// ClusterScale is how large a tenant's cluster is. It is written when that has changed by more than a fifth, and twice a day.
type ClusterScale struct {
	At      metav1.Time `json:"at"`
	Nodes   int64       `json:"nodes"`
	Pods    int64       `json:"pods"`
	Objects int64       `json:"objects"`
	// Bytes of the database that are in use.
	Bytes resource.Quantity `json:"bytes"`
	// Requests answered in a second, watches aside.
	Requests int64 `json:"requests"`
}
