package cluster

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/metapilot/metapilot/e2e/metacluster/part"
	"github.com/metapilot/metapilot/e2e/metacluster/wholefile"
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
	return ensureSigningKey(c)
}

// keysAreWhole says whether a run can be gone on with: what is stored in etcd is worth nothing under other authorities.
func keysAreWhole(state string) bool {
	c := part.Config{State: state}
	if _, err := os.Stat(filepath.Join(state, "etcd")); err != nil {
		return true // nothing is stored yet
	}
	for _, name := range append(part.Authorities(), part.ServiceAccount) {
		if _, err := readPair(c, name); err != nil {
			return false
		}
	}
	return true
}

func ensureAuthority(c part.Config, name string, now time.Time) (*pki.Authority, error) {
	if pair, err := readPair(c, name); err == nil {
		if authority, err := pki.ParseAuthority(pair); err == nil {
			return authority, nil
		}
	}
	authority, err := pki.NewAuthority("metapilot "+name, now, part.AuthorityValidity)
	if err != nil {
		return nil, fmt.Errorf("making %s: %w", name, err)
	}
	return authority, writePair(c, name, authority.Pair)
}

// writeIdentity keeps what is there if its authority has signed it: half of an older state may be gone.
func writeIdentity(c part.Config, id part.Identity, authorities map[string]*pki.Authority, now time.Time) error {
	authority := authorities[id.Authority]
	pair, err := readPair(c, id.Name)
	if err != nil || authority.Check(pair.Cert, now) != nil {
		if pair, err = authority.Issue(id.Request, now); err != nil {
			return fmt.Errorf("making %s: %w", id.Name, err)
		}
		if err := writePair(c, id.Name, pair); err != nil {
			return err
		}
	}
	if !id.Kubeconfig {
		return nil
	}
	return writeKubeconfig(c.Kubeconfig(id.Name), authorities[part.ClusterCA].Cert, pair)
}

func ensureSigningKey(c part.Config) error {
	if _, err := readPair(c, part.ServiceAccount); err == nil {
		return nil
	}
	pair, err := pki.NewSigningKey()
	if err != nil {
		return err
	}
	return writePair(c, part.ServiceAccount, pair)
}

// writePair writes the key first: a certificate is there only if its key is.
func writePair(c part.Config, name string, pair pki.Pair) error {
	base := filepath.Join(c.PKI(), name)
	if err := wholefile.Write(base+".key", pair.Key, 0o600); err != nil {
		return err
	}
	return wholefile.Write(base+".crt", pair.Cert, 0o644)
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
	return wholefile.Write(path, raw, 0o600)
}
