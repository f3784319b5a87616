package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/metapilot/metapilot/e2e/metacluster/supervisor"
)

// The commands of this file are steps of the others in processes of their own. Nobody calls them by hand.

func supervise() *cobra.Command {
	var state string
	cmd := &cobra.Command{
		Use: "supervise", Short: "Keep the parts running", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := supervisor.Run(cmd.Context(), supervisor.FilesIn(state), slog.New(slog.NewTextHandler(os.Stderr, nil)))
			if errors.Is(err, cmd.Context().Err()) {
				return nil
			}
			return err
		},
	}
	cmd.Flags().StringVar(&state, "state", "", "state folder")
	return cmd
}

func enter() *cobra.Command {
	var group string
	var holder int
	cmd := &cobra.Command{
		Use: "enter -- PROGRAM ARGS...", Short: "Become a program in a cgroup and namespaces", Hidden: true, Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, argv []string) error { return supervisor.Enter(group, holder, argv) },
	}
	cmd.Flags().StringVar(&group, "cgroup", "", "cgroup to join, below the meta cluster's")
	cmd.Flags().IntVar(&holder, "holder", 0, "process whose namespaces to enter")
	return cmd
}

func holder() *cobra.Command {
	var group string
	cmd := &cobra.Command{
		Use: "hold HOLDER", Short: "Furnish new namespaces and hold them", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			var h supervisor.Holder
			if err := json.Unmarshal([]byte(args[0]), &h); err != nil {
				return fmt.Errorf("reading what to hold: %w", err)
			}
			return supervisor.Hold(group, h)
		},
	}
	cmd.Flags().StringVar(&group, "cgroup", "", "cgroup to join, below the meta cluster's")
	return cmd
}
