package tenantcluster_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/yaml"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/internal/testenv"
	"github.com/metapilot/metapilot/operators/tenantcluster"
	"github.com/metapilot/metapilot/operators/tenantcluster/plan"
)

// On a real API server with the controllers that empty namespaces, and no node: what is made, what comes back, what goes.
func TestOnAPIServer(t *testing.T) {
	env := testenv.Start(t, testenv.Options{CRDs: []string{"../../charts/metapilot-crds/templates"}, ControllerManager: true})
	c := startOperator(t, env.Config)
	t.Run("refusals", func(t *testing.T) { refusals(t, c) })
	t.Run("objects come back", func(t *testing.T) { comesBack(t, c) })
	t.Run("edited marks and lists", func(t *testing.T) { marksAndLists(t, c) })
	t.Run("at rest nothing is written", func(t *testing.T) { rests(t, c) })
	t.Run("a namespace that was deleted by hand is made anew", func(t *testing.T) { namespaceComesBack(t, c) })
	t.Run("delete leaves nothing", func(t *testing.T) { leavesNothing(t, c) })
}

// startOperator runs the operator until the test ends, and returns a client without a cache.
func startOperator(t *testing.T, config *rest.Config) client.Client {
	t.Helper()
	ctrl.SetLogger(zap.New(zap.WriteTo(t.Output()), zap.UseDevMode(true)))
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	m, err := ctrl.NewManager(config, ctrl.Options{
		Scheme: scheme, Metrics: metricsserver.Options{BindAddress: "0"}, Cache: cache.Options{ByObject: tenantcluster.Cached()},
	})
	if err != nil {
		t.Fatal(err)
	}
	r := &tenantcluster.Reconciler{
		Client: m.GetClient(), Direct: m.GetAPIReader(), Recorder: m.GetEventRecorder(tenantcluster.Owner), Clock: clock.RealClock{},
		Config: plan.Config{Images: plan.Images{Repository: "registry.k8s.io"}}, Workers: 4,
	}
	if err := r.SetupWithManager(m); err != nil {
		t.Fatal(err)
	}
	if err := (&tenantcluster.Sizer{Client: m.GetClient(), Clock: clock.RealClock{}, Workers: 4}).SetupWithManager(m); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// eventually waits until the condition says nothing any more.
func eventually(t *testing.T, why func() string) {
	t.Helper()
	last := ""
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		if last = why(); last == "" {
			return
		}
		select {
		case <-t.Context().Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
	t.Fatal(last)
}

// made is what a tenant of the shortest spec consists of.
func made(namespace string) []client.Object {
	var all []client.Object
	add := func(o client.Object, names ...string) {
		for _, name := range names {
			o := o.DeepCopyObject().(client.Object)
			o.SetNamespace(namespace)
			o.SetName(name)
			all = append(all, o)
		}
	}
	add(&corev1.Secret{}, "ca", "front-proxy-ca", "etcd-client-ca", "etcd-peer-ca", "service-account", "etcd-server", "etcd-peer", "kube-apiserver",
		"kube-apiserver-etcd-client", "kube-apiserver-kubelet-client", "front-proxy-client", "kube-controller-manager", "kube-scheduler",
		"cluster-scaler", "cluster-scaler-probes")
	add(&corev1.ConfigMap{}, "sizing", "kube-controller-manager-kubeconfig", "kube-scheduler-kubeconfig")
	add(&corev1.Service{}, "etcd", "kube-apiserver")
	add(&appsv1.StatefulSet{}, "etcd")
	return all
}

func create(t *testing.T, c client.Client) (tc *v1alpha1.TenantCluster, namespace string) {
	t.Helper()
	if err := c.Create(t.Context(), minimal("one")); client.IgnoreAlreadyExists(err) != nil {
		t.Fatal(err)
	}
	tc = &v1alpha1.TenantCluster{}
	eventually(t, func() string {
		if err := c.Get(t.Context(), client.ObjectKey{Namespace: "default", Name: "one"}, tc); err != nil {
			return err.Error()
		}
		if namespace = tc.Status.Namespace; namespace == "" {
			return "the status names no namespace"
		}
		return missing(t, c, made(namespace))
	})
	return tc, namespace
}

func missing(t *testing.T, c client.Client, objects []client.Object) string {
	for _, o := range objects {
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(o), o); err != nil {
			return err.Error()
		}
		if o.GetDeletionTimestamp() != nil {
			return fmt.Sprintf("%s is being deleted", o.GetName())
		}
	}
	return ""
}

// comesBack deletes every object and edits some by hand.
func comesBack(t *testing.T, c client.Client) {
	_, namespace := create(t, c)
	before := secretOf(t, c, namespace, "ca")
	for _, o := range made(namespace) {
		if err := c.Delete(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, func() string { return missing(t, c, made(namespace)) })
	after := secretOf(t, c, namespace, "ca")
	if after.UID == before.UID || string(after.Data["tls.key"]) != string(before.Data["tls.key"]) {
		t.Error("a deleted authority has not come back as it was")
	}
	service := &corev1.Service{}
	edit(t, c, namespace, "kube-apiserver", service, func() { service.Spec.Ports[0].Port = 7443 })
	eventually(t, func() string {
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(service), service); err != nil {
			return err.Error()
		}
		if service.Spec.Ports[0].Port != 6443 {
			return "the Service still has the port that was written by hand"
		}
		return ""
	})
	secret := &corev1.Secret{}
	edit(t, c, namespace, "etcd-peer", secret, func() { secret.Data["tls.key"] = before.Data["tls.key"] })
	eventually(t, func() string {
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(secret), secret); err != nil {
			return err.Error()
		}
		if string(secret.Data["tls.key"]) == string(before.Data["tls.key"]) {
			return "the Secret still has the key that was written by hand"
		}
		return ""
	})
}

// marksAndLists: an authority without its labels is still the same authority; a container that somebody added to ours goes.
func marksAndLists(t *testing.T, c client.Client) {
	_, namespace := create(t, c)
	before := secretOf(t, c, namespace, "ca")
	edited := &corev1.Secret{}
	edit(t, c, namespace, "ca", edited, func() { edited.Labels, edited.Annotations, edited.Finalizers = nil, nil, nil })
	kubeconfig := &corev1.Secret{}
	edit(t, c, "default", "one-kubeconfig", kubeconfig, func() {
		kubeconfig.Data["value"] = []byte("users: [{name: admin, user: {tokenFile: /dev/zero}}]") // nothing outside of it may be read
	})
	deployment := &appsv1.StatefulSet{}
	edit(t, c, namespace, "etcd", deployment, func() {
		pod := &deployment.Spec.Template.Spec
		pod.Containers = append(pod.Containers, corev1.Container{Name: "sidecar", Image: "example.org/sidecar"})
	})
	eventually(t, func() string {
		after := secretOf(t, c, namespace, "ca")
		if after.UID != before.UID || string(after.Data["tls.key"]) != string(before.Data["tls.key"]) {
			t.Fatal("an authority was replaced because its labels were removed")
		}
		if after.Labels["metapilot.io/tenant"] != "one" || len(after.Finalizers) == 0 {
			return fmt.Sprintf("the authority has labels %v and finalizers %v", after.Labels, after.Finalizers)
		}
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(deployment), deployment); err != nil {
			return err.Error()
		}
		if len(secretOf(t, c, "default", "one-kubeconfig").Data["value"]) < 1000 {
			return "the kubeconfig is still what was written by hand"
		}
		if n := len(deployment.Spec.Template.Spec.Containers); n != 1 {
			return fmt.Sprintf("the StatefulSet has %d containers", n)
		}
		return ""
	})
}

func secretOf(t *testing.T, c client.Client, namespace, name string) *corev1.Secret {
	t.Helper()
	s := &corev1.Secret{}
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, s); err != nil {
		t.Fatal(err)
	}
	return s
}

func edit(t *testing.T, c client.Client, namespace, name string, into client.Object, change func()) {
	t.Helper()
	eventually(t, func() string {
		if err := c.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, into); err != nil {
			return err.Error()
		}
		change()
		if err := c.Update(t.Context(), into); err != nil {
			return err.Error()
		}
		return ""
	})
}

// rests: once all is made, no object of the tenant is written any more; what controllers of the meta cluster say in a status is theirs.
func rests(t *testing.T, c client.Client) {
	_, namespace := create(t, c)
	before := map[string]string{}
	for round := range 4 {
		<-time.After(2 * time.Second) // longer than the operator waits before it looks again
		objects := made(namespace)
		if why := missing(t, c, objects); why != "" {
			t.Fatal(why)
		}
		for _, o := range objects {
			name, now := fmt.Sprintf("%T %s", o, o.GetName()), written(t, o)
			if was := before[name]; round > 1 && was != now {
				t.Errorf("at rest %s went from\n%s to\n%s", name, was, now)
			}
			before[name] = now
		}
	}
}

// written is what anybody but a status writer has written.
func written(t *testing.T, o client.Object) string {
	t.Helper()
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	if err != nil {
		t.Fatal(err)
	}
	delete(content, "status")
	meta := content["metadata"].(map[string]any)
	delete(meta, "resourceVersion")
	var managers []any
	for _, m := range meta["managedFields"].([]any) {
		if m := m.(map[string]any); m["subresource"] != "status" {
			managers = append(managers, m)
		}
	}
	meta["managedFields"] = managers
	raw, err := yaml.Marshal(content)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func namespaceComesBack(t *testing.T, c client.Client) {
	_, namespace := create(t, c)
	ns := &corev1.Namespace{}
	if err := c.Get(t.Context(), client.ObjectKey{Name: namespace}, ns); err != nil {
		t.Fatal(err)
	}
	before := ns.UID
	if err := c.Delete(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string {
		now := &corev1.Namespace{}
		if err := c.Get(t.Context(), client.ObjectKey{Name: namespace}, now); err != nil {
			return err.Error()
		}
		if now.UID == before {
			return "the old namespace is still there"
		}
		return missing(t, c, made(namespace))
	})
}

func leavesNothing(t *testing.T, c client.Client) {
	tc, namespace := create(t, c)
	if err := c.Delete(t.Context(), tc); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string {
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(tc), tc); err == nil {
			return fmt.Sprintf("the TenantCluster is still there: %v", tc.Status.Conditions)
		}
		if err := c.Get(t.Context(), client.ObjectKey{Name: namespace}, &corev1.Namespace{}); err == nil {
			return "the namespace is still there"
		}
		if err := c.Get(t.Context(), client.ObjectKey{Namespace: "default", Name: "one-kubeconfig"}, &corev1.Secret{}); err == nil {
			return "the kubeconfig is still there"
		}
		return ""
	})
}
