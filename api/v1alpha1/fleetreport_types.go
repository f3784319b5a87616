package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// FleetReport is what was done with a fleet in a time, and what would be done with it if every mode were DryRun.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=frep,categories=metapilot
// +kubebuilder:printcolumn:name="Tenants",type=integer,JSONPath=`.status.total.tenants`
// +kubebuilder:printcolumn:name="Done",type=integer,JSONPath=`.status.total.done.changes`
// +kubebuilder:printcolumn:name="Would",type=integer,JSONPath=`.status.total.would.changes`
// +kubebuilder:printcolumn:name="Saves CPU",type=string,JSONPath=`.status.total.would.saved.requests.cpu`
// +kubebuilder:printcolumn:name="Saves memory",type=string,JSONPath=`.status.total.would.saved.requests.memory`
// +kubebuilder:printcolumn:name="Held",type=integer,JSONPath=`.status.total.held.changes`
// +kubebuilder:printcolumn:name="Regrets",type=integer,JSONPath=`.status.total.regrets`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type FleetReport struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a report says what was, and cannot be changed: delete it if it must not be kept"
	Spec   FleetReportSpec   `json:"spec"`
	Status FleetReportStatus `json:"status,omitempty"`
}

// FleetReportList is a list of FleetReports.
//
// +kubebuilder:object:root=true
type FleetReportList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []FleetReport `json:"items"`
}

// FleetReportSpec is what is reported on. It never changes.
type FleetReportSpec struct {
	// Namespace of the ClusterScalers; all if left out.
	//
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// From when on decisions are counted.
	From metav1.Time `json:"from"`
	// To when they are counted, and when it was looked what would be done.
	To metav1.Time `json:"to"`
	// By what they are summed up: owner, component or label=<key>.
	//
	// +optional
	// +listType=atomic
	By []string `json:"by,omitempty"`
	// Top is how many lines each list has at most.
	//
	// +optional
	Top int32 `json:"top,omitempty"`
}

// FleetReportStatus is the report.
type FleetReportStatus struct {
	// Total of all.
	//
	// +optional
	Total ReportLine `json:"total,omitempty"`
	// Summaries, one for each of spec.by.
	//
	// +optional
	// +listType=atomic
	Summaries []ReportSummary `json:"summaries,omitempty"`
	// Holds by guard, the most frequent first.
	//
	// +optional
	// +listType=atomic
	Holds []ReportHold `json:"holds,omitempty"`
	// Reactions are how long growth took, by what called for it.
	//
	// +optional
	// +listType=atomic
	Reactions []ReportReaction `json:"reactions,omitempty"`
	// Causes of trouble that were found and stand, the most frequent first.
	//
	// +optional
	// +listType=atomic
	Causes []ReportCause `json:"causes,omitempty"`
	// Riskiest tenants, the worst first.
	//
	// +optional
	Riskiest ReportTenants `json:"riskiest,omitempty"`
	// Saving are the tenants that would leave most to others, the most first.
	//
	// +optional
	Saving ReportTenants `json:"saving,omitempty"`
	// Unknown says what could not be told.
	//
	// +optional
	// +listType=atomic
	Unknown []string `json:"unknown,omitempty"`
}

// ReportSummary is one line for each owner, component or label.
type ReportSummary struct {
	// By what it is summed up.
	By string `json:"by"`
	// Lines, those with the largest changes first.
	//
	// +listType=atomic
	Lines []ReportLine `json:"lines"`
	// More lines that are left out here, and are in the total.
	//
	// +optional
	More int32 `json:"more,omitempty"`
}

// ReportLine sums up some components.
type ReportLine struct {
	// +optional
	Name string `json:"name,omitempty"`
	// Tenants, or targets of plain workloads.
	Tenants    int32 `json:"tenants"`
	Components int32 `json:"components"`
	// Requested is what the components' pods request and may use now.
	//
	// +optional
	Requested Size `json:"requested,omitempty"`
	// Done is what was carried out.
	Done ReportChange `json:"done"`
	// Would is what would be done now.
	Would ReportChange `json:"would"`
	// Held is what is called for now, and a guard holds.
	Held ReportChange `json:"held"`
	// Regrets are steps down that were taken back.
	Regrets int32 `json:"regrets"`
	// Escalated are steps up that were not enough.
	Escalated int32 `json:"escalated"`
	// Degraded are changes after which a check found something wrong.
	Degraded int32 `json:"degraded"`
	// Failed could not be carried out.
	Failed int32 `json:"failed"`
	// OOMKills that are known of the time.
	OOMKills int32 `json:"oomKills"`
}

// ReportChange sums up changes over all pods of the components.
type ReportChange struct {
	Changes int32 `json:"changes"`
	Up      int32 `json:"up"`
	Down    int32 `json:"down"`
	// Restarts that pay restart debts.
	//
	// +optional
	Restarts int32 `json:"restarts,omitempty"`
	// Added is what they take more.
	//
	// +optional
	Added Size `json:"added,omitempty"`
	// Saved is what they leave to others.
	//
	// +optional
	Saved Size `json:"saved,omitempty"`
}

// ReportHold is how often a guard holds.
type ReportHold struct {
	Guard string `json:"guard"`
	// Now is the number of changes that it holds now.
	Now int32 `json:"now"`
	// Growth is how many of these are growth.
	Growth int32 `json:"growth"`
	// WrittenDown is how many holds were written down in the time: growth alone, and by the hour.
	WrittenDown int32 `json:"writtenDown"`
	// Example in the guard's words.
	//
	// +optional
	Example string `json:"example,omitempty"`
}

// ReportReaction is how long growth took from what called for it.
type ReportReaction struct {
	// Source that called for it.
	Source string `json:"source"`
	// ToDecision is the time to the decision.
	ToDecision ReportTimes `json:"toDecision"`
	// ToEffect is the time until all running containers had the size.
	ToEffect ReportTimes `json:"toEffect"`
}

// ReportTimes are a distribution of times in milliseconds.
type ReportTimes struct {
	Count int32 `json:"count"`
	P50   int64 `json:"p50"`
	P99   int64 `json:"p99"`
}

// ReportCause is a cause of trouble.
type ReportCause struct {
	Type       string `json:"type"`
	Components int32  `json:"components"`
	// Helps is what would, in words.
	//
	// +optional
	Helps string `json:"helps,omitempty"`
}

// ReportTenants are the first of a list.
type ReportTenants struct {
	// +optional
	// +listType=atomic
	Tenants []ReportTenant `json:"tenants,omitempty"`
	// More that are left out.
	//
	// +optional
	More int32 `json:"more,omitempty"`
}

// ReportTenant is one tenant, or the target of one ClusterScaler.
type ReportTenant struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// Scaler that looks after it.
	Scaler string `json:"scaler"`
	// Risk from 0 to 100 that it has too little, or that nobody would see so.
	Risk int32 `json:"risk"`
	// Risks are why, the worst first.
	//
	// +optional
	// +listType=atomic
	Risks []string `json:"risks,omitempty"`
	// Would be done, or is held.
	//
	// +optional
	Added Size `json:"added,omitempty"`
	// Saved if what would be done or is held is done.
	//
	// +optional
	Saved Size `json:"saved,omitempty"`
	// Steps in words, one for each component that would be changed.
	//
	// +optional
	// +listType=atomic
	Steps []string `json:"steps,omitempty"`
}
