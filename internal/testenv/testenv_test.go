package testenv_test

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/metapilot/metapilot/internal/testenv"
)

func client(t *testing.T, env *testenv.Env) *kubernetes.Clientset {
	t.Helper()
	c, err := kubernetes.NewForConfig(env.Config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAPIServerStoresAndRefuses(t *testing.T) {
	api := client(t, testenv.Start(t, testenv.Options{})).CoreV1().ConfigMaps("default")
	made, err := api.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "one"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	stale := made.DeepCopy()
	made.Data = map[string]string{"key": "first"}
	if _, err := api.Update(t.Context(), made, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	stale.Data = map[string]string{"key": "second"}
	if _, err := api.Update(t.Context(), stale, metav1.UpdateOptions{}); !apierrors.IsConflict(err) {
		t.Errorf("an update of a stale object was answered with %v, want a conflict", err)
	}
}

// Only a controller-manager empties and removes a namespace that is deleted.
func TestControllerManagerRemovesANamespace(t *testing.T) {
	api := client(t, testenv.Start(t, testenv.Options{ControllerManager: true}))
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "short-lived"}}
	if _, err := api.CoreV1().Namespaces().Create(t.Context(), namespace, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := api.CoreV1().ConfigMaps("short-lived").Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "one"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := api.CoreV1().Namespaces().Delete(t.Context(), "short-lived", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		_, err := api.CoreV1().Namespaces().Get(t.Context(), "short-lived", metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return
		}
	}
	t.Error("the namespace is still there after a minute")
}

func TestMissingProgramsAreExplained(t *testing.T) {
	t.Setenv("KUBEBUILDER_ASSETS", "")
	t.Chdir(t.TempDir())
	if _, err := testenv.Assets(); err == nil {
		t.Error("programs were found in an empty folder")
	}
}

// BenchmarkStart is how long an integration test waits for its API server.
func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		testenv.Start(b, testenv.Options{})
	}
}
