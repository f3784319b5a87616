// Package report sums up what was decided about a fleet and what would be done with it, and renders that: as a table, as Markdown, as JSON, and as one
// HTML page with charts that needs no network.
//
// It reads objects as values, one at a time, so that a fleet need not fit into memory, and keeps sums alone. It never reads or writes anything itself, knows
// no clock, and never guesses: what cannot be told is said in FleetReport.status.unknown.
package report
