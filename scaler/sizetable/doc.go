// Package sizetable is the least that a control plane of a given scale needs, as a table that people can read and replace.
//
// It owns the table's format and its default, which says of each row where its numbers come from. It never says what would be right: published numbers
// for clusters of one scale differ by ten times, so a row is a floor, and something to begin with as long as nothing was measured.
package sizetable
