// Package model holds the values that decisions about sizes are made of: what was seen, what the policy says, what is proposed and decided.
//
// It owns their meaning and units: CPU in thousandths of a core, memory in bytes, zero for none. It decides nothing.
package model
