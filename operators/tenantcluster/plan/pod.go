package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/metapilot/metapilot/api/v1alpha1"
)

// HashAnnotation on a pod template and its pods is the digest of the template: one a component, so that nothing but a change of that
// component replaces its pods.
const HashAnnotation = "metapilot.io/template-hash"

// user is the one that runs in the containers: nobody's, and never root.
const user = 65532

// program is what differs between the components' pods.
type program struct {
	component string
	version   string
	secrets   []string // mounted below pkiFolder
	config    string   // ConfigMap mounted at confFolder
	ports     map[string]int32
	probe     probes
	grace     int64 // seconds
	data      bool  // the volume claim is mounted at etcdFolder
}

type probes struct {
	port             int32
	scheme           corev1.URIScheme
	live, ready      string // paths
	startup, failing int32  // seconds until a start, a running one is given up
}

func programOf(o Observed, component string) program {
	return map[string]func(Observed) program{
		Etcd: etcdProgram, APIServer: apiServerProgram, ControllerManager: controllerProgram, Scheduler: schedulerProgram,
	}[component](o)
}

func etcdProgram(o Observed) program {
	return program{
		component: Etcd, version: o.Tenant.Spec.Etcd.Version, secrets: []string{etcdServer, etcdPeer}, data: true, grace: 30,
		ports: map[string]int32{"client": clientPort, "peer": peerPort, "metrics": metricsPort},
		probe: probes{metricsPort, corev1.URISchemeHTTP, "/livez", "/readyz", 600, 60},
	}
}

// apiServerProgram is alive without etcd: or a blip of etcd would restart every API server.
func apiServerProgram(o Observed) program {
	return program{
		component: APIServer, version: o.Tenant.Spec.Version, grace: shutdownDelay + watchDrain + 60 + 15,
		secrets: []string{apiServerServing, apiServerKubelet, apiServerEtcd, frontProxyClient, ServiceAccount},
		ports:   map[string]int32{"api": apiPort},
		probe:   probes{apiPort, corev1.URISchemeHTTPS, "/livez?exclude=etcd", "/readyz", 300, 60},
	}
}

func controllerProgram(o Observed) program {
	return program{
		component: ControllerManager, version: followers(o), grace: 30, config: "kubeconfig",
		secrets: []string{controllerIdentity, CA, ServiceAccount}, ports: map[string]int32{"metrics": controllerPort},
		probe: probes{controllerPort, corev1.URISchemeHTTPS, "/healthz", "/healthz", 300, 60},
	}
}

func schedulerProgram(o Observed) program {
	return program{
		component: Scheduler, version: followers(o), grace: 30, config: "kubeconfig",
		secrets: []string{schedulerIdentity}, ports: map[string]int32{"metrics": schedulerPort},
		probe: probes{schedulerPort, corev1.URISchemeHTTPS, "/livez", "/readyz", 300, 60},
	}
}

// followers is the version of the controller manager and the scheduler: they are never newer than an API server, so they follow when all
// API servers have arrived.
func followers(o Observed) string {
	api, follower := o.Deployments[APIServer], o.Deployments[ControllerManager]
	switch {
	case api.rolled():
		return api.Version
	case follower.Version != "":
		return follower.Version
	}
	return o.Tenant.Spec.Version
}

// template is the pod template of a component, with its hash.
func template(o Observed, c Config, component string) (corev1.PodTemplateSpec, error) {
	p := programOf(o, component)
	image, err := c.Images.find(component, p.version)
	if err != nil {
		return corev1.PodTemplateSpec{}, err
	}
	t := corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: labels(o.Tenant, component), Annotations: templateMarks(o.Tenant, p)},
		Spec:       podSpec(p),
	}
	t.Spec.Containers = []corev1.Container{container(o, c, p, image)}
	raw, err := json.Marshal(t)
	if err != nil {
		return t, fmt.Errorf("encoding the pod template of %s: %w", component, err)
	}
	sum := sha256.Sum256(append(raw, authorities(o, p)...))
	t.Annotations[HashAnnotation] = hex.EncodeToString(sum[:8])
	return t, nil
}

// VersionAnnotation on a pod template is the version of its program.
const VersionAnnotation = "metapilot.io/version"

func templateMarks(t *v1alpha1.TenantCluster, p program) map[string]string {
	marks := map[string]string{VersionAnnotation: p.version}
	if s := decided(t, p.component); s != nil && s.RestartedAt != nil {
		marks[v1alpha1.RestartedAnnotation] = s.RestartedAt.UTC().Format(time.RFC3339)
	}
	return marks
}

// authorities are the digests of what programs read once, at start: authorities and signing keys. Certificates they reload by themselves.
func authorities(o Observed, p program) (digests string) {
	for _, secret := range p.secrets {
		digests += o.Credentials[signerOf(o, secret)].Digest
	}
	return digests
}

func podSpec(p program) corev1.PodSpec {
	no := false
	return corev1.PodSpec{
		AutomountServiceAccountToken: &no, EnableServiceLinks: &no, TerminationGracePeriodSeconds: &p.grace,
		SecurityContext: unprivileged(), TopologySpreadConstraints: spread(p.component), Volumes: volumes(p),
	}
}

func unprivileged() *corev1.PodSecurityContext {
	id, yes := int64(user), true
	return &corev1.PodSecurityContext{
		RunAsNonRoot: &yes, RunAsUser: &id, RunAsGroup: &id, FSGroup: &id,
		SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
}

// spread puts pods of a component on different nodes where there are enough.
func spread(component string) []corev1.TopologySpreadConstraint {
	return []corev1.TopologySpreadConstraint{{
		MaxSkew: 1, TopologyKey: corev1.LabelHostname, WhenUnsatisfiable: corev1.ScheduleAnyway,
		LabelSelector: &metav1.LabelSelector{MatchLabels: selector(component)},
	}}
}

func volumes(p program) []corev1.Volume {
	mode := int32(0o440)
	all := []corev1.Volume{{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
	for _, s := range p.secrets {
		all = append(all, corev1.Volume{Name: s, VolumeSource: corev1.VolumeSource{
			Secret: &corev1.SecretVolumeSource{SecretName: s, DefaultMode: &mode},
		}})
	}
	if p.config != "" {
		all = append(all, corev1.Volume{Name: "conf", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: kubeconfigMap(p.component)}, DefaultMode: &mode,
		}}})
	}
	return all
}

func container(o Observed, c Config, p program, image string) corev1.Container {
	size := presetS[p.component]
	if c.SizeInTemplate {
		size = EffectiveSize(o.Tenant, p.component)
	}
	return corev1.Container{
		Name: p.component, Image: image, ImagePullPolicy: corev1.PullIfNotPresent,
		Command: []string{p.component}, Args: componentArgs(o, p.component), Env: environment(p, size), Ports: ports(p),
		Resources: size.requirements(), ResizePolicy: inPlace, VolumeMounts: mounts(p), SecurityContext: confined(),
		StartupProbe:   p.probe.get(p.probe.live, 1, p.probe.startup),
		LivenessProbe:  p.probe.get(p.probe.live, 10, p.probe.failing),
		ReadinessProbe: p.probe.get(p.probe.ready, 1, 3),
	}
}

// inPlace: a container that gets another size is not restarted for it.
var inPlace = []corev1.ContainerResizePolicy{
	{ResourceName: corev1.ResourceCPU, RestartPolicy: corev1.NotRequired},
	{ResourceName: corev1.ResourceMemory, RestartPolicy: corev1.NotRequired},
}

func confined() *corev1.SecurityContext {
	no, yes := false, true
	return &corev1.SecurityContext{
		AllowPrivilegeEscalation: &no, ReadOnlyRootFilesystem: &yes, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
	}
}

// environment: an API server's soft limit follows its size, which the admission policy gives to pods that are made.
func environment(p program, size Size) []corev1.EnvVar {
	switch p.component {
	case APIServer:
		return []corev1.EnvVar{{Name: goMemLimit, Value: softLimit(size)}}
	case Etcd:
	default:
		return nil
	}
	return []corev1.EnvVar{{Name: "POD_NAME", ValueFrom: &corev1.EnvVarSource{
		FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "metadata.name"},
	}}}
}

func ports(p program) []corev1.ContainerPort {
	var all []corev1.ContainerPort
	for _, name := range sortedKeys(p.ports) {
		all = append(all, corev1.ContainerPort{Name: name, ContainerPort: p.ports[name], Protocol: corev1.ProtocolTCP})
	}
	return all
}

func mounts(p program) []corev1.VolumeMount {
	all := []corev1.VolumeMount{{Name: "tmp", MountPath: tmpFolder}}
	for _, s := range p.secrets {
		all = append(all, corev1.VolumeMount{Name: s, MountPath: path.Join(pkiFolder, s), ReadOnly: true})
	}
	if p.config != "" {
		all = append(all, corev1.VolumeMount{Name: "conf", MountPath: confFolder, ReadOnly: true})
	}
	if p.data {
		all = append(all, corev1.VolumeMount{Name: dataVolume, MountPath: etcdFolder})
	}
	return all
}

// get is a probe that gives up after the given seconds.
func (p probes) get(path string, period, giveUp int32) *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{
			Path: path, Port: intstr.FromInt32(p.port), Scheme: p.scheme,
		}},
		PeriodSeconds: period, TimeoutSeconds: min(5, max(1, giveUp/2)), FailureThreshold: max(giveUp/period, 1), SuccessThreshold: 1,
	}
}

func (s Size) requirements() corev1.ResourceRequirements {
	return corev1.ResourceRequirements{Requests: s.Requests.list(), Limits: s.Limits.list()}
}

func (a Amounts) list() corev1.ResourceList {
	list := corev1.ResourceList{}
	if !a.CPU.IsZero() {
		list[corev1.ResourceCPU] = a.CPU
	}
	if !a.Memory.IsZero() {
		list[corev1.ResourceMemory] = a.Memory
	}
	return list
}

// Requirements is the size in the API's words.
func (s Size) Requirements() corev1.ResourceRequirements { return s.requirements() }

func kubeconfigMap(component string) string { return component + "-kubeconfig" }
