package plan

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/metapilot/metapilot/api/v1alpha1"
)

var start = time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)

// tenant is what the API server makes of the shortest spec.
func tenant() *v1alpha1.TenantCluster {
	one := int32(1)
	return &v1alpha1.TenantCluster{
		ObjectMeta: metav1.ObjectMeta{Name: "demo", Namespace: "fleet", UID: "0d3c5ab1-7c1e-4b0a-9a53-3f1f5f0a2b11", Generation: 1},
		Spec: v1alpha1.TenantClusterSpec{
			Version: "v1.36.3", Replicas: &one, Expose: v1alpha1.Expose{Type: v1alpha1.ExposeClusterIP},
			Network: v1alpha1.Network{
				ServiceCIDRs: []v1alpha1.CIDR{"10.96.0.0/16"}, PodCIDRs: []v1alpha1.CIDR{"10.244.0.0/16"}, ClusterDomain: "cluster.local",
			},
			Etcd:         v1alpha1.Etcd{Version: "v3.6.14", Members: 1, Storage: v1alpha1.EtcdStorage{Size: resource.MustParse("8Gi")}},
			Certificates: v1alpha1.Certificates{LeafValidity: metav1.Duration{Duration: 8760 * time.Hour}},
		},
	}
}

// world is a tenant with all that is around it; commands of a scenario change it.
type world struct {
	o Observed
	c Config
}

func newWorld() *world {
	return &world{
		o: Observed{Now: start, Sized: true, Tenant: tenant(), Credentials: map[string]Credential{}, Deployments: map[string]Deployment{}},
		c: Config{Images: Images{Repository: "registry.k8s.io"}},
	}
}

// issueAll stands for the operator's hand.
func (w *world) issueAll() {
	for _, r := range toIssue(w.o) {
		c := Credential{Request: r.Key(), Digest: r.Name + "-" + w.o.Now.Format("0102"), NotBefore: w.o.Now}
		if r.Kind != SigningKey {
			c.NotAfter = w.o.Now.Add(r.Validity)
		}
		w.o.Credentials[r.Name] = c
	}
}

// run has every pod that is wanted, ready and in its size.
func (w *world) run() {
	t := w.o.Tenant
	w.o.Address, w.o.Sized = "10.0.0.7", true
	w.issueAll()
	w.o.Pods, w.o.Function = nil, Function{Asked: true}
	for _, component := range Components {
		pods, err := template(w.o, w.c, component)
		if err != nil {
			panic(err)
		}
		n := PodCount(t, component)
		w.o.Deployments[component] = Deployment{Version: programOf(w.o, component).version, Replicas: n, Updated: n, Ready: n, Total: n, Current: true}
		for i := range n {
			name := fmt.Sprintf("%s-%d", component, i)
			w.o.Pods = append(w.o.Pods, Pod{
				Name: name, Component: component, Hash: pods.Annotations[HashAnnotation], Running: true, Ready: true,
			})
			if component == Etcd {
				w.o.EtcdHash = pods.Annotations[HashAnnotation]
				w.o.Function.Members = append(w.o.Function.Members, Member{Pod: name, Healthy: true, Leader: i == 0})
			}
		}
	}
}

func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata/scenarios", func(t *testing.T, path string) {
		w := newWorld()
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			command, ok := commands[d.Cmd]
			if !ok {
				t.Fatalf("%s: there is no command %q", d.Pos, d.Cmd)
			}
			return command(t, w, d)
		})
	})
}

// commands of the scenario files.
var commands = map[string]func(*testing.T, *world, *datadriven.TestData) string{
	// spec: YAML that is merged into the tenant's spec.
	"spec": func(t *testing.T, w *world, d *datadriven.TestData) string {
		if err := yaml.UnmarshalStrict([]byte(d.Input), &w.o.Tenant.Spec); err != nil {
			d.Fatalf(t, "%v", err)
		}
		w.o.Tenant.Generation++
		return ""
	},
	// sizes: what pods get at their creation.
	"sizes": func(_ *testing.T, w *world, _ *datadriven.TestData) string {
		return encodeData(Sizing(w.o.Tenant).Data)
	},
	"unsized": func(_ *testing.T, w *world, _ *datadriven.TestData) string { w.o.Sized = false; return "" },
	"run":     func(_ *testing.T, w *world, _ *datadriven.TestData) string { w.run(); return "" },
	"address": func(_ *testing.T, w *world, _ *datadriven.TestData) string { w.o.Address = "10.0.0.7"; return "" },
	"issue":   func(_ *testing.T, w *world, _ *datadriven.TestData) string { w.issueAll(); return "" },
	// after: time passes.
	"after": func(t *testing.T, w *world, d *datadriven.TestData) string {
		wait, err := time.ParseDuration(d.CmdArgs[0].Key)
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
		w.o.Now = w.o.Now.Add(wait)
		return ""
	},
	// pod NAME: JSON that is merged into a pod. member NAME: the same for an etcd member.
	"pod": func(t *testing.T, w *world, d *datadriven.TestData) string {
		for i := range w.o.Pods {
			if w.o.Pods[i].Name == d.CmdArgs[0].Key {
				return merge(t, d, &w.o.Pods[i])
			}
		}
		return "no such pod"
	},
	"member": func(t *testing.T, w *world, d *datadriven.TestData) string {
		for i := range w.o.Function.Members {
			if w.o.Function.Members[i].Pod == d.CmdArgs[0].Key {
				return merge(t, d, &w.o.Function.Members[i])
			}
		}
		return "no such member"
	},
	"function": func(t *testing.T, w *world, d *datadriven.TestData) string { return merge(t, d, &w.o.Function) },
	"credential": func(t *testing.T, w *world, d *datadriven.TestData) string {
		c := w.o.Credentials[d.CmdArgs[0].Key]
		merge(t, d, &c)
		w.o.Credentials[d.CmdArgs[0].Key] = c
		return ""
	},
	"deployment": func(t *testing.T, w *world, d *datadriven.TestData) string {
		c := w.o.Deployments[d.CmdArgs[0].Key]
		merge(t, d, &c)
		w.o.Deployments[d.CmdArgs[0].Key] = c
		return ""
	},
	"forget-credential": func(_ *testing.T, w *world, d *datadriven.TestData) string {
		delete(w.o.Credentials, d.CmdArgs[0].Key)
		return ""
	},
	"template": func(_ *testing.T, w *world, _ *datadriven.TestData) string { // the StatefulSet has the newest template, its pods not yet
		pods, _ := template(w.o, w.c, Etcd)
		w.o.EtcdHash = pods.Annotations[HashAnnotation]
		return ""
	},
	"hashes": func(_ *testing.T, w *world, _ *datadriven.TestData) string {
		var out strings.Builder
		for _, component := range Components {
			pods, _ := template(w.o, w.c, component)
			fmt.Fprintln(&out, component, pods.Annotations[HashAnnotation])
		}
		return out.String()
	},
	// render: all objects, to be read by people.
	"render": func(t *testing.T, w *world, d *datadriven.TestData) string {
		var out strings.Builder
		for _, o := range Decide(w.o, w.c).Objects {
			raw, err := yaml.Marshal(o)
			if err != nil {
				d.Fatalf(t, "%v", err)
			}
			out.WriteString("# ---\n" + string(raw))
		}
		return out.String()
	},
	"decide": func(_ *testing.T, w *world, _ *datadriven.TestData) string {
		p := Decide(w.o, w.c)
		w.o.Tenant.Status = p.Status
		return describe(p)
	},
}

func merge(t *testing.T, d *datadriven.TestData, into any) string {
	if err := json.Unmarshal([]byte(d.Input), into); err != nil {
		d.Fatalf(t, "%v", err)
	}
	return ""
}

func encodeData(data map[string]string) string {
	var out strings.Builder
	for _, key := range sortedKeys(data) {
		fmt.Fprintf(&out, "%s: %s\n", key, data[key])
	}
	return out.String()
}

// describe prints a plan for people.
func describe(p Plan) string {
	var out strings.Builder
	for _, r := range p.Issue {
		fmt.Fprintf(&out, "issue %s: %s\n", r.Name, r.Why)
	}
	if p.Restart != nil {
		fmt.Fprintf(&out, "restart %s moveLeader=%t: %s\n", p.Restart.Pod, p.Restart.MoveLeader, p.Restart.Reason)
	}
	var names []string
	for _, o := range p.Objects {
		names = append(names, strings.TrimPrefix(fmt.Sprintf("%T", o), "*v1.")+"/"+o.GetName())
	}
	fmt.Fprintf(&out, "objects %s\n", strings.Join(names, " "))
	slices.SortFunc(p.Status.Conditions, func(a, b metav1.Condition) int { return strings.Compare(a.Type, b.Type) })
	for _, c := range p.Status.Conditions {
		fmt.Fprintf(&out, "%s=%s %s: %s\n", c.Type, c.Status, c.Reason, c.Message)
	}
	fmt.Fprintf(&out, "version=%q etcd=%s endpoint=%v recheck=%s\n", p.Status.Version, p.Status.Etcd.ReadyMembers, p.Endpoint, p.Recheck)
	return out.String()
}
