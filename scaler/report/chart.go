package report

// Chart is the history of one component.
type Chart struct{}
