// Package rival brings Kubernetes' Vertical Pod Autoscaler (VPA) into a meta cluster, so that a bench can put its work and ours side by side
// in one run: its own recommender, updater and admission controller, and objects of its kind.
//
// It owns the installation: what VPA's own manifests leave to whoever installs it, and the way back. Everything else is VPA's default. Three
// things differ, and nothing runs here without them:
//   - the images are those that we build from VPA's module, because no registry is reached;
//   - the admission controller's certificates come from internal/pki instead of VPA's script, which needs openssl;
//   - its objects say minReplicas: 1, or its updater would leave workloads of one replica alone.
//
// It never measures anything, and never decides what VPA is to look after.
package rival

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/metapilot/metapilot/e2e/metacluster/cluster"
	"github.com/metapilot/metapilot/e2e/metacluster/component"
	"github.com/metapilot/metapilot/e2e/metacluster/progress"
	"github.com/metapilot/metapilot/internal/pki"
)

// What VPA calls its things; its manifests and programs agree on these names.
const (
	Namespace = "kube-system" // where its programs run

	certificates = "vpa-tls-certs"            // the Secret that the admission controller mounts
	service      = "vpa-webhook"              // the Service under which it registers itself
	webhook      = "vpa-webhook-config"       // what it registers
	lease        = "vpa-admission-controller" // what it renews once it is registered
	kind         = "verticalpodautoscalers"   // of its objects
	checkpoints  = "verticalpodautoscalercheckpoints"
	group        = ".autoscaling.k8s.io"
)

const (
	limit    = 3 * time.Minute
	validity = 365 * 24 * time.Hour // of certificates: longer than any meta cluster lives
)

// programs are what is installed, each a Deployment of its name.
var programs = []string{component.VPARecommender, component.VPAUpdater, component.VPAAdmission}

// Install builds VPA's programs if the store has none, brings them into the nodes, and returns when all three work: the admission controller
// is registered then, without which the updater does nothing. Run again it changes nothing.
func Install(ctx context.Context, c *cluster.Cluster, r *progress.Reporter) error {
	store, err := component.NewStore()
	if err != nil {
		return err
	}
	built, err := cluster.Build(ctx, store, r, programs...)
	if err != nil {
		return err
	}
	for _, name := range programs {
		if err := c.Load(ctx, r, built[name]); err != nil {
			return err
		}
	}
	return r.Step("Vertical Pod Autoscaler installed", "", func() (string, error) { return "", start(ctx, c, store, built) })
}

func start(ctx context.Context, c *cluster.Cluster, store component.Store, built map[string]component.Built) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("VPA was not at work after %s", limit))
	defer cancel()
	client, err := c.Client()
	if err != nil {
		return err
	}
	m, err := read(ctx, store)
	if err != nil {
		return err
	}
	workloads, err := withImages(m.workloads, built)
	if err != nil {
		return err
	}
	if err := applyKinds(ctx, c, m.kinds); err != nil {
		return err
	}
	if err := ensureCertificates(ctx, client, time.Now()); err != nil {
		return err
	}
	if err := c.Apply(ctx, Namespace, workloads); err != nil {
		return err
	}
	return awaitWork(ctx, c, client)
}

func applyKinds(ctx context.Context, c *cluster.Cluster, kinds string) error {
	if err := c.Apply(ctx, Namespace, kinds); err != nil {
		return err
	}
	return kubectl(ctx, c, "wait", "--for=condition=Established", "--timeout=30s", "crd/"+kind+group, "crd/"+checkpoints+group)
}

// ensureCertificates keeps what is there: the webhook that is registered trusts that authority.
func ensureCertificates(ctx context.Context, client kubernetes.Interface, now time.Time) error {
	files, err := newCertificates(now)
	if err != nil {
		return err
	}
	_, err = client.CoreV1().Secrets(Namespace).Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: certificates}, Data: files,
	}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("storing the certificates of VPA's admission controller: %w", err)
	}
	return nil
}

// newCertificates has the file names that the admission controller looks for by default.
func newCertificates(now time.Time) (map[string][]byte, error) {
	authority, err := pki.NewAuthority("vpa webhook", now, validity)
	if err != nil {
		return nil, err
	}
	host := service + "." + Namespace + ".svc"
	server, err := authority.Issue(pki.Request{CommonName: host, Hosts: []string{host}, Validity: validity}, now)
	if err != nil {
		return nil, err
	}
	return map[string][]byte{"caCert.pem": authority.Cert, "serverCert.pem": server.Cert, "serverKey.pem": server.Key}, nil
}

// awaitWork waits for the pods, and then for a new renewal of the lease: the admission controller registers itself 10 s after its start, in
// place of what another one had registered, and renews the lease only after that. The updater too takes that for its sign.
func awaitWork(ctx context.Context, c *cluster.Cluster, client kubernetes.Interface) error {
	for _, name := range programs {
		if err := kubectl(ctx, c, "--namespace", Namespace, "rollout", "status", "deployment/"+name, "--timeout=2m"); err != nil {
			return err
		}
	}
	rolledOut := time.Now()
	return cluster.Poll(ctx, func(ctx context.Context) (bool, string) {
		l, err := client.CoordinationV1().Leases(Namespace).Get(ctx, lease, metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		renewed := l.Spec.RenewTime
		return renewed != nil && renewed.After(rolledOut), fmt.Sprintf("the admission controller last said at %s that it is registered", renewed)
	})
}

// Remove takes everything of VPA out of the cluster, with all objects of its kinds; what VPA made of pods stays as it is. There may be nothing
// of it, or half.
func Remove(ctx context.Context, c *cluster.Cluster) error {
	store, err := component.NewStore()
	if err != nil {
		return err
	}
	m, err := read(ctx, store)
	if err != nil {
		return err
	}
	// First the programs, to their end: a starting admission controller would register itself again.
	deployments := append([]string{"deployment", "--cascade=foreground"}, programs...)
	for _, args := range [][]string{
		deployments,
		{"mutatingwebhookconfiguration", webhook},
		{"secret", certificates},
		{"lease", lease},
	} {
		if err := remove(ctx, c, "", args...); err != nil {
			return err
		}
	}
	return remove(ctx, c, m.workloads+"\n---\n"+m.kinds, "-f", "-")
}

// remove deletes and waits until it is gone.
func remove(ctx context.Context, c *cluster.Cluster, manifests string, what ...string) error {
	cmd := c.Kubectl(ctx, append([]string{"--namespace", Namespace, "delete", "--ignore-not-found", "--timeout=2m"}, what...)...)
	cmd.Stdin = strings.NewReader(manifests)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("removing %s of VPA: %w: %s", strings.Join(what, " "), err, out)
	}
	return nil
}

func kubectl(ctx context.Context, c *cluster.Cluster, args ...string) error {
	if out, err := c.Kubectl(ctx, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}
