package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"github.com/metapilot/metapilot/api/v1alpha1"
)

// user is who the cluster-scaler is when it runs in a pod.
const user = "system:serviceaccount:metapilot-system:cluster-scaler"

// plane is a real etcd and kube-apiserver.
type plane struct {
	env      *envtest.Environment
	client   client.Client
	etcd     *clientv3.Client
	folder   string // of what the programs write
	audit    string // file
	checkout string
}

// auditPolicy has every request of the scaler written down when it has ended, and nobody else's.
const auditPolicy = `{"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"], "rules": [
{"level": "Metadata", "users": ["` + user + `"]}, {"level": "None"}]}`

func startPlane(checkout string) (p *plane, err error) {
	p = &plane{checkout: checkout}
	if p.folder, err = os.MkdirTemp("", "bench-fleet-"); err != nil {
		return nil, err
	}
	policy := filepath.Join(p.folder, "audit-policy.json")
	p.audit = filepath.Join(p.folder, "audit.log")
	if err := os.WriteFile(policy, []byte(auditPolicy), 0o600); err != nil {
		return nil, err
	}
	p.env = &envtest.Environment{
		BinaryAssetsDirectory: filepath.Join(checkout, "bin", "assets"),
		CRDDirectoryPaths:     []string{filepath.Join(checkout, "charts", "metapilot-crds", "templates")}, ErrorIfCRDPathMissing: true,
	}
	p.env.ControlPlane.Etcd = &envtest.Etcd{}
	p.env.ControlPlane.Etcd.Configure().Set("quota-backend-bytes", "8589934592")
	p.env.ControlPlane.GetAPIServer().Configure().Set("audit-policy-file", policy).Set("audit-log-path", p.audit)
	config, err := p.env.Start()
	if err != nil {
		return nil, fmt.Errorf("starting etcd and kube-apiserver of %s: %w", p.env.BinaryAssetsDirectory, errors.Join(err, p.stop()))
	}
	if err := p.connect(config); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	return p, nil
}

func (p *plane) connect(config *rest.Config) (err error) {
	config.QPS, config.Burst = -1, -1
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return err
	}
	if p.client, err = client.New(config, client.Options{Scheme: scheme}); err != nil {
		return err
	}
	p.etcd, err = clientv3.New(clientv3.Config{Endpoints: []string{p.env.ControlPlane.Etcd.URL.String()}})
	return err
}

func (p *plane) stop() (problem error) {
	if p.etcd != nil {
		problem = p.etcd.Close()
	}
	return errors.Join(problem, p.env.Stop(), os.RemoveAll(p.folder))
}

// install gives the scaler the rights that its manifest gives it, and nothing else of the manifest.
func (p *plane) install(ctx context.Context) error {
	if err := p.create(ctx, "apiVersion: v1\nkind: Namespace\nmetadata: {name: metapilot-system}"); err != nil {
		return err
	}
	for _, file := range []string{"cluster-scaler.yaml", "master-operator.yaml"} { // the latter has the role of those who elect a leader
		raw, err := os.ReadFile(filepath.Join(p.checkout, "e2e", "metacluster", "install", file))
		if err != nil {
			return err
		}
		for document := range strings.SplitSeq(string(raw), "\n---\n") {
			if strings.Contains(document, "apiVersion: rbac.authorization.k8s.io/v1\n") {
				if err := p.create(ctx, document); err != nil {
					return fmt.Errorf("installing %s: %w", file, err)
				}
			}
		}
	}
	return nil
}

// create makes the object of a manifest; one that is there already stays.
func (p *plane) create(ctx context.Context, manifest string) error {
	o := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(manifest), &o.Object); err != nil {
		return err
	}
	return client.IgnoreAlreadyExists(p.client.Create(ctx, o))
}

// kubeconfig writes one of the scaler's user.
func (p *plane) kubeconfig() (path string, err error) {
	who, err := p.env.AddUser(envtest.User{Name: user, Groups: []string{"system:serviceaccounts", "system:serviceaccounts:metapilot-system", "system:authenticated"}}, nil)
	if err != nil {
		return "", err
	}
	raw, err := who.KubeConfig()
	if err != nil {
		return "", err
	}
	path = filepath.Join(p.folder, "kubeconfig")
	return path, os.WriteFile(path, raw, 0o600)
}
