package basic

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/metapilot/metapilot/e2e/scenario"
)

const keeper = `
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 64Mi}}
---
apiVersion: v1
kind: Pod
metadata: {name: keeper}
spec:
  terminationGracePeriodSeconds: 1
  securityContext: {runAsNonRoot: true, runAsUser: 65534}
  containers:
  - name: keeper
    image: {{image "workload"}}
    imagePullPolicy: Never
    args: [wait]
    volumeMounts: [{name: data, mountPath: /data}]
  volumes:
  - {name: data, persistentVolumeClaim: {claimName: data}}
`

// A claim keeps its data while pods come and go, brings them back to the node where the data is, and leaves nothing when it is deleted.
func TestVolumeKeepsDataAndIsReclaimed(t *testing.T) {
	s := scenario.NewOwn(t)
	s.Apply(keeper)
	first := s.RunningPod("keeper")
	s.Kubectl("exec", "keeper", "--", "/workload", "write", "/data/note", "kept")
	s.Kubectl("delete", "pod", "keeper", "--wait")
	s.Apply(keeper)
	second := s.RunningPod("keeper")
	if first.UID == second.UID || first.Spec.NodeName != second.Spec.NodeName {
		t.Fatalf("want another pod on the same node, got %s on %s after %s on %s", second.UID, second.Spec.NodeName, first.UID, first.Spec.NodeName)
	}
	if out := s.Kubectl("exec", "keeper", "--", "/workload", "read", "/data/note"); strings.TrimSpace(out) != "kept" {
		t.Errorf("the volume holds %q, want what the first pod wrote", out)
	}
	name := s.Kubectl("get", "pvc", "data", "-o", "jsonpath={.spec.volumeName}")
	folder := filepath.Join(s.Cluster.VolumeFolder(second.Spec.NodeName), name)
	if _, err := os.Stat(filepath.Join(folder, "note")); err != nil {
		t.Errorf("the data is not where the volume should be on the node's disk: %v", err)
	}
	s.Kubectl("delete", "pod/keeper", "pvc/data", "--wait")
	s.Eventually("the volume and its folder are gone", time.Minute, func(ctx context.Context) (bool, string) {
		_, apiErr := s.Client.CoreV1().PersistentVolumes().Get(ctx, name, metav1.GetOptions{})
		_, diskErr := os.Stat(folder)
		return apierrors.IsNotFound(apiErr) && os.IsNotExist(diskErr), "volume or folder is still there"
	})
}
