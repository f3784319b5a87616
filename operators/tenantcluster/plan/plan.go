package plan

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/metapilot/metapilot/api/v1alpha1"
)

// Config is how the operator was started.
type Config struct {
	Images Images
	// SizeInTemplate is set where the meta cluster serves no MutatingAdmissionPolicy v1: then a size reaches pods through their template.
	SizeInTemplate bool
}

// Observed is all that a decision rests on.
type Observed struct {
	Now         time.Time
	Tenant      *v1alpha1.TenantCluster
	Address     string // cluster IP of the API servers' Service; empty before there is one
	NodePort    int32  // of the API servers' Service, if it has one
	Credentials map[string]Credential
	Deployments map[string]Deployment // by component
	EtcdHash    string                // of the template that the StatefulSet of etcd has
	Pods        []Pod
	Function    Function
	Sized       bool // the sizes are where pods get them at their creation
	Terminating bool // the tenant's namespace is being removed by somebody
}

// Credential is what a Secret of the tenant holds, as far as it was checked.
type Credential struct {
	Fault     string    // why it cannot be used; empty if it can
	NotBefore time.Time // zero for what has no end, such as a signing key
	NotAfter  time.Time
	Digest    string // of its public part
	Request   string // digest of the request that it was made for
}

// Deployment is how a stateless component is.
type Deployment struct {
	Version  string // of the template
	Replicas int32  // wanted
	Updated  int32
	Ready    int32
	Total    int32
	Current  bool // its controller has seen the newest spec
}

// rolled is whether all pods are of the newest template.
func (d Deployment) rolled() bool {
	return d.Current && d.Replicas > 0 && d.Updated == d.Replicas && d.Total == d.Replicas && d.Ready == d.Replicas
}

// Pod is one pod of a component.
type Pod struct {
	Name, Component string
	UID             string
	Hash            string // of the template that it was made from
	Running         bool   // its container runs now
	Ready           bool
	Terminating     bool
	Why             string // why it is not ready, if it says so
	Unsized         string // why it has not got its size; empty if it has
}

// Function is what was seen when the tenant was used through its own endpoint.
type Function struct {
	Asked      bool          // whether it was worth asking
	Fault      string        // why a canary could not be written, read and watched; empty if it could
	Controller string        // why the controller manager does not work; empty if its lease is fresh
	Scheduler  string        // why the scheduler does not work; empty if its lease is fresh
	Prober     string        // why the cluster-scaler's probe could not be let in; empty if it could, or nobody tried
	Members    []Member      // etcd's own view
	Took       time.Duration // of write, read and watch together
}

// Member is an etcd member as it answered itself.
type Member struct {
	Pod     string
	Healthy bool // it answers and has a leader
	Leader  bool
	Alarm   string // such as NOSPACE; etcd raises it for the whole cluster
	DBSize  int64  // bytes
}

// Plan is what to do.
type Plan struct {
	Namespace string
	Release   bool            // the namespace goes, so nothing in it is held back
	Issue     []Request       // credentials to make or to replace, authorities first
	Objects   []metav1.Object // what has to be there, in the order of applying
	Unwanted  []metav1.Object // what must not be there any more
	Endpoint  *v1alpha1.Endpoint
	Restart   *Restart
	Status    v1alpha1.TenantClusterStatus
	Recheck   time.Duration // when to look again; what happens in between wakes the operator earlier
}

// Restart replaces one etcd pod.
type Restart struct {
	Pod        string
	UID        string // of the pod that was seen
	MoveLeader bool   // the member leads: another has to take over first
	Reason     string
}
