// Package units holds formulas about amounts that more than one component has to agree on.
package units

// GoMemLimit is the soft limit that a Go program gets whose container has the memory limit, both in bytes: nine tenths, for what the runtime does
// not count (Go's guide to its garbage collector advises to leave 5 to 10 percent).
func GoMemLimit(limit int64) int64 { return limit / 10 * 9 }
