// Package archtest is the house's rules as a test: who may import whom, what a pure room may touch, how long files and functions
// get, and what a package is called.
//
// It reads every Go module of this repository as text (see parseTree); the rules are pure functions over what was read. It never
// loads, builds or runs the code that it judges, so build tags and missing dependencies hide nothing from it. What needs types is
// left to golangci-lint.
package archtest
