package programs

import (
	"github.com/metapilot/metapilot/scaler/model"
	"github.com/metapilot/metapilot/scaler/source/exposition"
)

// etcdOf is what an etcd member says. Without rates it is what changes slowly alone.
func etcdOf(a *exposition.Answer, r *exposition.Rates) *model.Etcd {
	e := &model.Etcd{Size: int64(a.Total(size)), Used: int64(a.Total(used)), Quota: int64(a.Total(quota))}
	if r == nil {
		return e
	}
	e.Fsync, e.Commit = r.Latencies(fsync, false)[""], r.Latencies(commit, false)[""]
	e.LeaderChanges = r.Total(leaderChanges) * 3600
	e.ProposalsFailed = r.Total(proposalsFailed)
	return e
}
