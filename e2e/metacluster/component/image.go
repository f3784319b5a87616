package component

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/google/go-containerregistry/pkg/compression"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// nobody is the user of the images, unless the pod says otherwise.
const nobody = "65534:65534"

// imageLayout is raised when images of the same binary come to hold something else.
const imageLayout = "programs are links"

// ImageRef is the name of the component's image. The hash in its tag makes a new build a new image.
func (b Built) ImageRef() string {
	return fmt.Sprintf("metapilot.local/%s:%s-%s", b.Name, b.Version, b.Hash)
}

// Image makes the component's image if the store has none, and returns its file: one layer with the binary as /<name>, a link to it
// for each of its programs, and /tmp.
func (b Built) Image() (string, error) {
	path := filepath.Join(b.Dir, "image.tar")
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return path, err
	}
	ref, err := name.NewTag(b.ImageRef())
	if err != nil {
		return "", fmt.Errorf("naming the image of %s: %w", b.Name, err)
	}
	image, err := b.image()
	if err != nil {
		return "", fmt.Errorf("making the image of %s: %w", b.Name, err)
	}
	unfinished := fmt.Sprintf("%s.%d", path, os.Getpid())
	defer os.Remove(unfinished)
	if err := tarball.WriteToFile(unfinished, ref, image); err != nil {
		return "", fmt.Errorf("writing the image of %s: %w", b.Name, err)
	}
	return path, os.Rename(unfinished, path)
}

func (b Built) image() (v1.Image, error) {
	raw, err := b.layer()
	if err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(raw)), nil }
	// Compressing costs more than it saves: the image never leaves the machine.
	layer, err := tarball.LayerFromOpener(open, tarball.WithCompression(compression.None))
	if err != nil {
		return nil, err
	}
	image, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config.Architecture, config.OS = runtime.GOARCH, "linux"
	config.Config = v1.Config{Entrypoint: []string{"/" + b.Name}, User: nobody, Env: []string{"PATH=/"}}
	return mutate.ConfigFile(image, config)
}

// layer holds the same bytes for the same binary: no times, no owners.
func (b Built) layer() ([]byte, error) {
	binary, err := os.ReadFile(b.Path(b.Name))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	headers := []*tar.Header{{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777, ModTime: time.Unix(0, 0)}}
	for _, program := range b.Programs {
		headers = append(headers, &tar.Header{Name: program, Typeflag: tar.TypeSymlink, Linkname: b.Name, ModTime: time.Unix(0, 0)})
	}
	headers = append(headers, &tar.Header{Name: b.Name, Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(binary)), ModTime: time.Unix(0, 0)})
	for _, h := range headers {
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
	}
	if _, err := w.Write(binary); err != nil {
		return nil, err
	}
	if err := b.addRoot(w); err != nil {
		return nil, err
	}
	return out.Bytes(), w.Close()
}
