// Package profile keeps a WorkloadProfile for every workload that is admitted, and fills it: feed, estimate, limit, write.
//
// It owns the WorkloadProfiles' statuses and their checkpoints, and is the only place of the recommender that reads a clock or an API server. It never
// changes a workload, and it never forgets: what is not there for a moment is frozen.
package profile
