package v1alpha1

// Cause of a component's trouble.
type Cause struct {
	// Type: CPUBound, SeatsFull, ListStorm, SlowDisk, SlowWebhook, Leak, TooSmallFromBirth or QuotaNear.
	Type string `json:"type"`
	// ConfidencePercent is how sure that is.
	ConfidencePercent int32 `json:"confidencePercent"`
	// Says what was seen.
	Says string `json:"says"`
	// Helps: what would help.
	//
	// +optional
	Helps string `json:"helps,omitempty"`
	// Evidence with its numbers; in records only.
	//
	// +optional
	// +listType=atomic
	Evidence []string `json:"evidence,omitempty"`
}
