package tenantcluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/internal/pki"
	"github.com/metapilot/metapilot/operators/tenantcluster/plan"
)

// Who the operator is in a tenant. Both certificates live for minutes in its memory and are written nowhere.
var (
	// probeIdentity may do what the canary needs and nothing else.
	probeIdentity = pki.Request{CommonName: "metapilot:operator", Client: true, Validity: identityValidity}
	// bootstrapIdentity makes the roles for all others, once.
	bootstrapIdentity = pki.Request{
		CommonName: "metapilot:bootstrap", Organizations: []string{"system:masters"}, Client: true, Validity: identityValidity,
	}
)

const identityValidity = 10 * time.Minute

// Names of the roles in the tenant.
const (
	adminBinding   = "metapilot:cluster-admins"
	kubeletBinding = "metapilot:kube-apiserver"
	operatorRole   = "metapilot:operator"
)

// tenant is a tenant's API as the operator sees it, on a connection that Close ends: there may be thousands of tenants.
type tenant struct {
	*kubernetes.Clientset
	transport *http.Transport
}

func (t *tenant) Close() { t.transport.CloseIdleConnections() }

// dial returns the tenant's API at its own endpoint.
func (r *Reconciler) dial(tc *v1alpha1.TenantCluster, v *vault, who pki.Request) (*tenant, error) {
	trust, err := r.identify(v, plan.CA, who)
	if err != nil {
		return nil, err
	}
	t := &tenant{transport: &http.Transport{TLSClientConfig: trust, ForceAttemptHTTP2: true}}
	config := &rest.Config{Host: server(tc.Spec.ControlPlaneEndpoint), QPS: -1, UserAgent: Owner}
	t.Clientset, err = kubernetes.NewForConfigAndClient(config, &http.Client{Transport: t.transport})
	return t, err
}

// identify trusts the servers of an authority and has it sign who we are.
func (r *Reconciler) identify(v *vault, signer string, who pki.Request) (*tls.Config, error) {
	authority, err := v.authority(signer)
	if err != nil {
		return nil, err
	}
	pair, err := authority.Issue(who, r.Clock.Now())
	if err != nil {
		return nil, err
	}
	certificate, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority.Cert)
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, Certificates: []tls.Certificate{certificate}}, nil
}

func server(e *v1alpha1.Endpoint) string {
	return "https://" + net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port)))
}

// Names in the administrator's kubeconfig.
const (
	kubeconfigCluster = "tenant"
	kubeconfigUser    = "admin"
)

// kubeconfig is that of the tenant's administrator.
func kubeconfig(at *v1alpha1.Endpoint, ca []byte, pair pki.Pair) ([]byte, error) {
	config := clientcmdapi.NewConfig()
	config.Clusters[kubeconfigCluster] = &clientcmdapi.Cluster{Server: server(at), CertificateAuthorityData: ca}
	config.AuthInfos[kubeconfigUser] = &clientcmdapi.AuthInfo{ClientCertificateData: pair.Cert, ClientKeyData: pair.Key}
	config.Contexts[kubeconfigCluster] = &clientcmdapi.Context{Cluster: kubeconfigCluster, AuthInfo: kubeconfigUser}
	config.CurrentContext = kubeconfigCluster
	return clientcmd.Write(*config)
}

// bootstrap makes the roles that the tenant does not bring along: of the administrator, of its API servers towards kubelets, of the operator.
// What is there already gets the rules and subjects of today.
func bootstrap(ctx context.Context, root *tenant) error {
	roles, update := root.RbacV1(), metav1.UpdateOptions{FieldManager: Owner}
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: operatorRole}, Rules: operatorRules}
	_, err := roles.ClusterRoles().Create(ctx, role, metav1.CreateOptions{FieldManager: Owner})
	if apierrors.IsAlreadyExists(err) {
		_, err = roles.ClusterRoles().Update(ctx, role, update)
	}
	if err != nil {
		return err
	}
	for _, b := range bindings {
		_, err := roles.ClusterRoleBindings().Create(ctx, b.binding(), metav1.CreateOptions{FieldManager: Owner})
		if apierrors.IsAlreadyExists(err) {
			_, err = roles.ClusterRoleBindings().Update(ctx, b.binding(), update)
		}
		if err != nil {
			return fmt.Errorf("binding %s: %w", b.role, err)
		}
	}
	return nil
}

// grant binds a subject to a role.
type grant struct{ name, role, kind, subject string }

var bindings = []grant{
	{adminBinding, "cluster-admin", rbacv1.GroupKind, plan.AdminGroup},
	{kubeletBinding, "system:kubelet-api-admin", rbacv1.UserKind, plan.KubeletUser},
	{operatorRole, operatorRole, rbacv1.UserKind, probeIdentity.CommonName},
}

func (g grant) binding() *rbacv1.ClusterRoleBinding {
	return &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: g.name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: g.role},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: g.kind, Name: g.subject}},
	}
}

// operatorRules are what the canary needs.
var operatorRules = []rbacv1.PolicyRule{
	{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"create"}},
	{APIGroups: []string{""}, Resources: []string{"configmaps"}, ResourceNames: []string{canaryName}, Verbs: []string{"get", "update", "watch"}},
	{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, ResourceNames: []string{plan.ControllerManager, plan.Scheduler}, Verbs: []string{"get"}},
	{APIGroups: []string{"authorization.k8s.io"}, Resources: []string{"subjectaccessreviews"}, Verbs: []string{"create"}},
}
