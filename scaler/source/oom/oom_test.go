package oom

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/metapilot/metapilot/scaler/model"
	"github.com/metapilot/metapilot/scaler/source"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// pod of etcd with a neighbour; ids are those of its killed containers, the one that ended last at the end.
func pod(name string, ids ...string) *corev1.Pod {
	etcd := corev1.ContainerStatus{Name: "etcd"}
	for i, id := range ids {
		into := &etcd.LastTerminationState
		if i == 1 {
			into = &etcd.State
		}
		into.Terminated = &corev1.ContainerStateTerminated{Reason: "OOMKilled", ContainerID: id, FinishedAt: metav1.NewTime(noon.Add(time.Duration(i) * time.Minute))}
	}
	neighbour := corev1.ContainerStatus{Name: "neighbour"}
	neighbour.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{Reason: "OOMKilled", ContainerID: "neighbour of " + name, FinishedAt: metav1.NewTime(noon)}
	limit := corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("512Mi")}}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "etcd", Resources: limit}}},
		Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{neighbour, etcd}},
	}
}

func TestKillsOfAllPodsAreAddedOnce(t *testing.T) {
	for name, tc := range map[string]struct {
		known []string
		pods  []*corev1.Pod
		want  string
	}{
		"nothing was killed":                 {nil, []*corev1.Pod{pod("etcd-0")}, ""},
		"one was":                            {nil, []*corev1.Pod{pod("etcd-0"), pod("etcd-1", "a")}, "etcd-1 a 12:00 512Mi"},
		"one was killed twice":               {nil, []*corev1.Pod{pod("etcd-0", "a", "b")}, "etcd-0 a 12:00 512Mi, etcd-0 b 12:01 512Mi"},
		"all were":                           {nil, []*corev1.Pod{pod("etcd-0", "a"), pod("etcd-1", "b")}, "etcd-0 a 12:00 512Mi, etcd-1 b 12:00 512Mi"},
		"it is known already":                {[]string{"a"}, []*corev1.Pod{pod("etcd-0", "a")}, "known a 11:00 256Mi"},
		"the one before it is known already": {[]string{"a"}, []*corev1.Pod{pod("etcd-0", "a", "b")}, "known a 11:00 256Mi, etcd-0 b 12:01 512Mi"},
		"its pod is gone":                    {[]string{"a"}, nil, "known a 11:00 256Mi"},
	} {
		t.Run(name, func(t *testing.T) {
			o := &model.Observed{}
			for _, id := range tc.known {
				o.Kills = append(o.Kills, model.Kill{Pod: "known", Container: id, At: noon.Add(-time.Hour), Limit: 256 << 20})
			}
			Source{}.Look(source.Component{Container: "etcd", Pods: tc.pods}, o)
			var got []string
			for _, k := range o.Kills {
				got = append(got, fmt.Sprintf("%s %s %s %s", k.Pod, k.Container, k.At.Format("15:04"), model.Short(model.Memory, k.Limit)))
			}
			if all := strings.Join(got, ", "); all != tc.want {
				t.Errorf("told are\n%s, want\n%s", all, tc.want)
			}
		})
	}
}
