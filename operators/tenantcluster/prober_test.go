package tenantcluster

import (
	"context"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/internal/testenv"
)

// The prober may do what it needs in a tenant, and whoever has its key nothing else. A real API server is the tenant.
func TestProberInATenant(t *testing.T) {
	env := testenv.Start(t, testenv.Options{})
	user, err := env.AddUser(envtest.User{Name: v1alpha1.ProbesUser}, nil)
	if err != nil {
		t.Fatal(err)
	}
	root, prober := clientOf(t, env.Config), clientOf(t, user.Config())
	if proberMay(t.Context(), &tenant{Clientset: root}) {
		t.Error("it is said to have rights that nobody gave it")
	}
	for range 2 { // what is there already is no trouble
		if err := admitProber(t.Context(), root); err != nil {
			t.Fatal(err)
		}
	}
	await(t, "its rights", func(ctx context.Context) bool { return proberMay(ctx, &tenant{Clientset: root}) })
	t.Run("writes nothing", func(t *testing.T) { writesNothing(t, root, prober) })
	t.Run("sees nothing else", func(t *testing.T) { seesNothingElse(t, prober) })
	t.Run("edited rights come back, and no more is written", func(t *testing.T) { proberComesBack(t, root) })
}

func clientOf(t *testing.T, config *rest.Config) *kubernetes.Clientset {
	t.Helper()
	c, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func await(t *testing.T, what string, done func(context.Context) bool) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, 30*time.Second, true, func(ctx context.Context) (bool, error) { return done(ctx), nil })
	if err != nil {
		t.Fatalf("waiting for %s: %v", what, err)
	}
}

func writesNothing(t *testing.T, root, prober *kubernetes.Clientset) {
	try := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{GenerateName: "try-"}}
	maps := prober.CoreV1().ConfigMaps(v1alpha1.ProbesNamespace)
	await(t, "the policy", func(ctx context.Context) bool { // policies are taken up a moment after they were written
		_, err := maps.Create(ctx, try, metav1.CreateOptions{})
		return err != nil && strings.Contains(err.Error(), "the cluster-scaler's probe creates nothing")
	})
	if _, err := maps.Create(t.Context(), try, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}); err != nil {
		t.Errorf("a dry run: %v", err)
	}
	if _, err := root.CoreV1().ConfigMaps(v1alpha1.ProbesNamespace).Create(t.Context(), try, metav1.CreateOptions{}); err != nil {
		t.Errorf("the policy is about others, too: %v", err)
	}
	if _, err := maps.List(t.Context(), metav1.ListOptions{Limit: 1}); err != nil {
		t.Error(err)
	}
	watch, err := maps.Watch(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	watch.Stop()
}

func seesNothingElse(t *testing.T, prober *kubernetes.Clientset) {
	core, all := prober.CoreV1(), metav1.ListOptions{}
	for what, try := range map[string]func() error{
		"create elsewhere": func() error {
			_, err := core.ConfigMaps("default").Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "x"}}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
			return err
		},
		"list elsewhere": func() error { _, err := core.ConfigMaps("default").List(t.Context(), all); return err },
		"secrets":        func() error { _, err := core.Secrets(v1alpha1.ProbesNamespace).List(t.Context(), all); return err },
		"namespaces":     func() error { _, err := core.Namespaces().List(t.Context(), all); return err },
		"delete": func() error {
			return core.ConfigMaps(v1alpha1.ProbesNamespace).Delete(t.Context(), "kube-root-ca.crt", metav1.DeleteOptions{})
		},
	} {
		if err := try(); !apierrors.IsForbidden(err) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func proberComesBack(t *testing.T, root *kubernetes.Clientset) {
	roles, policies := root.RbacV1().Roles(v1alpha1.ProbesNamespace), root.AdmissionregistrationV1().ValidatingAdmissionPolicies()
	role, err := roles.Get(t.Context(), proberRole, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	before, policyBefore := role.ResourceVersion, versionOf(t, root)
	if err := admitProber(t.Context(), root); err != nil {
		t.Fatal(err)
	}
	if role, err = roles.Get(t.Context(), proberRole, metav1.GetOptions{}); err != nil || role.ResourceVersion != before || versionOf(t, root) != policyBefore {
		t.Errorf("what is as it should be was written: %v", err)
	}
	role.Rules[0].Verbs = []string{"list"}
	if _, err := roles.Update(t.Context(), role, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := policies.Delete(t.Context(), proberPolicy, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	await(t, "its rights to be gone", func(ctx context.Context) bool { return !proberMay(ctx, &tenant{Clientset: root}) })
	if err := admitProber(t.Context(), root); err != nil {
		t.Fatal(err)
	}
	await(t, "its rights to be back", func(ctx context.Context) bool { return proberMay(ctx, &tenant{Clientset: root}) })
	versionOf(t, root)
}

func versionOf(t *testing.T, root *kubernetes.Clientset) string {
	t.Helper()
	policy, err := root.AdmissionregistrationV1().ValidatingAdmissionPolicies().Get(t.Context(), proberPolicy, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return policy.ResourceVersion
}
