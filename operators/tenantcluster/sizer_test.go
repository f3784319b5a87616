package tenantcluster

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/metapilot/metapilot/api/v1alpha1"
)

// A pod that runs, and whose cgroup is in doubt, is replaced only while all others of its component are there and ready.
func TestOneMemberIsReplacedAtATime(t *testing.T) {
	tc := &v1alpha1.TenantCluster{Spec: v1alpha1.TenantClusterSpec{Etcd: v1alpha1.Etcd{Members: 3}}}
	for name, test := range map[string]struct{ pods, want string }{
		"nothing is in doubt":           {"etcd-0, etcd-1, etcd-2", ""},
		"one is":                        {"etcd-0, etcd-1 doubtful, etcd-2", "etcd-1"},
		"two are":                       {"etcd-0 doubtful, etcd-1 doubtful, etcd-2", "etcd-0"},
		"another one is not ready":      {"etcd-0 doubtful, etcd-1, etcd-2 unready", ""},
		"another one is being replaced": {"etcd-0 doubtful, etcd-1 ending, etcd-2", ""},
		"another one is not there":      {"etcd-0 doubtful, etcd-1", ""},
		"an evicted pod is left beside": {"etcd-0 doubtful, etcd-1, etcd-2, old evicted", "etcd-0"},
	} {
		t.Run(name, func(t *testing.T) {
			var pods []corev1.Pod
			doubtful := map[string]bool{}
			for _, one := range strings.Split(test.pods, ", ") {
				name, state, _ := strings.Cut(one, " ")
				pods, doubtful[name] = append(pods, podIn(name, state)), state == "doubtful"
			}
			got := ""
			for _, p := range replaceable(tc, pods, doubtful) {
				got += p.Name
			}
			if got != test.want {
				t.Errorf("replaced is %q, want %q", got, test.want)
			}
		})
	}
}

func podIn(name, state string) corev1.Pod {
	ready := corev1.ConditionTrue
	if state == "unready" {
		ready = corev1.ConditionFalse
	}
	p := corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{v1alpha1.ComponentLabel: "etcd"}},
		Status:     corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}}},
	}
	switch state {
	case "ending":
		p.DeletionTimestamp = &metav1.Time{}
		*p.DeletionTimestamp = metav1.Now()
	case "evicted":
		p.Status.Phase, p.Status.Conditions = corev1.PodFailed, nil
	}
	return p
}
