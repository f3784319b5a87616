// Package command is the command line of metacluster: it reads flags, calls the library, and prints tables.
package command

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/metapilot/metapilot/e2e/metacluster/progress"
)

// Execute runs the command line and reports whether it went well.
func Execute(ctx context.Context, args []string) bool {
	root := New()
	root.SetArgs(args)
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "metacluster:", err)
		return false
	}
	return true
}

// New returns the whole command tree.
func New() *cobra.Command {
	root := &cobra.Command{
		Use:           "metacluster",
		Short:         "A real Kubernetes on this machine: control plane, nodes, DNS, metrics, volumes",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
	}
	root.AddCommand(up(), down(), status(), logs(), kubeconfig(), kubectl(), hold("stop"), hold("start"), build(), assets(), showDemo(), installAll())
	root.AddCommand(supervise(), enter(), holder())
	return root
}

func reporter() *progress.Reporter { return progress.New(os.Stdout) }
