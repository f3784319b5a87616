package rival

import (
	"crypto/tls"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"github.com/metapilot/metapilot/e2e/metacluster/component"
)

func TestImagesAreOurBuilds(t *testing.T) {
	updater := component.Built{Component: component.Component{Name: "vpa-updater", Version: "v1.2.3"}, Hash: "abc"}
	built := map[string]component.Built{updater.Name: updater}
	got, err := withImages("image: registry.k8s.io/autoscaling/vpa-updater:1.2.3\n", built)
	if want := "image: metapilot.local/vpa-updater:v1.2.3-abc\n"; err != nil || got != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	if _, err := withImages("image: registry.k8s.io/autoscaling/vpa-updater:1.2.4\n", built); err == nil {
		t.Error("manifests of another version than the programs are taken")
	}
}

// The API server calls the webhook under the name of its Service.
func TestServiceIsTrustedUnderItsName(t *testing.T) {
	now := time.Now()
	files, err := newCertificates(now)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(files["serverCert.pem"], files["serverKey.pem"])
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(files["caCert.pem"]) {
		t.Fatal("the authority is not PEM")
	}
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{DNSName: "vpa-webhook.kube-system.svc", Roots: roots, CurrentTime: now}); err != nil {
		t.Error(err)
	}
}

func TestAutoscalerNamesTargetAndMode(t *testing.T) {
	got := autoscaler(Recreate, "StatefulSet", "etcd")
	for _, want := range []string{"targetRef: {apiVersion: apps/v1, kind: StatefulSet, name: etcd}", "updateMode: Recreate,"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %s", want, got)
		}
	}
}
