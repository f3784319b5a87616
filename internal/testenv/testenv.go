// Package testenv starts a real etcd and kube-apiserver, and if asked a kube-controller-manager, for integration tests: wiring,
// conflicts, CEL, finalizers. They are the programs that the meta cluster runs, so nothing is downloaded.
//
// It starts no node; what needs pods belongs in e2e. It never builds anything: make test does.
package testenv

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// assetsVariable names a folder with other programs to use; controller-runtime's envtest has coined it.
const assetsVariable = "KUBEBUILDER_ASSETS"

// Options say what to start.
type Options struct {
	CRDs              []string // folders of CRDs to install
	ControllerManager bool
	APIServer         map[string]string // flags of it, beside those that every test has
}

// Env is a running API server.
type Env struct {
	envtest.Environment
	Config *rest.Config // of an administrator
}

// Start starts the environment; it is stopped when the test has ended. It fails the test if the programs are missing or do not start.
func Start(t testing.TB, o Options) *Env {
	t.Helper()
	folder, err := assets()
	if err != nil {
		t.Fatal(err)
	}
	env := &Env{Environment: envtest.Environment{
		BinaryAssetsDirectory: folder, CRDDirectoryPaths: o.CRDs, ErrorIfCRDPathMissing: true,
	}}
	env.ControlPlane.GetAPIServer().Configure().Set("service-cluster-ip-range", "10.0.0.0/16") // envtest's own has room for 254 Services
	for name, value := range o.APIServer {
		env.ControlPlane.GetAPIServer().Configure().Set(name, value)
	}
	if env.Config, err = env.Environment.Start(); err != nil {
		t.Fatalf("starting etcd and kube-apiserver from %s: %v", folder, err)
	}
	t.Cleanup(func() {
		if err := env.Stop(); err != nil {
			t.Errorf("stopping etcd and kube-apiserver: %v", err)
		}
	})
	if o.ControllerManager {
		env.startControllerManager(t, folder)
	}
	return env
}

// assets is the folder that make test fills, unless the environment names another.
func assets() (string, error) {
	if folder := os.Getenv(assetsVariable); folder != "" {
		return folder, nil
	}
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := start; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		folder := filepath.Join(dir, "bin", "assets")
		if _, err := os.Stat(filepath.Join(folder, "kube-apiserver")); err == nil {
			return folder, nil
		}
	}
	return "", fmt.Errorf("no bin/assets with etcd and kube-apiserver above %s: run make test, or make assets, which build them", start)
}

// startControllerManager starts the controllers that make service accounts, collect garbage and empty namespaces. It is stopped before
// the API server is.
func (env *Env) startControllerManager(t testing.TB, folder string) {
	t.Helper()
	var log bytes.Buffer
	cmd := exec.Command(filepath.Join(folder, "kube-controller-manager"), env.controllerManagerArgs(env.kubeconfig(t))...)
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting kube-controller-manager: %v", err)
	}
	ended := make(chan string, 1)
	go func() { ended <- fmt.Sprint(cmd.Wait()) }()
	t.Cleanup(func() {
		select {
		case how := <-ended:
			t.Errorf("kube-controller-manager had ended by itself: %s", how)
		default:
			cmd.Process.Signal(syscall.SIGTERM)
			<-ended
		}
		if t.Failed() {
			t.Logf("kube-controller-manager:\n%s", log.String())
		}
	})
}

// kubeconfig writes the administrator's kubeconfig.
func (env *Env) kubeconfig(t testing.TB) string {
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, env.KubeConfig, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (env *Env) controllerManagerArgs(kubeconfig string) []string {
	return []string{
		"--kubeconfig=" + kubeconfig,
		"--service-account-private-key-file=" + filepath.Join(env.ControlPlane.APIServer.CertDir, "sa-signer.key"),
		"--use-service-account-credentials=true",
		"--leader-elect=false",
		"--secure-port=0",
		"--flex-volume-plugin-dir=" + filepath.Join(env.ControlPlane.APIServer.CertDir, "volume-plugins"), // or it makes one in /usr/libexec
	}
}
