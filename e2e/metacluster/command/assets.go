package command

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/metapilot/metapilot/e2e/metacluster/cluster"
	"github.com/metapilot/metapilot/e2e/metacluster/component"
)

// assets builds what integration tests start, and links it into one folder, as controller-runtime's envtest wants it.
func assets() *cobra.Command {
	return &cobra.Command{
		Use:   "assets FOLDER",
		Short: "Build etcd and the Kubernetes control plane for integration tests, and link them into a folder",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			store, err := component.NewStore()
			if err != nil {
				return err
			}
			built, err := cluster.Build(cmd.Context(), store, reporter(), component.Kubernetes, component.Etcd)
			if err != nil {
				return err
			}
			for _, b := range built {
				err = errors.Join(err, linkAll(b, args[0]))
			}
			return err
		},
	}
}

func linkAll(b component.Built, folder string) error {
	err := os.MkdirAll(folder, 0o755)
	for _, program := range append(b.Programs, b.Name) {
		err = errors.Join(err, link(b.Path(program), filepath.Join(folder, program)))
	}
	return err
}

// link points name at target, whatever it pointed at before.
func link(target, name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Symlink(target, name)
}
