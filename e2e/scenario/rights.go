package scenario

import (
	"context"
	"regexp"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// programs is the namespace of Metapilot's own.
const programs = "metapilot-system"

// refused is how the API server says that a program has no right to something: who, to do what, to which resource of which group, in which namespace.
// Logs have it with and without escaped quotes.
var refused = regexp.MustCompile(`is forbidden: User \\?"(system:serviceaccount:` + programs + `:[^"\\]+)\\?" cannot (\w+) resource \\?"([^"\\]+)\\?" in API group \\?"([^"\\]*)\\?"(?: in the namespace \\?"([^"\\]+))?`)

// mustHaveHadEveryRight fails the test if one of Metapilot's programs asked for something in this scenario's time that its role does not let it do. An
// API server that has just started refuses what it allows a moment later, so it is asked again.
func (s *Scenario) mustHaveHadEveryRight(ctx context.Context) {
	s.Helper()
	pods, err := s.Client.CoreV1().Pods(programs).List(ctx, metav1.ListOptions{})
	if err != nil {
		s.Errorf("looking for Metapilot's programs: %v", err)
		return
	}
	since, asked := metav1.NewTime(s.begun), map[string]bool{}
	for i := range pods.Items {
		said, err := s.Client.CoreV1().Pods(programs).GetLogs(pods.Items[i].Name, &corev1.PodLogOptions{SinceTime: &since}).DoRaw(ctx)
		if err != nil {
			continue // it was killed a moment ago, as scenarios do
		}
		for _, found := range refused.FindAllStringSubmatch(string(said), -1) {
			if !asked[found[0]] && !s.allowed(ctx, found) {
				s.Errorf("%s %s", pods.Items[i].Name, found[0])
			}
			asked[found[0]] = true
		}
	}
}

// allowed asks whether what was refused is allowed now.
func (s *Scenario) allowed(ctx context.Context, refusal []string) bool {
	resource, subresource, _ := strings.Cut(refusal[3], "/")
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: refusal[1], Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + programs, "system:authenticated"},
		ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: refusal[2], Resource: resource, Subresource: subresource, Group: refusal[4], Namespace: refusal[5]},
	}}
	got, err := s.Client.AuthorizationV1().SubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
	return err == nil && got.Status.Allowed
}
