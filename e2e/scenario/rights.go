package scenario

import (
	"context"
	"regexp"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// programs is the namespace of Metapilot's own.
const programs = "metapilot-system"

// refused is how the API server says that a program has no right to something; that a namespace is going away is told in other words.
var refused = regexp.MustCompile(`[^\n]*is forbidden: User \\?"system:serviceaccount:` + programs + `:[^\n]*`)

// mustHaveHadEveryRight fails the test if one of Metapilot's programs asked for something in this scenario's time that its role does not let it do.
func (s *Scenario) mustHaveHadEveryRight(ctx context.Context) {
	s.Helper()
	pods, err := s.Client.CoreV1().Pods(programs).List(ctx, metav1.ListOptions{})
	if err != nil {
		s.Errorf("looking for Metapilot's programs: %v", err)
		return
	}
	since := metav1.NewTime(s.begun)
	for i := range pods.Items {
		said, err := s.Client.CoreV1().Pods(programs).GetLogs(pods.Items[i].Name, &corev1.PodLogOptions{SinceTime: &since}).DoRaw(ctx)
		if err != nil {
			continue // it was killed a moment ago, as scenarios do
		}
		for _, line := range refused.FindAll(said, 3) {
			s.Errorf("%s has not the right: %s", pods.Items[i].Name, line)
		}
	}
}
