package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	metricsv1beta1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/operators/tenantcluster/plan"
)

// options are the flags that all commands share.
type options struct {
	kubeconfig, namespace, system string
	everywhere                    bool
}

func command() *cobra.Command {
	var o options
	root := &cobra.Command{
		Use: "metapilot", Short: "Look at tenants, understand their sizes, and reach them", SilenceUsage: true, SilenceErrors: true,
	}
	root.PersistentFlags().StringVar(&o.kubeconfig, "kubeconfig", "", "kubeconfig of the meta cluster; as kubectl finds it if empty")
	root.PersistentFlags().StringVarP(&o.namespace, "namespace", "n", "", "namespace of the TenantCluster; that of the kubeconfig if empty")
	root.PersistentFlags().StringVar(&o.system, "system-namespace", "metapilot-system", "namespace that Metapilot runs in")
	root.AddCommand(status(&o), explain(&o), records(&o), reports(&o), downs(&o), kubeconfig(&o))
	return root
}

func status(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status [TENANT]",
		Short: "Show each tenant: version, readiness, etcd members, size, usage, age, and why it is not ready",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, namespace, err := o.connect()
			if err != nil {
				return err
			}
			if o.everywhere {
				namespace = ""
			}
			return showStatus(cmd.Context(), cmd.OutOrStdout(), c, namespace, args)
		},
	}
	cmd.Flags().BoolVarP(&o.everywhere, "all-namespaces", "A", false, "of all namespaces")
	return cmd
}

func kubeconfig(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "kubeconfig TENANT",
		Short: "Print the kubeconfig of a tenant's administrator",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, namespace, err := o.connect()
			if err != nil {
				return err
			}
			raw, err := readKubeconfig(cmd.Context(), c, namespace, args[0])
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(raw)
			return err
		},
	}
}

func readKubeconfig(ctx context.Context, c client.Client, namespace, tenant string) ([]byte, error) {
	var secret corev1.Secret
	err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: plan.KubeconfigSecret(tenant)}, &secret)
	if apierrors.IsNotFound(err) {
		var tc v1alpha1.TenantCluster
		if err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: tenant}, &tc); err != nil {
			return nil, fmt.Errorf("there is no tenant %s in namespace %s; metapilot status -A lists all: %w", tenant, namespace, err)
		}
		return nil, fmt.Errorf("tenant %s has no kubeconfig yet: %s", tenant, why(&tc))
	}
	return secret.Data["value"], err
}

// connect returns a client of the meta cluster and the namespace to work in.
func (o *options) connect() (client.Client, string, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = o.kubeconfig
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{})
	config, err := loader.ClientConfig()
	if err != nil {
		return nil, "", fmt.Errorf("finding the meta cluster: %w", err)
	}
	namespace := o.namespace
	if namespace == "" {
		if namespace, _, err = loader.Namespace(); err != nil {
			return nil, "", err
		}
	}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme, metricsv1beta1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, "", err
		}
	}
	c, err := client.New(config, client.Options{Scheme: scheme})
	return c, namespace, err
}
