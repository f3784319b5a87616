package cause

import (
	"fmt"

	"github.com/metapilot/metapilot/scaler/model"
)

const (
	// nearQuota is ours: etcd's own alert (etcd-mixin, etcdDatabaseQuotaLowSpace) comes at 95 %, from which a client that writes much is at 100 % at once.
	nearQuota = 80 // percent
	// loose is the share of the database in use, in percent, below which most of it is given back by a defragmentation (etcd-mixin,
	// etcdDatabaseHighFragmentationRatio).
	loose = 50
)

// quotaNear: the database of etcd is about to reach its quota, at which etcd takes no changes any more.
func quotaNear(s *sight) model.Cause {
	c := model.Cause{
		Memory: model.CannotHelp, Says: "the database of etcd is close to its quota, at which it takes no changes any more",
		Helps: "delete or compact what is stored, or raise the quota (--quota-backend-bytes)",
	}
	for i := range s.o.Pods {
		pod := &s.o.Pods[i]
		r := fresh(pod, s.o.Now)
		if r == nil || r.Etcd == nil || r.Etcd.Quota <= 0 || !s.over(float64(r.Etcd.Size)*100, float64(r.Etcd.Quota)*nearQuota) {
			continue
		}
		if e := r.Etcd; e.Used > 0 && float64(e.Used)*100 < float64(e.Size)*loose {
			c.Helps = "defragment etcd, most of whose database is free, or raise the quota (--quota-backend-bytes)"
		}
		c.Confidence = sure + 5
		c.Evidence = append(c.Evidence, fmt.Sprintf("%s: %s of a quota of %s%s",
			pod.Name, model.Short(model.Memory, r.Etcd.Size), model.Short(model.Memory, r.Etcd.Quota), inUse(r.Etcd)))
	}
	if c.Confidence == 0 {
		return none
	}
	c.Evidence = lines(c.Evidence)
	return c
}

func inUse(e *model.Etcd) string {
	if e.Used <= 0 {
		return ""
	}
	return ", of which " + model.Short(model.Memory, e.Used) + " are in use"
}
