// Package estimator recommends amounts: one file for each algorithm, one line for each in All, and auto, which scores all of them on what is
// really used and follows the one that does best.
//
// It owns the arithmetic from history to an amount, the bump after kills, what may not be recommended for want of data, and floors, caps and
// rounding. It never reads a clock, never changes a workload, and changes nothing of a container but what auto has learned about it.
//
// To add an algorithm: write a function of the type Recommend in a file of its own, name it in All, raise model.Candidates (which costs 16 bytes for
// each resource of a container), and run the tests: the contract in contract_test.go covers all that All names.
package estimator
