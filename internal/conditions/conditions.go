// Package conditions makes the conditions that statuses tell.
//
// It owns their form. When a condition has changed is for whoever writes the status.
package conditions

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Is a condition that holds.
func Is(kind, reason, message string) metav1.Condition {
	return metav1.Condition{Type: kind, Status: metav1.ConditionTrue, Reason: reason, Message: message}
}

// IsNot a condition that holds.
func IsNot(kind, reason, message string) metav1.Condition {
	return metav1.Condition{Type: kind, Status: metav1.ConditionFalse, Reason: reason, Message: message}
}
