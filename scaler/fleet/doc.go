// Package fleet orders the steps down of all tenants: which of them may be made now, in which order the others follow and when, and when nothing
// shrinks any more because too much of it was taken back.
//
// It owns budgets, groups and risk. It never says whether a step down is right, which package plan does, and it holds nothing that grows.
//
// A candidate is a component that every other guard lets shrink:
//
//	waiting -> open (its turn has come) -> made, and counted as a down -> perhaps taken back, and counted as a regret
//	              \-> passed over (its turn was not used), and back to waiting an hour later
package fleet
