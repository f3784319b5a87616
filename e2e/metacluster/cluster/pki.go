package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/metapilot/metapilot/e2e/metacluster/part"
	"github.com/metapilot/metapilot/internal/pki"
)

// writeIdentities makes the certificates, keys and kubeconfigs that are not there yet.
func writeIdentities(c part.Config, now time.Time) error {
	if err := errors.Join(os.MkdirAll(c.PKI(), 0o700), os.MkdirAll(filepath.Dir(c.Kubeconfig(part.Admin)), 0o700)); err != nil {
		return err
	}
	authorities := map[string]*pki.Authority{}
	for _, name := range part.Authorities() {
		authority, err := ensureAuthority(c, name, now)
		if err != nil {
			return err
		}
		authorities[name] = authority
	}
	for _, id := range part.Identities(c.Nodes) {
		if err := writeIdentity(c, id, authorities, now); err != nil {
			return err
		}
	}
	_, err := ensurePair(c, part.ServiceAccount, pki.NewSigningKey)
	return err
}

func ensureAuthority(c part.Config, name string, now time.Time) (*pki.Authority, error) {
	pair, err := ensurePair(c, name, func() (pki.Pair, error) {
		authority, err := pki.NewAuthority("metapilot "+name, now, part.AuthorityValidity)
		if err != nil {
			return pki.Pair{}, err
		}
		return authority.Pair, nil
	})
	if err != nil {
		return nil, err
	}
	return pki.ParseAuthority(pair)
}

func writeIdentity(c part.Config, id part.Identity, authorities map[string]*pki.Authority, now time.Time) error {
	pair, err := ensurePair(c, id.Name, func() (pki.Pair, error) { return authorities[id.Authority].Issue(id.Request, now) })
	if err != nil || !id.Kubeconfig {
		return err
	}
	return writeKubeconfig(c.Kubeconfig(id.Name), authorities[part.ClusterCA].Cert, pair)
}

// ensurePair returns what is on disk, or makes it. The key is written first: a certificate is there only if its key is.
func ensurePair(c part.Config, name string, issue func() (pki.Pair, error)) (pki.Pair, error) {
	pair, err := readPair(c, name)
	if !errors.Is(err, fs.ErrNotExist) {
		return pair, err
	}
	if pair, err = issue(); err != nil {
		return pki.Pair{}, fmt.Errorf("making %s: %w", name, err)
	}
	base := filepath.Join(c.PKI(), name)
	if err := renameio.WriteFile(base+".key", pair.Key, 0o600); err != nil {
		return pki.Pair{}, err
	}
	return pair, renameio.WriteFile(base+".crt", pair.Cert, 0o644)
}

func readPair(c part.Config, name string) (pki.Pair, error) {
	base := filepath.Join(c.PKI(), name)
	cert, err := os.ReadFile(base + ".crt")
	if err != nil {
		return pki.Pair{}, err
	}
	key, err := os.ReadFile(base + ".key")
	return pki.Pair{Cert: cert, Key: key}, err
}

func writeKubeconfig(path string, ca []byte, user pki.Pair) error {
	const name = "metapilot"
	config := api.NewConfig()
	config.Clusters[name] = &api.Cluster{Server: part.APIServer(), CertificateAuthorityData: ca}
	config.AuthInfos[name] = &api.AuthInfo{ClientCertificateData: user.Cert, ClientKeyData: user.Key}
	config.Contexts[name] = &api.Context{Cluster: name, AuthInfo: name}
	config.CurrentContext = name
	raw, err := clientcmd.Write(*config)
	if err != nil {
		return fmt.Errorf("writing kubeconfig: %w", err)
	}
	return renameio.WriteFile(path, raw, 0o600)
}
