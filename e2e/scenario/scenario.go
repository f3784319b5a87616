// Package scenario is what the suites are written with: each scenario gets a namespace of its own in the meta cluster, verbs that fail
// with words, and, when it fails, a folder with the logs of all parts, the objects and the events.
//
// A scenario that fails is run once more by make e2e, which lists what passed only then. The package never starts a meta cluster.
package scenario

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/metapilot/metapilot/e2e/metacluster/cluster"
)

// Scenario is one test's place in the meta cluster.
type Scenario struct {
	*testing.T
	Namespace string
	Cluster   *cluster.Cluster
	Client    *kubernetes.Clientset

	begun time.Time
}

// New makes the namespace of a scenario; it is deleted with all its contents when the test ends.
func New(t *testing.T) *Scenario {
	t.Helper()
	c, err := cluster.Open()
	if err != nil {
		t.Fatalf("%v", err)
	}
	client, err := c.Client()
	if err != nil {
		t.Fatal(err)
	}
	s := &Scenario{T: t, Cluster: c, Client: client, begun: time.Now()}
	namespace, err := client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{GenerateName: namespaceName(t.Name()) + "-"},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatalf("making the scenario's namespace: %v", err)
	}
	s.Namespace = namespace.Name
	t.Cleanup(s.finish)
	s.Eventually("the namespace has its service account, without which no pod is admitted", time.Minute, func(ctx context.Context) (bool, string) {
		_, err := client.CoreV1().ServiceAccounts(s.Namespace).Get(ctx, "default", metav1.GetOptions{})
		return err == nil, fmt.Sprint(err)
	})
	return s
}

// NewOwn is New for a scenario that touches parts, nodes or cgroups, which only a meta cluster of this machine lets it do.
func NewOwn(t *testing.T) *Scenario {
	t.Helper()
	if c, err := cluster.Open(); err == nil && !c.Own() {
		t.Skip("this scenario touches the machine below the cluster, and METAPILOT_KUBECONFIG names a cluster of yours")
	}
	return New(t)
}

var notInNames = regexp.MustCompile(`[^a-z0-9]+`)

func namespaceName(test string) string {
	name := notInNames.ReplaceAllString(strings.ToLower(strings.TrimPrefix(test, "Test")), "-")
	return "e2e-" + strings.Trim(name[:min(len(name), 40)], "-")
}

// finish runs when the test's own context has ended already.
func (s *Scenario) finish() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.Context()), 2*time.Minute)
	defer cancel()
	s.mustHaveHadEveryRight(ctx)
	if s.Failed() {
		s.keep(ctx)
	}
	err := s.Client.CoreV1().Namespaces().Delete(ctx, s.Namespace, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		s.Errorf("deleting the scenario's namespace: %v", err)
	}
}

// Apply applies manifests in the scenario's namespace, after Cluster.Render.
func (s *Scenario) Apply(manifests string) {
	s.Helper()
	s.ApplyIn(s.Namespace, manifests)
}

// ApplyIn is Apply for another namespace, such as that of a tenant.
func (s *Scenario) ApplyIn(namespace, manifests string) {
	s.Helper()
	rendered, err := s.Cluster.Render(manifests)
	if err == nil {
		err = s.Cluster.Apply(s.Context(), namespace, rendered)
	}
	if err != nil {
		s.Fatal(err)
	}
}

// Kubectl runs kubectl in the scenario's namespace and returns what it prints; an error fails the test.
func (s *Scenario) Kubectl(args ...string) string {
	s.Helper()
	out, err := s.TryKubectl(s.Context(), args...)
	if err != nil {
		s.Fatalf("kubectl %s: %v", strings.Join(args, " "), err)
	}
	return out
}

// TryKubectl is Kubectl for what may fail.
func (s *Scenario) TryKubectl(ctx context.Context, args ...string) (string, error) {
	cmd := s.Cluster.Kubectl(ctx, append([]string{"--namespace", s.Namespace}, args...)...)
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%w: %s", err, problem.String())
	}
	return out.String(), nil
}

// Eventually waits until ready says so. It fails the test with ready's last word when the limit is over; the limit is no measurement.
func (s *Scenario) Eventually(what string, limit time.Duration, ready func(context.Context) (ok bool, why string)) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), limit)
	defer cancel()
	last := "nothing"
	for {
		ok, why := ready(ctx)
		if ok {
			return
		}
		if ctx.Err() == nil {
			last = why
		}
		select {
		case <-ctx.Done():
			s.Fatalf("%s: not within %s; last seen: %s", what, limit, last)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// Pod reads a pod of the scenario; nil if there is none.
func (s *Scenario) Pod(ctx context.Context, name string) *corev1.Pod {
	pod, err := s.Client.CoreV1().Pods(s.Namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil
	}
	return pod
}

// RunningPod waits until the pod is ready and returns it.
func (s *Scenario) RunningPod(name string) (pod *corev1.Pod) {
	s.Helper()
	s.Eventually("pod "+name+" is ready", time.Minute, func(ctx context.Context) (bool, string) {
		pod = s.Pod(ctx, name)
		return pod != nil && Ready(pod), fmt.Sprintf("%+v", pod)
	})
	return pod
}

// Ready says whether the pod's Ready condition is true.
func Ready(pod *corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// Main runs a suite; without a meta cluster it says at once how to get one, instead of failing scenario by scenario.
func Main(m *testing.M) {
	flag.Parse()
	listing := flag.Lookup("test.list").Value.String() != ""
	if _, err := cluster.Open(); err != nil && !listing {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}
