package metricsserver

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/metapilot/metapilot/internal/testenv"
	"github.com/metapilot/metapilot/recommender/model"
	"github.com/metapilot/metapilot/recommender/source"
	"github.com/metapilot/metapilot/recommender/source/sourcetest"
)

// Through a real API server, which speaks for a metrics API that is not installed, that is away, and that answers.
func TestThroughAPIServer(t *testing.T) {
	env := testenv.Start(t, testenv.Options{})
	s := ask(t, env.Config)
	t.Run("it is not installed", func(t *testing.T) {
		mustSay(t, s, "there is no metrics API (metrics.k8s.io/v1beta1): install metrics-server, or leave it out of the sources")
	})
	many := make([]source.Reading, 0, 20_000)
	for i := range 10_000 {
		for r := range model.Resources {
			many = append(many, sourcetest.Of("tc-one", fmt.Sprintf("etcd-%d", i), 0, r, float64(i)))
		}
	}
	server := httptest.NewTLSServer(serve(many))
	defer server.Close()
	install(t, env.Config, server.URL)
	t.Run("it answers", func(t *testing.T) {
		eventually(t, func() bool { return len(s.Read(t.Context(), []string{"tc-one"}).Readings) == len(many) })
		if a := s.Read(t.Context(), []string{"tc-one"}); a.Fault != "" || !sourcetest.Equal(a.Readings, many) {
			t.Errorf("it tells %d readings, %s", len(a.Readings), a.Fault)
		}
	})
	t.Run("its pods are away", func(t *testing.T) {
		server.Config.Handler = http.NotFoundHandler()
		server.CloseClientConnections()
		server.Close()
		mustSay(t, s, "the metrics API is installed, but its server is unavailable: look at the pods of metrics-server")
	})
	t.Run("it may not be read", func(t *testing.T) {
		nobody := rest.CopyConfig(env.Config)
		nobody.Impersonate = rest.ImpersonationConfig{UserName: "nobody"}
		mustSay(t, ask(t, nobody), "the metrics API may not be read: allow list on pods of metrics.k8s.io")
	})
}

func mustSay(t *testing.T, s *Source, want string) {
	t.Helper()
	if a := s.Read(t.Context(), []string{"tc-one"}); !strings.HasPrefix(a.Fault, want) || len(a.Readings) > 0 {
		t.Errorf("it tells %d readings and says\n%s, want\n%s", len(a.Readings), a.Fault, want)
	}
}

// install registers the server at the URL as a Service behind the aggregated API, as the manifests of metrics-server do.
func install(t *testing.T, config *rest.Config, at string) {
	t.Helper()
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	var port int32
	if _, err := fmt.Sscan(u.Port(), &port); err != nil {
		t.Fatal(err)
	}
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "metrics-server"}, Spec: corev1.ServiceSpec{
		Type: corev1.ServiceTypeExternalName, ExternalName: "localhost", Ports: []corev1.ServicePort{{Port: port}},
	}}
	if _, err := kubernetes.NewForConfigOrDie(config).CoreV1().Services("kube-system").Create(t.Context(), service, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	api := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": map[string]any{"name": "v1beta1.metrics.k8s.io"},
		"spec": map[string]any{
			"group": "metrics.k8s.io", "version": "v1beta1", "groupPriorityMinimum": int64(100), "versionPriority": int64(100), "insecureSkipTLSVerify": true,
			"service": map[string]any{"namespace": "kube-system", "name": "metrics-server", "port": int64(port)},
		},
	}}
	services := schema.GroupVersionResource{Group: "apiregistration.k8s.io", Version: "v1", Resource: "apiservices"}
	if _, err := dynamic.NewForConfigOrDie(config).Resource(services).Create(t.Context(), api, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// eventually waits until it is so: the API server needs a moment to find a new API.
func eventually(t *testing.T, is func() bool) {
	t.Helper()
	for range 600 {
		if is() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal("it was not so within a minute")
}
