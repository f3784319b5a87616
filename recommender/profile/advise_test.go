package profile

import (
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/recommender/estimator"
	"github.com/metapilot/metapilot/recommender/model"
)

const mi = 1 << 20

func targeted(cpu, memory float64) advised {
	limited := func(target float64) estimator.Limited {
		return estimator.Limited{Recommendation: estimator.Recommendation{Target: target, Lower: target * 0.9, Upper: target * 1.2}, Uncapped: target}
	}
	return advised{container: "app", limited: [model.Resources]estimator.Limited{limited(cpu), limited(memory)}}
}

func list(cpu, memory string) corev1.ResourceList {
	l := corev1.ResourceList{}
	for name, amount := range map[corev1.ResourceName]string{corev1.ResourceCPU: cpu, corev1.ResourceMemory: memory} {
		if amount != "" {
			l[name] = resource.MustParse(amount)
		}
	}
	return l
}

// The QoS class of a pod follows from what is written and what is the same.
func TestSizesKeepTheQoSClass(t *testing.T) {
	for name, tc := range map[string]struct {
		now  corev1.ResourceRequirements
		want string
	}{
		"best effort":            {corev1.ResourceRequirements{}, "- - - -"},
		"guaranteed":             {corev1.ResourceRequirements{Requests: list("1", "1Gi"), Limits: list("1", "1Gi")}, "200m 300Mi 200m 300Mi"},
		"limits alone":           {corev1.ResourceRequirements{Limits: list("1", "1Gi")}, "200m 300Mi 200m 300Mi"},
		"requests alone":         {corev1.ResourceRequirements{Requests: list("1", "1Gi")}, "200m 300Mi - -"},
		"twice the request":      {corev1.ResourceRequirements{Requests: list("1", "1Gi"), Limits: list("2", "2Gi")}, "200m 300Mi 400m 600Mi"},
		"a memory limit":         {corev1.ResourceRequirements{Requests: list("1", "512Mi"), Limits: list("", "1Gi")}, "200m 300Mi - 600Mi"},
		"nothing of CPU written": {corev1.ResourceRequirements{Requests: list("", "512Mi")}, "- 300Mi - -"},
	} {
		t.Run(name, func(t *testing.T) {
			s := sized(tc.now, targeted(200, 300*mi))
			got := words(s.Requests.CPU) + " " + words(s.Requests.Memory) + " " + words(s.Limits.CPU) + " " + words(s.Limits.Memory)
			if got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

// What a kill has taught is held by the limit, if that is another one than the request.
func TestAKillRaisesTheLimit(t *testing.T) {
	a := targeted(200, 900*mi)
	a.limited[model.Memory].Usual = 300 * mi
	for want, now := range map[string]corev1.ResourceRequirements{
		"300Mi 900Mi":  {Requests: list("", "512Mi"), Limits: list("", "1Gi")},
		"300Mi 1200Mi": {Requests: list("", "256Mi"), Limits: list("", "1Gi")},
		"900Mi 900Mi":  {Requests: list("", "1Gi"), Limits: list("", "1Gi")},
		"900Mi -":      {Requests: list("", "1Gi")},
	} {
		s := sized(now, a)
		if got := words(s.Requests.Memory) + " " + words(s.Limits.Memory); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func words(q *resource.Quantity) string {
	if q == nil {
		return "-"
	}
	return q.String()
}

func TestPodsOfTheWorkload(t *testing.T) {
	yes := true
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "api", UID: "d"}}
	for name, tc := range map[string]struct {
		owner *metav1.OwnerReference
		want  bool
	}{
		"nobody's":                    {nil, true},
		"its own":                     {&metav1.OwnerReference{Kind: "Deployment", Name: "api", UID: "d", Controller: &yes}, true},
		"of its ReplicaSet":           {&metav1.OwnerReference{Kind: "ReplicaSet", Name: "api-7f9", UID: "r", Controller: &yes}, true},
		"of another one's ReplicaSet": {&metav1.OwnerReference{Kind: "ReplicaSet", Name: "api-two-7f9", UID: "r", Controller: &yes}, false},
		"of a StatefulSet":            {&metav1.OwnerReference{Kind: "StatefulSet", Name: "api", UID: "s", Controller: &yes}, false},
	} {
		t.Run(name, func(t *testing.T) {
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{appsv1.DefaultDeploymentUniqueLabelKey: "7f9"}}}
			if tc.owner != nil {
				pod.OwnerReferences = []metav1.OwnerReference{*tc.owner}
			}
			if got := owns(d, pod); got != tc.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestPodsOfThePast(t *testing.T) {
	for _, tc := range []struct {
		kind, pod string
		want      bool
	}{
		{"Deployment", "api-7f9c6d5b4-x2v4q", true},
		{"Deployment", "api-two-7f9c6d5b4-x2v4q", false},
		{"Deployment", "api-x2v4q", false},
		{"StatefulSet", "api-0", true},
		{"StatefulSet", "api-12", true},
		{"StatefulSet", "api-0-1", false},
		{"DaemonSet", "api-x2v4q", true},
		{"DaemonSet", "other-x2v4q", false},
		{"Rollout", "api-7f9-x2v4q", false},
	} {
		if got := madeFor(v1alpha1.ProfileTarget{Kind: tc.kind, Name: "api"}, tc.pod); got != tc.want {
			t.Errorf("%s of %s api: %v", tc.pod, tc.kind, got)
		}
	}
}

func TestRecommendationWithinThePolicyOfAnAutoscaler(t *testing.T) {
	off, only := vpav1.ContainerScalingModeOff, []corev1.ResourceName{corev1.ResourceMemory}
	for name, tc := range map[string]struct {
		policies []vpav1.ContainerResourcePolicy
		want     string // CPU and memory
	}{
		"none":                    {nil, "200m 300Mi"},
		"off":                     {[]vpav1.ContainerResourcePolicy{{ContainerName: "app", Mode: &off}}, ""},
		"others off":              {[]vpav1.ContainerResourcePolicy{{ContainerName: "*", Mode: &off}, {ContainerName: "app"}}, "200m 300Mi"},
		"at least":                {[]vpav1.ContainerResourcePolicy{{ContainerName: "*", MinAllowed: list("500m", "")}}, "500m 300Mi"},
		"at most":                 {[]vpav1.ContainerResourcePolicy{{ContainerName: "app", MaxAllowed: list("", "256Mi")}}, "200m 256Mi"},
		"memory alone controlled": {[]vpav1.ContainerResourcePolicy{{ContainerName: "app", ControlledResources: &only}}, "- 300Mi"},
	} {
		t.Run(name, func(t *testing.T) {
			v := &vpav1.VerticalPodAutoscaler{Spec: vpav1.VerticalPodAutoscalerSpec{ResourcePolicy: &vpav1.PodResourcePolicy{ContainerPolicies: tc.policies}}}
			got := recommendation(v, []advised{targeted(200, 300*mi)})
			switch {
			case tc.want == "" && got != nil:
				t.Errorf("got %+v", got)
			case tc.want != "":
				one := got.ContainerRecommendations[0]
				if text := quantity(one.Target, corev1.ResourceCPU) + " " + quantity(one.Target, corev1.ResourceMemory); text != tc.want {
					t.Errorf("got %s", text)
				}
				for r, target := range one.Target {
					lower, upper := one.LowerBound[r], one.UpperBound[r]
					if lower.Cmp(target) > 0 || upper.Cmp(target) < 0 {
						t.Errorf("%s: %s is not between %s and %s", r, target.String(), lower.String(), upper.String())
					}
				}
			}
		})
	}
}

func quantity(l corev1.ResourceList, r corev1.ResourceName) string {
	if q, ok := l[r]; ok {
		return q.String()
	}
	return "-"
}

func TestConditionsOfAnAutoscalerKeepTheirTime(t *testing.T) {
	var s vpav1.VerticalPodAutoscalerStatus
	early, late := time.Unix(1000, 0), time.Unix(2000, 0)
	one := vpav1.VerticalPodAutoscalerCondition{Type: vpav1.RecommendationProvided, Status: corev1.ConditionTrue}
	setCondition(&s, one, early)
	setCondition(&s, one, late)
	if got := s.Conditions[0].LastTransitionTime; len(s.Conditions) != 1 || !got.Time.Equal(early) {
		t.Errorf("%+v", s.Conditions)
	}
	one.Status = corev1.ConditionFalse
	if setCondition(&s, one, late); !s.Conditions[0].LastTransitionTime.Time.Equal(late) {
		t.Errorf("%+v", s.Conditions)
	}
}
