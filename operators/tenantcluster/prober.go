package tenantcluster

import (
	"context"
	"fmt"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	admission "k8s.io/client-go/applyconfigurations/admissionregistration/v1"
	core "k8s.io/client-go/applyconfigurations/core/v1"
	meta "k8s.io/client-go/applyconfigurations/meta/v1"
	rbac "k8s.io/client-go/applyconfigurations/rbac/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/api/v1alpha1"
)

// proberAgain is when what lets the prober in is applied once more, for it may have been edited. A role that is missing is seen before.
const proberAgain = time.Hour

// letIn is when the prober was let into a tenant last.
type letIn struct {
	uid types.UID
	at  time.Time
}

// admit lets the cluster-scaler's probe into the tenant, and tells why it could not; empty if it could. It is done when the operator has just started,
// where the probe has no rights, and every hour; a failure is tried again with the next look.
func (r *Reconciler) admit(ctx context.Context, tc *v1alpha1.TenantCluster, v *vault, api *tenant) string {
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	key, now := client.ObjectKeyFromObject(tc), r.Clock.Now()
	last, _ := r.admitted.Load(key)
	if done, is := last.(letIn); is && done.uid == tc.UID && now.Sub(done.at) < proberAgain && proberMay(ctx, api) {
		return ""
	}
	root, err := r.dial(tc, v, bootstrapIdentity)
	if err == nil {
		defer root.Close()
		err = admitProber(ctx, root.Clientset)
	}
	if err != nil {
		return err.Error()
	}
	r.admitted.Store(key, letIn{tc.UID, now})
	return ""
}

// proberMay asks whether the prober still has its rights.
func proberMay(ctx context.Context, api *tenant) bool {
	review, err := api.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{
		Spec: authorizationv1.SubjectAccessReviewSpec{
			User:               v1alpha1.ProbesUser,
			ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: v1alpha1.ProbesNamespace, Verb: "create", Resource: "configmaps"},
		},
	}, metav1.CreateOptions{})
	return err == nil && review.Status.Allowed
}

// Names of what lets the prober in.
const (
	proberRole   = "metapilot:cluster-scaler-probes"
	proberPolicy = "cluster-scaler-probes.metapilot.io"
)

// admitProber makes what the prober needs in a tenant. RBAC knows no right to a dry run alone, so a policy refuses all else, and comes first.
func admitProber(ctx context.Context, root kubernetes.Interface) error {
	how := metav1.ApplyOptions{FieldManager: Owner, Force: true}
	steps := []struct {
		what  string
		apply func() error
	}{
		{"ValidatingAdmissionPolicy " + proberPolicy, func() error {
			_, err := root.AdmissionregistrationV1().ValidatingAdmissionPolicies().Apply(ctx, dryRunOnly(), how)
			return err
		}},
		{"ValidatingAdmissionPolicyBinding " + proberPolicy, func() error {
			binding := admission.ValidatingAdmissionPolicyBinding(proberPolicy).WithSpec(admission.ValidatingAdmissionPolicyBindingSpec().
				WithPolicyName(proberPolicy).WithValidationActions(admissionregistrationv1.Deny))
			_, err := root.AdmissionregistrationV1().ValidatingAdmissionPolicyBindings().Apply(ctx, binding, how)
			return err
		}},
		{"Namespace " + v1alpha1.ProbesNamespace, func() error {
			_, err := root.CoreV1().Namespaces().Apply(ctx, core.Namespace(v1alpha1.ProbesNamespace), how)
			return err
		}},
		{"Role " + proberRole, func() error {
			role := rbac.Role(proberRole, v1alpha1.ProbesNamespace).WithRules(rbac.PolicyRule().
				WithAPIGroups("").WithResources("configmaps").WithVerbs("create", "list", "watch"))
			_, err := root.RbacV1().Roles(v1alpha1.ProbesNamespace).Apply(ctx, role, how)
			return err
		}},
		{"RoleBinding " + proberRole, func() error {
			binding := rbac.RoleBinding(proberRole, v1alpha1.ProbesNamespace).
				WithRoleRef(rbac.RoleRef().WithAPIGroup(rbacv1.GroupName).WithKind("Role").WithName(proberRole)).
				WithSubjects(rbac.Subject().WithAPIGroup(rbacv1.GroupName).WithKind(rbacv1.UserKind).WithName(v1alpha1.ProbesUser))
			_, err := root.RbacV1().RoleBindings(v1alpha1.ProbesNamespace).Apply(ctx, binding, how)
			return err
		}},
	}
	for _, step := range steps {
		if err := step.apply(); err != nil {
			return fmt.Errorf("letting the cluster-scaler's probe in: applying %s in the tenant: %w", step.what, err)
		}
	}
	return nil
}

// dryRunOnly refuses whatever the prober would really create: who has stolen its key can read the names of an empty namespace, and write nothing.
func dryRunOnly() *admission.ValidatingAdmissionPolicyApplyConfiguration {
	prober := admission.MatchCondition().WithName("prober").WithExpression("request.userInfo.username == '" + v1alpha1.ProbesUser + "'")
	refused := admission.Validation().WithExpression("request.dryRun").
		WithMessage("the cluster-scaler's probe creates nothing: it may only try to (dryRun=All)")
	creates := admission.NamedRuleWithOperations().WithAPIGroups("").WithAPIVersions("v1").WithResources("configmaps").WithOperations(admissionregistrationv1.Create)
	there := meta.LabelSelector().WithMatchLabels(map[string]string{"kubernetes.io/metadata.name": v1alpha1.ProbesNamespace})
	return admission.ValidatingAdmissionPolicy(proberPolicy).WithSpec(admission.ValidatingAdmissionPolicySpec().
		WithFailurePolicy(admissionregistrationv1.Fail).WithMatchConditions(prober).WithValidations(refused).
		WithMatchConstraints(admission.MatchResources().WithResourceRules(creates).WithNamespaceSelector(there)))
}
