package plan

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/metapilot/metapilot/api/v1alpha1"
)

const dataVolume = "data"

// render lists the objects that have to be there now, in the order of applying: first what others need to be rendered at all. A component
// whose spec is wrong is left as it is; the first fault is returned.
func render(o Observed, c Config) ([]metav1.Object, fault) {
	t := o.Tenant
	all := []metav1.Object{namespace(t), apiService(t), etcdService(t)}
	if o.Address == "" || !o.Sized && !c.SizeInTemplate { // certificates and flags need the one, pods the other
		return all, fault{}
	}
	all = append(all, kubeconfig(t, ControllerManager, controllerIdentity), kubeconfig(t, Scheduler, schedulerIdentity))
	var first fault
	for _, component := range Components {
		if !due(o, component) || !trusted(o, programOf(o, component)) {
			continue
		}
		object, wrong := workload(o, c, component)
		if wrong.reason == "" {
			all = append(all, object)
		} else if first.reason == "" {
			first = wrong
		}
	}
	return append(all, budgets(t)...), cmp.Or(brokenAuthority(o), first)
}

// due tells whether it is time for a component: at the birth of a tenant each waits for what it would otherwise look for in vain, with a
// growing pause between its tries. What is there stays, whatever it waits for.
func due(o Observed, component string) bool {
	if _, there := o.Deployments[component]; there || component == Etcd {
		return true
	}
	if component == APIServer {
		return readyPods(o, Etcd) > o.Tenant.Spec.Etcd.Members/2
	}
	return o.Deployments[APIServer].Ready > 0
}

func readyPods(o Observed, component string) (n int32) {
	for _, pod := range o.Pods {
		if pod.Component == component && pod.Ready {
			n++
		}
	}
	return n
}

// workload is the Deployment or StatefulSet of a component, unless its flags are wrong or it has no image.
func workload(o Observed, c Config, component string) (metav1.Object, fault) {
	pods, err := template(o, c, component)
	if err != nil {
		return nil, fault{"ImageUnknown", err.Error()}
	}
	if wrong := checkArgs(o, component); wrong != "" {
		return nil, fault{"InvalidExtraArgs", wrong}
	}
	if component == Etcd {
		return statefulSet(o.Tenant, pods), fault{}
	}
	return deployment(o.Tenant, pods, component), fault{}
}

func meta(t *v1alpha1.TenantCluster, name, component string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: Namespace(t), Labels: labels(t, component)}
}

func namespace(t *v1alpha1.TenantCluster) *corev1.Namespace {
	ns := &corev1.Namespace{TypeMeta: typeMeta("v1", "Namespace"), ObjectMeta: metav1.ObjectMeta{Name: Namespace(t), Labels: labels(t, "")}}
	for _, mode := range []string{"enforce", "warn"} {
		ns.Labels["pod-security.kubernetes.io/"+mode] = "restricted"
	}
	return ns
}

func apiService(t *v1alpha1.TenantCluster) *corev1.Service {
	return &corev1.Service{
		TypeMeta: typeMeta("v1", "Service"), ObjectMeta: meta(t, APIServer, APIServer),
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceType(t.Spec.Expose.Type), Selector: selector(APIServer),
			Ports: []corev1.ServicePort{{
				Name: "api", Port: apiPort, TargetPort: intstr.FromString("api"), Protocol: corev1.ProtocolTCP, NodePort: nodePort(t),
			}},
		},
	}
}

// nodePort is the one that kubeconfigs name already, so that a Service that comes back is found; 0 leaves the choice to the API server.
func nodePort(t *v1alpha1.TenantCluster) int32 {
	if e := t.Spec.ControlPlaneEndpoint; e != nil && t.Spec.Expose.Type == v1alpha1.ExposeNodePort {
		return e.Port
	}
	return 0
}

// etcdService gives each member its name, before it is ready as well: members find each other by it.
func etcdService(t *v1alpha1.TenantCluster) *corev1.Service {
	return &corev1.Service{
		TypeMeta: typeMeta("v1", "Service"), ObjectMeta: meta(t, Etcd, Etcd),
		Spec: corev1.ServiceSpec{
			ClusterIP: corev1.ClusterIPNone, PublishNotReadyAddresses: true, Selector: selector(Etcd),
			Ports: []corev1.ServicePort{
				{Name: "client", Port: clientPort, TargetPort: intstr.FromString("client"), Protocol: corev1.ProtocolTCP},
				{Name: "peer", Port: peerPort, TargetPort: intstr.FromString("peer"), Protocol: corev1.ProtocolTCP},
			},
		},
	}
}

// kubeconfig names files, not their content: a client reloads the files when they change.
func kubeconfig(t *v1alpha1.TenantCluster, component, identity string) *corev1.ConfigMap {
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters:
- name: tenant
  cluster: {server: %q, certificate-authority: %q}
users:
- name: self
  user: {client-certificate: %q, client-key: %q}
contexts:
- name: tenant
  context: {cluster: tenant, user: self}
current-context: tenant
`, apiURL(t), caFile(identity), certFile(identity), keyFile(identity))
	return &corev1.ConfigMap{
		TypeMeta: typeMeta("v1", "ConfigMap"), ObjectMeta: meta(t, kubeconfigMap(component), component),
		Data: map[string]string{"kubeconfig": text},
	}
}

func statefulSet(t *v1alpha1.TenantCluster, pods corev1.PodTemplateSpec) *appsv1.StatefulSet {
	return &appsv1.StatefulSet{
		TypeMeta: typeMeta("apps/v1", "StatefulSet"), ObjectMeta: meta(t, Etcd, Etcd),
		Spec: appsv1.StatefulSetSpec{
			Replicas: &t.Spec.Etcd.Members, ServiceName: Etcd, Selector: &metav1.LabelSelector{MatchLabels: selector(Etcd)},
			PodManagementPolicy:  appsv1.ParallelPodManagement,
			UpdateStrategy:       appsv1.StatefulSetUpdateStrategy{Type: appsv1.OnDeleteStatefulSetStrategyType}, // see restart
			Template:             pods,
			VolumeClaimTemplates: []corev1.PersistentVolumeClaim{claim(t)},
		},
	}
}

func claim(t *v1alpha1.TenantCluster) corev1.PersistentVolumeClaim {
	pvc := corev1.PersistentVolumeClaim{
		TypeMeta:   typeMeta("v1", "PersistentVolumeClaim"),
		ObjectMeta: metav1.ObjectMeta{Name: dataVolume, Labels: labels(t, Etcd)},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: t.Spec.Etcd.Storage.Size}},
		},
	}
	if class := t.Spec.Etcd.Storage.Class; class != "" {
		pvc.Spec.StorageClassName = &class
	}
	return pvc
}

func deployment(t *v1alpha1.TenantCluster, pods corev1.PodTemplateSpec, component string) *appsv1.Deployment {
	count, surge, unavailable, history := replicas(t, component), intstr.FromInt32(1), intstr.FromInt32(0), int32(2)
	return &appsv1.Deployment{
		TypeMeta: typeMeta("apps/v1", "Deployment"), ObjectMeta: meta(t, component, component),
		Spec: appsv1.DeploymentSpec{
			Replicas: &count, RevisionHistoryLimit: &history, Selector: &metav1.LabelSelector{MatchLabels: selector(component)},
			Strategy: appsv1.DeploymentStrategy{
				Type:          appsv1.RollingUpdateDeploymentStrategyType,
				RollingUpdate: &appsv1.RollingUpdateDeployment{MaxSurge: &surge, MaxUnavailable: &unavailable},
			},
			Template: pods,
		},
	}
}

// budgets keep drains from taking too much at once. A whole number for etcd: a percentage or maxUnavailable would be counted anew from the
// pods that are left (cozystack/etcd-operator#351). A single pod has none, or its node could never be drained.
func budgets(t *v1alpha1.TenantCluster) []metav1.Object {
	var all []metav1.Object
	for _, component := range Components {
		if n := PodCount(t, component); n > 1 {
			all = append(all, budget(t, component, n))
		}
	}
	return all
}

// unwantedBudgets are those of components that have one pod now.
func unwantedBudgets(t *v1alpha1.TenantCluster) []metav1.Object {
	var all []metav1.Object
	for _, component := range Components {
		if PodCount(t, component) == 1 {
			all = append(all, budget(t, component, 1))
		}
	}
	return all
}

// PodCount is how many pods a component has when nothing is missing.
func PodCount(t *v1alpha1.TenantCluster, component string) int32 {
	if component == Etcd {
		return t.Spec.Etcd.Members
	}
	return replicas(t, component)
}

func budget(t *v1alpha1.TenantCluster, component string, pods int32) *policyv1.PodDisruptionBudget {
	available, unhealthy := intstr.FromInt32(pods-1), policyv1.AlwaysAllow
	if component == Etcd {
		available, unhealthy = intstr.FromInt32(pods/2+1), policyv1.IfHealthyBudget
	}
	return &policyv1.PodDisruptionBudget{
		TypeMeta: typeMeta("policy/v1", "PodDisruptionBudget"), ObjectMeta: meta(t, component, component),
		Spec: policyv1.PodDisruptionBudgetSpec{
			MinAvailable: &available, Selector: &metav1.LabelSelector{MatchLabels: selector(component)}, UnhealthyPodEvictionPolicy: &unhealthy,
		},
	}
}

func typeMeta(version, kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: version, Kind: kind}
}

func timeOf(t time.Time) metav1.Time { return metav1.NewTime(t.Truncate(time.Second)) }

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// firstAddress is the address that the tenant's own Service "kubernetes" gets.
func firstAddress(cidr string) (string, error) {
	prefix, err := netip.ParsePrefix(cidr)
	if err != nil {
		return "", err
	}
	return prefix.Masked().Addr().Next().String(), nil
}
