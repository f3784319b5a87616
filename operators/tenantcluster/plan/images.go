package plan

import (
	"fmt"
	"strings"
)

// Images finds the image of a component. A name with its version that is listed in Exact wins; anything else comes from the repository.
type Images struct {
	Repository string            // such as registry.k8s.io; empty if only exact images may be used
	Exact      map[string]string // "kubernetes@v1.36.3" (all of its components) or "etcd@v3.6.14" -> image
}

// find returns the image of a program in a version.
func (i Images) find(program, version string) (string, error) {
	source := "kubernetes"
	if program == Etcd {
		source = Etcd
	}
	if image, ok := i.Exact[source+"@"+version]; ok {
		return image, nil
	}
	if i.Repository == "" {
		return "", fmt.Errorf("there is no image of %s %s: start the operator with --image %s@%s=<image> or with --image-repository", program, version, source, version)
	}
	if program == Etcd {
		version = strings.TrimPrefix(version, "v") + "-0" // as registry.k8s.io tags it
	}
	return i.Repository + "/" + program + ":" + version, nil
}
