package component

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/metapilot/metapilot/e2e/metacluster/logtail"
)

// rootFolder holds what the image of a component has beside its program: the C library of one that comes from Debian.
const rootFolder = "root"

// fetch takes the component's program out of Debian's packages instead of compiling it. Nothing is installed.
func (s Store) fetch(ctx context.Context, c Component, folder, log string) error {
	packages, err := os.MkdirTemp(folder, "packages-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(packages)
	tree := filepath.Join(packages, "tree")
	script := `apt-get -o APT::Sandbox::User=root download "$@" || { apt-get -o DPkg::Lock::Timeout=300 update && apt-get -o APT::Sandbox::User=root download "$@"; }
for package in *.deb; do dpkg-deb --extract "$package" tree || exit 1; done`
	cmd := exec.CommandContext(ctx, "bash", append([]string{"-c", script, "fetch"}, c.Packages...)...)
	cmd.Dir = packages
	out, err := cmd.CombinedOutput()
	if err := errors.Join(os.MkdirAll(filepath.Dir(log), 0o755), os.WriteFile(log, out, 0o644)); err != nil {
		return err
	}
	if err != nil {
		return fmt.Errorf("fetching %s from Debian: %w; the end of its log, %s:\n%s", c.Name, err, log, logtail.Last(log))
	}
	root := filepath.Join(folder, rootFolder)
	problem := errors.Join(os.Rename(filepath.Join(tree, "usr", "bin", c.Name), filepath.Join(folder, c.Name)), os.Mkdir(root, 0o755))
	for _, libraries := range []string{"lib", "lib64"} {
		problem = errors.Join(problem, os.Rename(filepath.Join(tree, libraries), filepath.Join(root, libraries)))
	}
	return problem
}

// addRoot adds what lies beside the program.
func (b Built) addRoot(w *tar.Writer) error {
	root := filepath.Join(b.Dir, rootFolder)
	if _, err := os.Stat(root); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		link := ""
		if info.Mode()&fs.ModeSymlink != 0 {
			if link, err = os.Readlink(path); err != nil {
				return err
			}
		}
		header, err := tar.FileInfoHeader(info, link)
		if err != nil {
			return err
		}
		if header.Name, err = filepath.Rel(root, path); err != nil {
			return err
		}
		header.ModTime, header.Uid, header.Gid, header.Uname, header.Gname = time.Unix(0, 0), 0, 0, "", ""
		if err := w.WriteHeader(header); err != nil || !info.Mode().IsRegular() {
			return err
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		_, err = w.Write(raw)
		return err
	})
}
