package tenant

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/metapilot/metapilot/e2e/metacluster/cgroup"
	"github.com/metapilot/metapilot/e2e/scenario"
	"github.com/metapilot/metapilot/e2e/scenario/hosted"
)

// A deleted tenant leaves nothing: no object, volume, folder on a node's disk, cgroup or process.
func TestDeleteLeavesNothing(t *testing.T) {
	t.Parallel() // beside the one that waits for certificates to end
	s := scenario.NewOwn(t)
	tc := newTenant(s, "gone", "  etcd: {members: 3}")
	volumes := tc.volumes(t.Context())
	if len(volumes) != 3 {
		t.Fatalf("%d volumes, want 3: %v", len(volumes), volumes)
	}
	var groups []string
	for _, component := range []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"} {
		for _, p := range tc.Pods(t.Context(), component) {
			groups = append(groups, string(p.UID))
		}
	}
	if found := tc.groupsOf(groups); len(found) != len(groups) {
		t.Fatalf("%d cgroups of %d pods were found, so their absence would prove nothing: %v", len(found), len(groups), found)
	}
	tc.Kubectl("delete", "tenantcluster", "gone", "--timeout=2m")
	if left := tc.volumes(t.Context()); len(left) > 0 {
		t.Errorf("volumes are left: %v", left)
	}
	if _, err := tc.Client.CoreV1().Namespaces().Get(t.Context(), tc.Home, metav1.GetOptions{}); err == nil {
		t.Errorf("namespace %s is left", tc.Home)
	}
	if _, err := tc.Client.CoreV1().Secrets(tc.Namespace).Get(t.Context(), "gone-kubeconfig", metav1.GetOptions{}); err == nil {
		t.Error("the kubeconfig is left")
	}
	tc.Eventually("the nodes have forgotten it", hosted.Usable, func(context.Context) (bool, string) {
		left := append(tc.groupsOf(groups), tc.foldersOf(volumes)...)
		return len(left) == 0, fmt.Sprint(left)
	})
}

// groupsOf are the cgroups that pods still have.
func (tc tenant) groupsOf(uids []string) (left []string) {
	tc.Helper()
	for _, uid := range uids {
		found, err := filepath.Glob(filepath.Join("/sys/fs/cgroup/memory", cgroup.Root, "*", "kubepods", "*", "pod"+uid))
		if err != nil {
			tc.Fatal(err)
		}
		left = append(left, found...)
	}
	return left
}

// foldersOf are the folders that volumes still have on the nodes' disks.
func (tc tenant) foldersOf(volumes []string) (left []string) {
	for _, node := range tc.Cluster.Nodes {
		for _, v := range volumes {
			folder := filepath.Join(tc.Cluster.VolumeFolder(node.Name), v)
			if _, err := os.Stat(folder); err == nil {
				left = append(left, folder)
			}
		}
	}
	return left
}

// volumes are the names of the volumes of the tenant's claims.
func (tc tenant) volumes(ctx context.Context) (names []string) {
	tc.Helper()
	list, err := tc.Client.CoreV1().PersistentVolumes().List(ctx, metav1.ListOptions{Limit: 500})
	if err != nil {
		tc.Fatal(err)
	}
	for _, v := range list.Items {
		if v.Spec.ClaimRef != nil && v.Spec.ClaimRef.Namespace == tc.Home {
			names = append(names, v.Name)
		}
	}
	return names
}
