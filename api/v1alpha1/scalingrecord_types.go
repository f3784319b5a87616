package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// ScalingRecord is one decision about one component: what it rested on, what else was proposed, what was done, and what came of it.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=sr,categories=metapilot
// +kubebuilder:printcolumn:name="Scaler",type=string,JSONPath=`.spec.scaler`
// +kubebuilder:printcolumn:name="Component",type=string,JSONPath=`.spec.component`
// +kubebuilder:printcolumn:name="Decision",type=string,JSONPath=`.spec.decision`
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Effect ms",type=integer,JSONPath=`.status.signalToEffectMilliseconds`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.spec.reason`,priority=1
type ScalingRecord struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a record says what was decided and cannot be changed: delete it if it must not be kept"
	Spec   ScalingRecordSpec   `json:"spec"`
	Status ScalingRecordStatus `json:"status,omitempty"`
}

// ScalingRecordList is a list of ScalingRecords.
//
// +kubebuilder:object:root=true
type ScalingRecordList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ScalingRecord `json:"items"`
}

// Decision is what was decided.
type Decision string

// What can be decided.
const (
	DecisionUp      Decision = "Up"
	DecisionDown    Decision = "Down"
	DecisionRevert  Decision = "Revert"  // to the size that pods have, for they cannot get the decided one
	DecisionRestart Decision = "Restart" // of the pods, one after the other, so that they profit from their size
	DecisionHold    Decision = "Hold"    // a change was called for, and a guard held it
)

// ScalingRecordSpec is the decision. It never changes.
type ScalingRecordSpec struct {
	// Scaler is the ClusterScaler that decided, in the record's namespace.
	Scaler string `json:"scaler"`
	// TargetUID is that of the TenantCluster or workload that the component belongs to: another one of the same name starts anew.
	//
	// +optional
	TargetUID types.UID `json:"targetUID,omitempty"`
	// Component that the decision is about.
	Component string `json:"component"`
	// Decision: Up, Down, Revert, Restart or Hold.
	Decision Decision `json:"decision"`
	// DryRun: the decision was not carried out because of the mode.
	//
	// +optional
	DryRun bool `json:"dryRun,omitempty"`
	// Disruptive: pods are replaced to carry it out.
	//
	// +optional
	Disruptive bool `json:"disruptive,omitempty"`
	// Reason in words.
	Reason string `json:"reason"`
	// Source that has seen what called for the change: oom, cpu, memory, profile, probe, or ready for a pod that is not; empty for what no source calls for.
	//
	// +optional
	Source string `json:"source,omitempty"`
	// SignalAt is when what called for the change happened, as far as it is known.
	//
	// +optional
	SignalAt *metav1.MicroTime `json:"signalAt,omitempty"`
	// SeenAt is when the scaler saw it.
	SeenAt metav1.MicroTime `json:"seenAt"`
	// DecidedAt is when it was decided.
	DecidedAt metav1.MicroTime `json:"decidedAt"`
	// From is the size before.
	From Size `json:"from"`
	// To is the size that was decided; for a Hold the one that was wanted.
	To Size `json:"to"`
	// Pods that the component had; left out if it had none, or if that was not known.
	//
	// +optional
	Pods int32 `json:"pods,omitempty"`
	// Saving of a smaller size, over all pods.
	//
	// +optional
	Saving *Saving `json:"saving,omitempty"`
	// Kills that were known, oldest first: what a status that was not written in time does not tell.
	//
	// +optional
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	Kills []OOMKill `json:"kills,omitempty"`
	// Evidence that the decision rests on.
	//
	// +optional
	// +listType=atomic
	Evidence []Evidence `json:"evidence,omitempty"`
	// Causes of the trouble, the surest first.
	//
	// +optional
	// +listType=atomic
	Causes []Cause `json:"causes,omitempty"`
	// Proposals of all estimators, also of those that abstained.
	//
	// +optional
	// +listType=atomic
	Proposals []Proposal `json:"proposals,omitempty"`
	// Guards in their order, up to the one that held.
	//
	// +optional
	// +listType=atomic
	Guards []GuardVerdict `json:"guards,omitempty"`
}

// Saving is what a smaller size leaves to others, over all pods of the component.
type Saving struct {
	Pods int32 `json:"pods"`
	// +optional
	Requests Quantities `json:"requests,omitempty"`
	// +optional
	Limits Quantities `json:"limits,omitempty"`
}

// Evidence is something that a source has seen.
type Evidence struct {
	Source string `json:"source"`
	// +optional
	Pod string `json:"pod,omitempty"`
	// Says it in words, with its numbers.
	Says string `json:"says"`
	// +optional
	At *metav1.Time `json:"at,omitempty"`
	// Uses is what the pod used then.
	//
	// +optional
	Uses Quantities `json:"uses,omitempty"`
}

// Proposal is what an estimator proposes for one resource.
type Proposal struct {
	Estimator string `json:"estimator"`
	// Resource is cpu or memory; empty if the estimator abstained as a whole.
	//
	// +optional
	Resource string `json:"resource,omitempty"`
	// Value that is proposed: of the CPU request or of the memory limit.
	//
	// +optional
	Value *resource.Quantity `json:"value,omitempty"`
	// Says why so much, or why nothing.
	Says string `json:"says"`
}

// GuardVerdict is what a guard said.
type GuardVerdict struct {
	Guard string `json:"guard"`
	// Resource that it was asked about; empty for all.
	//
	// +optional
	Resource string `json:"resource,omitempty"`
	// Held: the guard held the change.
	//
	// +optional
	Held bool `json:"held,omitempty"`
	// Says why it held, or what it changed.
	//
	// +optional
	Says string `json:"says,omitempty"`
	// Until when it holds at least.
	//
	// +optional
	Until *metav1.Time `json:"until,omitempty"`
}

// RecordPhase is how far a decision has got.
type RecordPhase string

// How far a decision has got.
const (
	PhaseDecided    RecordPhase = "Decided"    // written down, not yet carried out
	PhaseApplied    RecordPhase = "Applied"    // the size is stored where pods get it
	PhaseEffective  RecordPhase = "Effective"  // running containers have it
	PhaseVerified   RecordPhase = "Verified"   // and it was enough, as far as was looked
	PhaseDegraded   RecordPhase = "Degraded"   // and a check found that something is wrong
	PhaseEscalated  RecordPhase = "Escalated"  // it was not enough: a newer decision went further
	PhaseRegretted  RecordPhase = "Regretted"  // it was taken back
	PhaseSuperseded RecordPhase = "Superseded" // another size was decided before this one took effect
	PhaseFailed     RecordPhase = "Failed"     // it could not be carried out
	PhaseDryRun     RecordPhase = "DryRun"     // it is not carried out
	PhaseHeld       RecordPhase = "Held"       // a guard held it
)

// ScalingRecordStatus is what came of the decision.
type ScalingRecordStatus struct {
	// +optional
	Phase RecordPhase `json:"phase,omitempty"`
	// Message in words.
	//
	// +optional
	Message string `json:"message,omitempty"`
	// AppliedAt is when the size was stored.
	//
	// +optional
	AppliedAt *metav1.MicroTime `json:"appliedAt,omitempty"`
	// EffectiveAt is when the scaler saw all running containers with it.
	//
	// +optional
	EffectiveAt *metav1.MicroTime `json:"effectiveAt,omitempty"`
	// SignalToDecisionMilliseconds is the time from what happened to the decision.
	//
	// +optional
	SignalToDecisionMilliseconds *int64 `json:"signalToDecisionMilliseconds,omitempty"`
	// DecisionToEffectMilliseconds is the time from the decision to its effect.
	//
	// +optional
	DecisionToEffectMilliseconds *int64 `json:"decisionToEffectMilliseconds,omitempty"`
	// SignalToEffectMilliseconds is both together.
	//
	// +optional
	SignalToEffectMilliseconds *int64 `json:"signalToEffectMilliseconds,omitempty"`
	// Outcomes of the early and the late check, and of the watch after a step down that was taken back.
	//
	// +optional
	// +listType=map
	// +listMapKey=check
	Outcomes []Outcome `json:"outcomes,omitempty"`
}

// Outcome is what a check has found.
type Outcome struct {
	// Check: early, late, or watch.
	Check string `json:"check"`
	// At is when it was looked.
	At metav1.Time `json:"at"`
	// Good: no OOM at or below the new limit, and the component is ready.
	Good bool `json:"good"`
	// OOMKills since the effect.
	//
	// +optional
	OOMKills int32 `json:"oomKills,omitempty"`
	// Says it in words.
	Says string `json:"says"`
}
