// Package plan decides about the size of one component: estimators propose, the largest proposal wins, guards hold or trim it.
// What proposes less is followed when nobody proposes more.
//
// It owns the order of the guards and the words of every decision, also of the decision to stay. It never acts, and it has no memory of its own:
// what it knew before comes in again as what was observed.
package plan
