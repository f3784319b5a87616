package tenantcluster

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/internal/pki"
	"github.com/metapilot/metapilot/operators/tenantcluster/plan"
)

// etcdIdentity is who the operator is towards a tenant's etcd; like its other identities it is written nowhere.
var etcdIdentity = pki.Request{CommonName: "metapilot-operator", Client: true, Validity: identityValidity}

const (
	memberLimit = 2 * time.Second
	// maxLag, in entries of the log: a member further behind is catching up, and does not count when another is to be restarted.
	maxLag = 1000
)

// askMembers asks each etcd member how it is. A member that does not answer is not healthy.
func (r *Reconciler) askMembers(ctx context.Context, tc *v1alpha1.TenantCluster, v *vault) []plan.Member {
	ctx, cancel := context.WithTimeout(ctx, memberLimit)
	defer cancel()
	trust, err := r.identify(v, plan.EtcdClientCA, etcdIdentity)
	if err != nil {
		return nil
	}
	var (
		all  []plan.Member
		lock sync.Mutex
		work sync.WaitGroup
	)
	for pod, url := range plan.MemberURLs(tc) {
		work.Go(func() {
			m := askMember(ctx, pod, clientv3.Config{Endpoints: []string{url}, TLS: trust, Logger: zap.NewNop()})
			lock.Lock()
			defer lock.Unlock()
			all = append(all, m)
		})
	}
	work.Wait()
	slices.SortFunc(all, func(a, b plan.Member) int { return cmp.Compare(a.Pod, b.Pod) })
	return all
}

func askMember(ctx context.Context, pod string, config clientv3.Config) plan.Member {
	m := plan.Member{Pod: pod}
	c, err := clientv3.New(config)
	if err != nil {
		return m
	}
	defer c.Close()
	status, err := c.Status(ctx, config.Endpoints[0])
	if err != nil {
		return m
	}
	m.Leader, m.DBSize = status.Leader == status.Header.MemberId, status.DbSize
	m.Healthy = status.Leader != 0 && !status.IsLearner && status.RaftIndex-status.RaftAppliedIndex < maxLag
	for _, said := range status.Errors {
		if strings.Contains(said, "alarm") {
			m.Alarm = said
		}
	}
	return m
}

// moveLeader has another healthy member lead before the pod is restarted, so that writes wait for milliseconds and not for an election.
func (r *Reconciler) moveLeader(ctx context.Context, tc *v1alpha1.TenantCluster, v *vault, pod string) error {
	trust, err := r.identify(v, plan.EtcdClientCA, etcdIdentity)
	if err != nil {
		return err
	}
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{plan.MemberURLs(tc)[pod]}, TLS: trust, Logger: zap.NewNop()})
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	members, err := c.MemberList(ctx)
	if err != nil {
		return fmt.Errorf("listing members: %w", err)
	}
	for _, m := range members.Members {
		if m.Name != pod && !m.IsLearner {
			if _, err = c.MoveLeader(ctx, m.ID); err == nil {
				return nil
			}
		}
	}
	return fmt.Errorf("no other member could take over from %s: %w", pod, err)
}
