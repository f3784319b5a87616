package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/api/v1alpha1"
)

// stamp is one object of the first tenant as the API server has stored it. All names in it are as long as those of other tenants, so that an object
// of another tenant is the same bytes with other names and uids: 110,000 objects are there in less than a minute, and nobody can tell them from others.
type stamp struct {
	key   string
	value []byte
}

// load fills the API server with tenants and the nodes that they run on.
func (p *plane) load(ctx context.Context, tenants, records int) error {
	begun := time.Now()
	if err := p.create(ctx, "apiVersion: v1\nkind: Namespace\nmetadata: {name: "+fleet+"}"); err != nil {
		return err
	}
	for i := range (tenants + tenantsPerNode - 1) / tenantsPerNode {
		if err := p.node(ctx, nodeOf(i)); err != nil {
			return err
		}
	}
	uids, err := p.makeTenant(ctx, first(begun, records))
	if err != nil {
		return err
	}
	stamps, err := p.stamps(ctx)
	if err != nil {
		return err
	}
	if err := p.copies(ctx, tenants, stamps, uids); err != nil {
		return err
	}
	if err := p.loaded(ctx, tenants); err != nil {
		return err
	}
	fmt.Printf("%d tenants, %d objects: loaded in %.0f s\n", tenants, tenants*len(stamps), time.Since(begun).Seconds())
	return nil
}

func (p *plane) node(ctx context.Context, name string) error {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if err := p.client.Create(ctx, node); err != nil {
		return err
	}
	node.Status.Allocatable = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("64"), corev1.ResourceMemory: resource.MustParse("256Gi"), corev1.ResourcePods: resource.MustParse("250")}
	node.Status.Capacity = node.Status.Allocatable
	node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue, LastHeartbeatTime: metav1.Now(), LastTransitionTime: metav1.Now()}}
	return p.client.Status().Update(ctx, node)
}

// stamps are what the API server has stored of the first tenant.
func (p *plane) stamps(ctx context.Context) (all []stamp, err error) {
	found, err := p.etcd.Get(ctx, "/registry/", clientv3.WithPrefix())
	if err != nil {
		return nil, err
	}
	for _, kv := range found.Kvs {
		if strings.Contains(string(kv.Key), nameOf(0)) {
			all = append(all, stamp{string(kv.Key), kv.Value})
		}
	}
	return all, nil
}

// of another tenant: the same with other names, on another node, and with other uids.
func (s stamp) of(i int, uids, others []string) (key, value string) {
	raw := bytes.ReplaceAll(s.value, []byte(nameOf(0)), []byte(nameOf(i)))
	raw = bytes.ReplaceAll(raw, []byte(nodeOf(0)), []byte(nodeOf(i/tenantsPerNode)))
	for j, uid := range uids {
		raw = bytes.ReplaceAll(raw, []byte(uid), []byte(others[j]))
	}
	return strings.ReplaceAll(s.key, nameOf(0), nameOf(i)), string(raw)
}

// copies of the first tenant, many at the same time.
func (p *plane) copies(ctx context.Context, tenants int, stamps []stamp, uids []string) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for i := 1; i < tenants; i++ {
		if i%1000 == 0 {
			fmt.Printf("%d of %d tenants written\n", i, tenants)
		}
		g.Go(func() error {
			others := make([]string, len(uids))
			for j := range others {
				others[j] = uuid.NewString()
			}
			var puts []clientv3.Op
			for _, s := range stamps {
				puts = append(puts, clientv3.OpPut(s.of(i, uids, others)))
			}
			_, err := p.etcd.Txn(ctx).Then(puts...).Commit()
			return err
		})
	}
	return g.Wait()
}

// catchUp is how long the API server's caches may take to have all that was written.
const catchUp = 5 * time.Minute

// loaded waits until the API server serves what was written, and proves that it can be read as what it is.
func (p *plane) loaded(ctx context.Context, tenants int) error {
	deadline := time.Now().Add(catchUp)
	for _, one := range []struct {
		list client.ObjectList
		want int
	}{
		{&v1alpha1.TenantClusterList{}, tenants}, {&v1alpha1.ClusterScalerList{}, tenants}, {&corev1.PodList{}, tenants * len(components)},
		{&v1alpha1.WorkloadProfileList{}, tenants * len(components)},
	} {
		for {
			n, err := p.count(ctx, one.list)
			if err != nil {
				return err
			}
			if n == one.want {
				break
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("the API server has %d objects in a %T, want %d", n, one.list, one.want)
			}
			if err := wait(ctx, time.Second); err != nil {
				return err
			}
		}
	}
	return nil
}

// count reads all objects of a kind.
func (p *plane) count(ctx context.Context, list client.ObjectList) (n int, err error) {
	for next := ""; ; {
		if err := p.client.List(ctx, list, client.Limit(1000), client.Continue(next)); err != nil {
			return 0, err
		}
		n += apimeta.LenList(list)
		if next = list.GetContinue(); next == "" {
			return n, nil
		}
	}
}
