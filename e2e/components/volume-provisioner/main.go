// Command volume-provisioner gives out local volumes: a folder on the node where the first pod of a claim is scheduled, removed when
// the claim is deleted. One instance runs on every node and cares only for its own node's volumes. The work with claims and volumes
// is done by the sig-storage provisioner library. It does not enforce a volume's size.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

const (
	provisionerName = "metapilot.io/local-folder"
	retryMax        = 10 * time.Second
)

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
