package command

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/metapilot/metapilot/e2e/metacluster/cluster"
	"github.com/metapilot/metapilot/e2e/metacluster/component"
	"github.com/metapilot/metapilot/e2e/metacluster/demo"
	"github.com/metapilot/metapilot/e2e/metacluster/install"
)

func up() *cobra.Command {
	var o cluster.Options
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Bring the meta cluster up, or go on where an earlier up was stopped",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r := reporter()
			c, err := cluster.Up(cmd.Context(), o, r)
			if err != nil {
				return err
			}
			r.Say("\nThe meta cluster is up after %s. Go on with:", r.Total().Round(100*time.Millisecond))
			r.Say("  bin/metacluster status\n  bin/metacluster kubectl get nodes\n  export KUBECONFIG=%s", c.Kubeconfig())
			return nil
		},
	}
	upFlags(cmd, &o)
	return cmd
}

func upFlags(cmd *cobra.Command, o *cluster.Options) {
	cmd.Flags().IntVar(&o.Nodes, "nodes", 0, "number of nodes (default: those of the meta cluster that is there, or 2)")
	cmd.Flags().StringArrayVar(&o.TenantVersions, "tenant-version", nil,
		"Kubernetes version whose image tenants will use, such as v1.35.4; may be repeated; built when asked for")
}

func showDemo() *cobra.Command {
	var o cluster.Options
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Bring the meta cluster up, install Metapilot, run a tenant, and show it",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r := reporter()
			if len(o.TenantVersions) == 0 {
				o.TenantVersions = []string{component.DefaultVersion}
			}
			c, err := cluster.Up(cmd.Context(), o, r)
			if err != nil {
				return err
			}
			return demo.Run(cmd.Context(), c, r)
		},
	}
	upFlags(cmd, &o)
	return cmd
}

func installAll() *cobra.Command {
	return &cobra.Command{
		Use:   "install",
		Short: "Build Metapilot and install it into the meta cluster; again after a change of the code",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := cluster.Open()
			if err != nil {
				return err
			}
			return install.Run(cmd.Context(), c, reporter())
		},
	}
}

func down() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "down",
		Short: "Take the meta cluster down and leave nothing of it",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return cluster.Down(force, reporter()) },
	}
	cmd.Flags().BoolVar(&force, "force", false, "also if it was brought up from another checkout")
	return cmd
}

// hold is the stop and the start command.
func hold(verb string) *cobra.Command {
	what := map[string]string{
		"stop":  "Stop a part, or a whole node as if its power failed, until it is started again",
		"start": "Start what stop has stopped",
	}
	return &cobra.Command{
		Use:   verb + " PART|NODE",
		Short: what[verb],
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			c, err := cluster.OpenOwn()
			if err != nil {
				return err
			}
			if verb == "stop" {
				return c.Stop(args[0])
			}
			return c.Start(args[0])
		},
	}
}

func build() *cobra.Command {
	var version string
	cmd := &cobra.Command{
		Use:   "build COMPONENT...",
		Short: "Build components and their images without starting anything, and print the files of the images",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			store, err := component.NewStore()
			for _, name := range args {
				if err == nil {
					err = buildImage(cmd.Context(), store, name, version)
				}
			}
			return err
		},
	}
	cmd.Flags().StringVar(&version, "version", "", "version; the default one if empty")
	return cmd
}

func buildImage(ctx context.Context, store component.Store, name, version string) error {
	b, err := cluster.BuildVersion(ctx, store, reporter(), name, version)
	if err != nil {
		return err
	}
	image, err := b.Image()
	fmt.Printf("%s is in %s\n", b.ImageRef(), image)
	return err
}

func kubeconfig() *cobra.Command {
	return &cobra.Command{
		Use:   "kubeconfig",
		Short: "Print the administrator's kubeconfig",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			c, err := cluster.Open()
			if err != nil {
				return err
			}
			raw, err := os.ReadFile(c.Kubeconfig())
			if err != nil {
				return err
			}
			_, err = os.Stdout.Write(raw)
			return err
		},
	}
}

func kubectl() *cobra.Command {
	return &cobra.Command{
		Use:                "kubectl ARGS...",
		Short:              "Run kubectl against the meta cluster",
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := cluster.Open()
			if err != nil {
				return err
			}
			run := c.Kubectl(cmd.Context(), args...)
			run.Stdin, run.Stdout, run.Stderr = os.Stdin, os.Stdout, os.Stderr
			return run.Run()
		},
	}
}
