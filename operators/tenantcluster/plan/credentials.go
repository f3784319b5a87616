package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/metapilot/metapilot/api/v1alpha1"
)

// Authorities and the signing key; each is a Secret of the tenant's namespace.
const (
	CA             = "ca" // signs the API servers' serving certificates and the certificates of all clients of the API
	FrontProxyCA   = "front-proxy-ca"
	EtcdClientCA   = "etcd-client-ca" // signs both ends of connections between API servers and etcd
	EtcdPeerCA     = "etcd-peer-ca"
	ServiceAccount = "service-account"
)

// Certificates, each a Secret.
const (
	apiServerServing   = "kube-apiserver"
	apiServerKubelet   = "kube-apiserver-kubelet-client"
	apiServerEtcd      = "kube-apiserver-etcd-client"
	frontProxyClient   = "front-proxy-client"
	etcdServer         = "etcd-server"
	etcdPeer           = "etcd-peer"
	controllerIdentity = "kube-controller-manager"
	schedulerIdentity  = "kube-scheduler"
	scalerIdentity     = "cluster-scaler" // reads metrics of the tenant's API servers
	Admin              = "admin"          // goes into the kubeconfig; not in a Secret of the tenant's namespace
)

// Groups and users that the operator binds to roles in the tenant.
const (
	AdminUser   = "metapilot:admin"
	AdminGroup  = "metapilot:cluster-admins"
	KubeletUser = "metapilot:kube-apiserver"
)

// monitoringGroup may read metrics and health in every cluster, and nothing else, by a role that API servers make
// (k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac/bootstrappolicy).
const monitoringGroup = "system:monitoring"

// authorityValidity is what kubeadm and Cluster API give their authorities.
const authorityValidity = 10 * 365 * 24 * time.Hour

// Kind of a credential.
type Kind string

// Kinds of credentials.
const (
	Authority  Kind = "Authority"
	SigningKey Kind = "SigningKey"
	Leaf       Kind = "Leaf"
)

// Request says what a credential is for. Field names as in internal/pki.
type Request struct {
	Name          string
	Kind          Kind
	Signer        string // the authority; of a leaf
	CommonName    string
	Organizations []string
	Hosts         []string
	Client        bool
	Server        string // host and port in the kubeconfig around it
	Validity      time.Duration
	Why           string // why it has to be made
	Renewal       bool   // what is there can still be used, or nothing of the tenant rests on it
	Beside        bool   // the tenant works as well without it
}

// Key is the same for requests that ask for the same, whatever the reason.
func (r Request) Key() string {
	return fmt.Sprintf("%s|%s|%s|%s|%s|%t|%s|%s", r.Kind, r.Signer, r.CommonName, strings.Join(r.Organizations, ","), strings.Join(r.Hosts, ","), r.Client, r.Server, r.Validity)
}

// credentials lists all that the tenant needs, authorities first. Certificates for the API servers need their address.
func credentials(o Observed) []Request {
	t := o.Tenant
	all := []Request{
		authority(t, CA), authority(t, FrontProxyCA), authority(t, EtcdClientCA), authority(t, EtcdPeerCA),
		{Name: ServiceAccount, Kind: SigningKey},
		server(t, etcdServer, EtcdClientCA, etcdHosts(t)),
		server(t, etcdPeer, EtcdPeerCA, etcdHosts(t)),
		client(t, apiServerEtcd, EtcdClientCA, "kube-apiserver"),
		client(t, apiServerKubelet, CA, KubeletUser),
		client(t, frontProxyClient, FrontProxyCA, "front-proxy-client"),
		client(t, controllerIdentity, CA, "system:kube-controller-manager"),
		client(t, schedulerIdentity, CA, "system:kube-scheduler"),
		beside(client(t, scalerIdentity, CA, "cluster-scaler", monitoringGroup)),
		beside(client(t, v1alpha1.ProbesSecret, CA, v1alpha1.ProbesUser)),
	}
	if e := endpoint(o); e != nil {
		admin := client(t, Admin, CA, AdminUser, AdminGroup)
		admin.Server = fmt.Sprintf("%s:%d", e.Host, e.Port)
		all = append(all, admin)
	}
	if o.Address != "" {
		all = append(all, server(t, apiServerServing, CA, apiHosts(o)))
	}
	return all
}

// Requests are the credentials of a tenant whose Secrets are there or will be, whatever is known of its address yet.
func Requests(t *v1alpha1.TenantCluster) []Request {
	return credentials(Observed{Tenant: t, Address: "0.0.0.0", NodePort: 1})
}

func authority(t *v1alpha1.TenantCluster, name string) Request {
	return Request{Name: name, Kind: Authority, CommonName: t.Name + " " + name, Validity: authorityValidity}
}

// server certificates are client certificates too: etcd's gateway and peers use theirs in both roles.
func server(t *v1alpha1.TenantCluster, name, signer string, hosts []string) Request {
	r := client(t, name, signer, name)
	r.Hosts = hosts
	return r
}

func client(t *v1alpha1.TenantCluster, name, signer, user string, groups ...string) Request {
	return Request{
		Name: name, Kind: Leaf, Signer: signer, CommonName: user, Organizations: groups, Client: true,
		Validity: t.Spec.Certificates.LeafValidity.Duration,
	}
}

// beside marks what no program of the tenant uses: no pod mounts it, and the tenant is ready without it.
func beside(r Request) Request {
	r.Beside = true
	return r
}

func etcdHosts(t *v1alpha1.TenantCluster) []string {
	hosts := []string{"localhost", "127.0.0.1"}
	for i := range t.Spec.Etcd.Members {
		hosts = append(hosts, memberHost(t, i))
	}
	return hosts
}

// apiHosts are all names under which the API servers are reached: from inside the tenant, from the meta cluster, from outside.
func apiHosts(o Observed) []string {
	t := o.Tenant
	hosts := []string{
		"localhost", "127.0.0.1", o.Address, APIServer, APIServer + "." + Namespace(t), serviceHost(t, APIServer),
		"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc." + t.Spec.Network.ClusterDomain,
	}
	for _, cidr := range t.Spec.Network.ServiceCIDRs {
		if ip, err := firstAddress(string(cidr)); err == nil {
			hosts = append(hosts, ip)
		}
	}
	if t.Spec.Expose.Hostname != "" {
		hosts = append(hosts, t.Spec.Expose.Hostname)
	}
	if e := t.Spec.ControlPlaneEndpoint; e != nil {
		hosts = append(hosts, e.Host)
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// toIssue are the requests whose credential is missing, cannot be used, was made for something else or ends soon. What an authority
// signed goes with it.
func toIssue(o Observed) []Request {
	renewed := map[string]bool{}
	var all []Request
	for _, r := range credentials(o) {
		if r.Why, r.Renewal = whyIssue(o, r); r.Why == "" && renewed[r.Signer] {
			r.Why = "its authority " + r.Signer + " is new"
		}
		r.Renewal = r.Renewal || r.Beside
		if r.Why != "" {
			renewed[r.Name] = true
			all = append(all, r)
		}
	}
	return all
}

func whyIssue(o Observed, r Request) (why string, renewal bool) {
	have, there := o.Credentials[r.Name]
	switch {
	case !there:
		return "it is missing", false
	case r.Kind != Leaf: // an authority is never replaced: all that it signed would fall with it; see brokenAuthority
		return "", false
	case have.Fault != "":
		return have.Fault, false
	case have.Request != r.Key():
		return "it was made for something else", true
	}
	if left := have.NotAfter.Sub(o.Now); left <= renewBefore(o.Tenant, have) {
		return fmt.Sprintf("it ends in %s", left.Round(time.Second)), true
	}
	return "", false
}

// brokenAuthority names an authority or signing key that cannot be used. Only a person can say that all that hangs on it may go.
func brokenAuthority(o Observed) fault {
	for _, r := range credentials(o) {
		if have, there := o.Credentials[r.Name]; there && r.Kind != Leaf && have.Fault != "" {
			return fault{"AuthorityBroken", fmt.Sprintf("Secret %s in %s cannot be used (%s): restore it from a backup; or remove its finalizer and delete it, and every certificate, kubeconfig and token of the tenant is made anew",
				r.Name, Namespace(o.Tenant), have.Fault)}
		}
	}
	return fault{}
}

// trusted is whether all authorities and signing keys that the program rests on are known: without them its template would be another one.
func trusted(o Observed, p program) bool {
	for _, r := range credentials(o) {
		if r.Kind != Leaf && o.Credentials[r.Name].Digest == "" {
			for _, secret := range p.secrets {
				if signerOf(o, secret) == r.Name {
					return false
				}
			}
		}
	}
	return true
}

// signerOf is the authority of a Secret; of an authority or signing key itself.
func signerOf(o Observed, secret string) string {
	for _, r := range credentials(o) {
		if r.Name == secret && r.Kind == Leaf {
			return r.Signer
		}
	}
	return secret
}

// renewBefore is a third of a certificate's own validity unless the spec says otherwise, so that a shorter one that was forced upon us is
// renewed in time as well.
func renewBefore(t *v1alpha1.TenantCluster, have Credential) time.Duration {
	if r := t.Spec.Certificates.RenewBefore; r != nil {
		return r.Duration
	}
	return have.NotAfter.Sub(have.NotBefore) / 3
}

// nextRenewal is how long until the first certificate has to be replaced.
func nextRenewal(o Observed) time.Duration {
	wait := o.Tenant.Spec.Certificates.LeafValidity.Duration
	for _, r := range credentials(o) {
		if have, ok := o.Credentials[r.Name]; ok && r.Kind == Leaf {
			wait = min(wait, have.NotAfter.Sub(o.Now)-renewBefore(o.Tenant, have))
		}
	}
	return max(wait, time.Second)
}

// certificateStatus is, for each authority, the certificate that ends first.
func certificateStatus(o Observed) []v1alpha1.CertificateStatus {
	first := map[string]v1alpha1.CertificateStatus{}
	for _, r := range credentials(o) {
		have, ok := o.Credentials[r.Name]
		if !ok || r.Kind != Leaf || have.NotAfter.IsZero() {
			continue
		}
		if f, ok := first[r.Signer]; !ok || have.NotAfter.Before(f.NotAfter.Time) {
			first[r.Signer] = v1alpha1.CertificateStatus{Name: r.Name, NotAfter: timeOf(have.NotAfter)}
		}
	}
	var all []v1alpha1.CertificateStatus
	for _, f := range first {
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b v1alpha1.CertificateStatus) int { return cmp.Compare(a.Name, b.Name) })
	return all
}
