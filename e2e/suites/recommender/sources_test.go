package recommender

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/e2e/metacluster/cluster"
	"github.com/metapilot/metapilot/e2e/metacluster/component"
	"github.com/metapilot/metapilot/e2e/metacluster/progress"
	"github.com/metapilot/metapilot/e2e/scenario"
	"github.com/metapilot/metapilot/e2e/scenario/hosted"
)

// server answers, so that it uses a little of both.
const server = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: server, labels: {metapilot.io/tenant: none}}
spec:
  replicas: 2
  selector: {matchLabels: {app: server}}
  template:
    metadata: {labels: {app: server}}
    spec:
      containers:
      - name: server
        image: {{ image "workload" }}
        args: [serve]
        resources: {requests: {cpu: 10m, memory: 32Mi}, limits: {memory: 64Mi}}
`

// prometheus of Debian scrapes the kubelets. It is built without the discovery of Kubernetes.
const prometheus = `
apiVersion: v1
kind: ServiceAccount
metadata: {name: prometheus}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: %[1]s}
rules:
- {apiGroups: [""], resources: [nodes/metrics], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: %[1]s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: %[1]s}
subjects: [{kind: ServiceAccount, name: prometheus, namespace: %[1]s}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: prometheus}
data:
  prometheus.yml: |
    global: {scrape_interval: 10s}
    scrape_configs:
    - job_name: kubelets
      scheme: https
      metrics_path: /metrics/cadvisor
      tls_config: {insecure_skip_verify: true}
      authorization: {credentials_file: /var/run/secrets/kubernetes.io/serviceaccount/token}
      static_configs: [{targets: [%[2]s]}]
---
apiVersion: v1
kind: Service
metadata: {name: prometheus}
spec: {selector: {app: prometheus}, ports: [{port: 9090}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: prometheus}
spec:
  replicas: 1
  selector: {matchLabels: {app: prometheus}}
  template:
    metadata: {labels: {app: prometheus}}
    spec:
      serviceAccountName: prometheus
      containers:
      - name: prometheus
        image: {{ image "prometheus" }}
        args: [--config.file=/etc/prometheus/prometheus.yml, --storage.tsdb.path=/data]
        readinessProbe: {httpGet: {path: /-/ready, port: 9090}, periodSeconds: 1}
        volumeMounts: [{name: config, mountPath: /etc/prometheus}, {name: data, mountPath: /data}]
      volumes:
      - {name: config, configMap: {name: prometheus}}
      - {name: data, emptyDir: {}}
`

const recommenderArgs = `[{"op": "replace", "path": "/spec/template/spec/containers/0/args", "value": [%s]}]`

// askAlso has the recommender ask Prometheus, too, until the scenario ends.
func askAlso(s *scenario.Scenario) {
	s.Helper()
	args := func(list string) []string {
		return []string{"--namespace", "metapilot-system", "patch", "deployment", hosted.WorkloadRecommender, "--type=json", "-p", fmt.Sprintf(recommenderArgs, list)}
	}
	s.Kubectl(args(fmt.Sprintf(`"--period=10s", "--status-period=10s", "--source=prometheus,metrics-server", "--prometheus-window=1m", "--prometheus-url=http://prometheus.%s.svc:9090"`, s.Namespace))...)
	s.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(s.Context()), time.Minute)
		defer cancel()
		if _, err := s.TryKubectl(ctx, args(`"--period=15s", "--status-period=30s"`)...); err != nil {
			s.Error(err)
		}
	})
}

func TestEitherSourceMayStop(t *testing.T) {
	s := scenario.NewOwn(t)
	load(s, component.Prometheus)
	s.Apply(fmt.Sprintf(prometheus, s.Namespace, kubelets(s)))
	s.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(s.Context()), time.Minute)
		defer cancel()
		if _, err := s.TryKubectl(ctx, "delete", "clusterrole,clusterrolebinding", s.Namespace); err != nil {
			s.Error(err)
		}
	})
	s.Kubectl("rollout", "status", "deployment/prometheus", "--timeout=60s")
	askAlso(s)
	s.Apply(server)
	p := await(s, s.Namespace, "server", "is known from Prometheus", func(p *v1alpha1.WorkloadProfile) bool {
		return ready(p) && from(p, "prometheus") != nil && is(p, v1alpha1.SourcesAnswerCondition, metav1.ConditionTrue)
	})
	if c := p.Status.Containers[0]; c.Memory.Usage[0].Max.Value() < 1<<20 || c.Memory.Usage[0].Max.Value() > 64<<20 {
		t.Errorf("%+v", c.Memory)
	}

	s.Kubectl("scale", "deployment/prometheus", "--replicas=0")
	stopped := holds(s, p, "prometheus")
	s.Eventually("the metrics API is believed instead", known, func(ctx context.Context) (bool, string) {
		all, err := profiles(ctx, s, s.Namespace)
		at := from(all["server"], "metrics-server")
		return err == nil && at != nil && at.After(from(stopped, "prometheus").Time), fmt.Sprint(at, err)
	})

	s.Kubectl("scale", "deployment/prometheus", "--replicas=1")
	await(s, s.Namespace, "server", "is known from both", func(p *v1alpha1.WorkloadProfile) bool {
		return is(p, v1alpha1.SourcesAnswerCondition, metav1.ConditionTrue)
	})
	s.Kubectl("--namespace", "kube-system", "scale", "deployment/metrics-server", "--replicas=0")
	s.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(s.Context()), time.Minute)
		defer cancel()
		if _, err := s.TryKubectl(ctx, "--namespace", "kube-system", "scale", "deployment/metrics-server", "--replicas=1"); err != nil {
			s.Error(err)
		}
	})
	holds(s, p, "metrics-server")
}

// holds waits until the profile says that a source does not answer, and sees that nothing is recommended less for that.
func holds(s *scenario.Scenario, before *v1alpha1.WorkloadProfile, source string) *v1alpha1.WorkloadProfile {
	s.Helper()
	p := await(s, s.Namespace, "server", "says that "+source+" does not answer", func(p *v1alpha1.WorkloadProfile) bool {
		for _, one := range p.Status.Sources {
			if one.Name == source {
				return one.Fault != "" && is(p, v1alpha1.SourcesAnswerCondition, metav1.ConditionFalse)
			}
		}
		return false
	})
	was, is := before.Status.Containers[0], p.Status.Containers[0]
	if is.CPU.Target.Cmp(*was.CPU.Target) < 0 || is.Memory.Target.Cmp(*was.Memory.Target) < 0 {
		s.Errorf("without %s the recommendation went from %s, %s to %s, %s", source, was.CPU.Target, was.Memory.Target, is.CPU.Target, is.Memory.Target)
	}
	return p
}

// from is the newest sample of a source; nil if there is none.
func from(p *v1alpha1.WorkloadProfile, source string) *metav1.Time {
	if p == nil {
		return nil
	}
	for _, s := range p.Status.Sources {
		if s.Name == source {
			return s.LastSample
		}
	}
	return nil
}

// kubelets are their addresses.
func kubelets(s *scenario.Scenario) string {
	s.Helper()
	return strings.ReplaceAll(strings.TrimSpace(s.Kubectl("get", "nodes", "-o", `jsonpath={range .items[*]}{.status.addresses[?(@.type=="InternalIP")].address}:10250 {end}`)), " ", ", ")
}

// load brings a component into the nodes.
func load(s *scenario.Scenario, name string) {
	s.Helper()
	store, err := component.NewStore()
	if err != nil {
		s.Fatal(err)
	}
	var said strings.Builder
	r := progress.New(&said)
	built, err := cluster.Build(s.Context(), store, r, name)
	if err != nil {
		s.Fatalf("%v\n%s", err, said.String())
	}
	if err := s.Cluster.Load(s.Context(), r, built[name]); err != nil {
		s.Fatal(err)
	}
	s.Cluster.Images[name] = built[name].ImageRef()
}
