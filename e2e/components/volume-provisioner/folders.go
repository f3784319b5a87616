package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

// Annotations: the first is the scheduler's, on a claim; the second is ours, on a volume.
const (
	selectedNode = "volume.kubernetes.io/selected-node"
	ownerNode    = "metapilot.io/volume-node"
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
			NodeAffinity:                  onlyOn(f.node),
		},
	}, controller.ProvisioningFinished, nil
}

func onlyOn(node string) *corev1.VolumeNodeAffinity {
	return &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{
		NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{{
			Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{node},
		}}}},
	}}
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
