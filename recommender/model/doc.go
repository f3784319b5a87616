// Package model holds what is known about the use of a container: samples, what they add up to, what they lacked, and what kills have taught.
//
// It owns the history and its compact form, below 4 KiB for a container, and the rule that what was not seen is a gap and never zero. It
// proposes nothing (that is package estimator), reads no clock, and knows no source.
package model
