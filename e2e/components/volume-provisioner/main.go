// Command volume-provisioner gives out local volumes: a folder on the node where the first pod of a claim is scheduled, removed when
// the claim is deleted. One instance runs on every node and cares only for its own node's volumes. The work with claims and volumes
// is done by the sig-storage provisioner library. It does not enforce a volume's size.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

const (
	provisionerName = "metapilot.io/local-folder"
	selectedNode    = "volume.kubernetes.io/selected-node"
	ownerNode       = "metapilot.io/volume-node"
	retryMax        = 10 * time.Second
)

// folders is the provisioner of one node.
type folders struct {
	root string // where the volumes are, the same path on the node and in this container
	node string
}

var (
	_ controller.Provisioner   = folders{}
	_ controller.Qualifier     = folders{}
	_ controller.DeletionGuard = folders{}
)

func (f folders) ShouldProvision(_ context.Context, claim *corev1.PersistentVolumeClaim) bool {
	return claim.Annotations[selectedNode] == f.node
}

func (f folders) ShouldDelete(_ context.Context, volume *corev1.PersistentVolume) bool {
	return volume.Annotations[ownerNode] == f.node
}

func (f folders) Provision(_ context.Context, o controller.ProvisionOptions) (*corev1.PersistentVolume, controller.ProvisioningState, error) {
	path := filepath.Join(f.root, o.PVName)
	if err := os.MkdirAll(path, 0o777); err != nil {
		return nil, controller.ProvisioningFinished, fmt.Errorf("making folder of volume %s: %w", o.PVName, err)
	}
	if err := os.Chmod(path, 0o777); err != nil { // whatever the umask: pods run as any user
		return nil, controller.ProvisioningFinished, fmt.Errorf("opening folder of volume %s to all users: %w", o.PVName, err)
	}
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: o.PVName, Annotations: map[string]string{ownerNode: f.node}},
		Spec: corev1.PersistentVolumeSpec{
			PersistentVolumeReclaimPolicy: *o.StorageClass.ReclaimPolicy,
			AccessModes:                   o.PVC.Spec.AccessModes,
			Capacity:                      corev1.ResourceList{corev1.ResourceStorage: o.PVC.Spec.Resources.Requests[corev1.ResourceStorage]},
			PersistentVolumeSource:        corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: path}},
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{
				NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{{
					Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{f.node},
				}}}},
			}},
		},
	}, controller.ProvisioningFinished, nil
}

func (f folders) Delete(_ context.Context, volume *corev1.PersistentVolume) error {
	path := volume.Spec.Local.Path
	if filepath.Dir(path) != f.root {
		return fmt.Errorf("volume %s lies at %s, not directly below %s; it is left alone", volume.Name, path, f.root)
	}
	if err := os.RemoveAll(path); err != nil {
		return fmt.Errorf("removing folder of volume %s: %w", volume.Name, err)
	}
	return nil
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Getenv("VOLUME_ROOT"), os.Getenv("NODE_NAME")); err != nil {
		fmt.Fprintln(os.Stderr, "volume-provisioner:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, root, node string) error {
	if root == "" || node == "" {
		return fmt.Errorf("VOLUME_ROOT (%q) and NODE_NAME (%q) both have to be set", root, node)
	}
	config, err := rest.InClusterConfig()
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	controller.NewProvisionController(ctx, client, provisionerName, folders{root: root, node: node},
		controller.LeaderElection(false), // each instance has a node of its own
		controller.RetryIntervalMax(retryMax),
	).Run(ctx)
	return nil
}
