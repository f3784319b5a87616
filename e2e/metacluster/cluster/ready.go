package cluster

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// leaseFresh is more than twice the time between two renewals (client-go's leader election: every 2 s).
const leaseFresh = 5 * time.Second

// awaitReady returns when a user can work: nodes, DNS, volumes and metrics.
func (u *upping) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, fmt.Errorf("not ready after %s; see metacluster status and the logs in %s", startLimit, u.cluster.Logs()))
	defer cancel()
	client, err := u.cluster.Client()
	if err != nil {
		return err
	}
	for _, wait := range u.cluster.checks() {
		err := u.r.Step(wait.name, "", func() (string, error) {
			return "", Poll(ctx, func(ctx context.Context) (bool, string) { return wait.ready(ctx, client) })
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// check is one thing that has to be so before a user can work.
type check struct {
	name  string
	ready func(context.Context, *kubernetes.Clientset) (ok bool, why string)
}

func (c *Cluster) checks() []check {
	return []check{
		{"controllers and scheduler at work", c.leadersFresh},
		{"nodes Ready", c.nodesReady},
		{"DNS and volumes Ready", c.podsReady},
		{"metrics of all nodes", c.metricsReady},
	}
}

// leadersFresh wants leases that were renewed just now by who runs now. After a crash the next leader waits until the lease of the dead one
// is over; until then no pod is made or placed, whatever the API answers.
func (c *Cluster) leadersFresh(ctx context.Context, client *kubernetes.Clientset) (bool, string) {
	started, err := c.startTimes()
	if err != nil {
		return false, err.Error()
	}
	for _, name := range []string{"kube-controller-manager", "kube-scheduler"} {
		lease, err := client.CoordinationV1().Leases("kube-system").Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		if lease.Spec.RenewTime == nil {
			return false, name + " has no leader"
		}
		renewed := lease.Spec.RenewTime.Time
		if age := time.Since(renewed); age > leaseFresh || renewed.Before(started[name]) {
			return false, fmt.Sprintf("the leader of %s last said that it lives %s ago", name, age.Round(time.Second))
		}
	}
	return true, ""
}

// nodesReady wants of each node that its kubelet has said so since it runs: after a power failure the API still holds what the last one said.
func (c *Cluster) nodesReady(ctx context.Context, client *kubernetes.Clientset) (bool, string) {
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{Limit: 500})
	if err != nil {
		return false, err.Error()
	}
	started, err := c.startTimes()
	if err != nil {
		return false, err.Error()
	}
	ready := 0
	for _, n := range nodes.Items {
		if saidReady(n, started[n.Name+"/kubelet"]) {
			ready++
		}
	}
	return ready == len(c.Nodes), fmt.Sprintf("%d of %d nodes are Ready", ready, len(c.Nodes))
}

// startTimes are those of the parts that run.
func (c *Cluster) startTimes() (map[string]time.Time, error) {
	status, err := c.files.ReadStatus()
	started := map[string]time.Time{}
	for _, s := range status {
		if s.PID != 0 {
			started[s.Name] = s.StartedAt
		}
	}
	return started, err
}

// saidReady is whether the node was reported Ready since a time; never, if the time is not known.
func saidReady(n corev1.Node, since time.Time) bool {
	for _, condition := range n.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			return condition.Status == corev1.ConditionTrue && notBefore(condition.LastHeartbeatTime, since)
		}
	}
	return false
}

// notBefore compares with a time of the API, which has whole seconds.
func notBefore(t metav1.Time, since time.Time) bool {
	return !since.IsZero() && !t.Time.Before(since.Truncate(time.Second))
}

// podsReady looks at the pods of kube-system.
func (c *Cluster) podsReady(ctx context.Context, client *kubernetes.Clientset) (bool, string) {
	if ok, why := c.addonsAvailable(ctx, client); !ok {
		return false, why
	}
	pods, err := client.CoreV1().Pods("kube-system").List(ctx, metav1.ListOptions{Limit: 500})
	if err != nil {
		return false, err.Error()
	}
	started, err := c.startTimes()
	if err != nil {
		return false, err.Error()
	}
	for _, p := range pods.Items {
		if since := started[p.Spec.NodeName]; !startedSince(p, since) {
			return false, fmt.Sprintf("pod %s has not started since its node did, at %s", p.Name, since.Format(time.TimeOnly))
		}
	}
	return true, ""
}

// startedSince is whether no container of the pod is said to run since before its node started: such a status is from before a power failure.
func startedSince(p corev1.Pod, since time.Time) bool {
	for _, container := range p.Status.ContainerStatuses {
		if running := container.State.Running; running != nil && !notBefore(running.StartedAt, since) {
			return false
		}
	}
	return true
}

func (c *Cluster) addonsAvailable(ctx context.Context, client *kubernetes.Clientset) (bool, string) {
	dns, err := client.AppsV1().Deployments("kube-system").Get(ctx, "coredns", metav1.GetOptions{})
	if err != nil {
		return false, err.Error()
	}
	volumes, err := client.AppsV1().DaemonSets("kube-system").Get(ctx, "volume-provisioner", metav1.GetOptions{})
	if err != nil {
		return false, err.Error()
	}
	// A status that is older than the spec says nothing about it.
	fresh := dns.Status.ObservedGeneration == dns.Generation && volumes.Status.ObservedGeneration == volumes.Generation
	ready := fresh && dns.Status.AvailableReplicas == *dns.Spec.Replicas && int(volumes.Status.NumberReady) == len(c.Nodes)
	return ready, fmt.Sprintf("coredns %d/%d, volume-provisioner %d/%d",
		dns.Status.AvailableReplicas, *dns.Spec.Replicas, volumes.Status.NumberReady, len(c.Nodes))
}

// metricsReady asks the aggregated API through the API server, the way kubectl top does.
func (c *Cluster) metricsReady(ctx context.Context, client *kubernetes.Clientset) (bool, string) {
	raw, err := client.RESTClient().Get().AbsPath("/apis/metrics.k8s.io/v1beta1/nodes").DoRaw(ctx)
	if err != nil {
		return false, err.Error()
	}
	got := strings.Count(string(raw), `"usage"`)
	return got == len(c.Nodes), fmt.Sprintf("metrics of %d of %d nodes", got, len(c.Nodes))
}
