package plan

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/metapilot/metapilot/api/v1alpha1"
)

// random is a world with a spec drawn from a seed.
func random(seed uint64) *world {
	r := rand.New(rand.NewPCG(seed, 1))
	w := newWorld()
	w.c.SizeInTemplate = r.IntN(4) == 0
	s := &w.o.Tenant.Spec
	s.Version = []string{"v1.36.3", "v1.36.0"}[r.IntN(2)]
	s.Etcd.Members = []int32{1, 3}[r.IntN(2)]
	n := 1 + r.Int32N(5)
	s.Replicas = &n
	if r.IntN(2) == 0 {
		s.Expose = v1alpha1.Expose{Type: v1alpha1.ExposeNodePort, Hostname: "nodes.example"}
		w.o.NodePort = 31000
	}
	if r.IntN(2) == 0 {
		s.APIServer.ExtraArgs = []v1alpha1.Arg{{Name: "event-ttl", Value: "2h"}, {Name: "feature-gates", Value: "WatchList=false"}}
	}
	if r.IntN(2) == 0 {
		request, limit := resource.NewQuantity(r.Int64N(1<<32), resource.BinarySI), resource.NewQuantity(r.Int64N(1<<33)+1, resource.BinarySI)
		s.Sizing.Etcd = &v1alpha1.EtcdSizing{Resources: v1alpha1.Resources{Requests: v1alpha1.Amounts{Memory: request}, Limits: v1alpha1.Amounts{Memory: limit}}}
	}
	if r.IntN(2) == 0 {
		m, cpu := 1+r.Int32N(3), resource.NewMilliQuantity(r.Int64N(4000), resource.DecimalSI)
		s.Sizing.Scheduler = &v1alpha1.ComponentSizing{Replicas: &m, Resources: v1alpha1.Resources{Requests: v1alpha1.Amounts{CPU: cpu}}}
	}
	return w
}

func encode(t *testing.T, p Plan) string {
	t.Helper()
	raw, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// Same spec, same bytes; deciding changes nothing of what it was given; and what it has decided, once it is so, is left alone.
func FuzzDecide(f *testing.F) {
	for seed := range uint64(50) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		w := random(seed)
		w.run()
		given, err := json.Marshal(w.o)
		if err != nil {
			t.Fatal(err)
		}
		first := encode(t, Decide(w.o, w.c))
		if after, _ := json.Marshal(w.o); string(after) != string(given) {
			t.Errorf("deciding changed what was observed from\n%s to\n%s", given, after)
		}
		other := random(seed)
		other.run()
		if second := encode(t, Decide(other.o, other.c)); second != first {
			t.Errorf("the same spec gave\n%s and\n%s", first, second)
		}
		p := Decide(w.o, w.c)
		if len(p.Issue) > 0 || p.Restart != nil {
			t.Errorf("of a tenant that is as it should be: %+v %+v", p.Issue, p.Restart)
		}
		if !isTrue(p.Status.Conditions, v1alpha1.ReadyCondition) {
			t.Errorf("a tenant in which everything works is not Ready: %+v", p.Status.Conditions)
		}
		w.o.Tenant.Status = p.Status
		w.o.Now = w.o.Now.Add(probePeriod)
		if again := Decide(w.o, w.c); !sameConditions(again.Status.Conditions, p.Status.Conditions) {
			t.Errorf("the status went from\n%+v to\n%+v although nothing happened", p.Status.Conditions, again.Status.Conditions)
		}
	})
}

func sameConditions(a, b []metav1.Condition) bool { return fmt.Sprint(a) == fmt.Sprint(b) }

// A request is never above its limit, and whatever is decided for one component leaves the templates of the others as they are.
func FuzzSizeStaysItsOwn(f *testing.F) {
	for seed := range uint64(50) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		w := random(seed)
		w.run()
		for _, component := range Components {
			size := EffectiveSize(w.o.Tenant, component)
			for _, pair := range [][2]resource.Quantity{{size.Requests.CPU, size.Limits.CPU}, {size.Requests.Memory, size.Limits.Memory}} {
				if !pair[1].IsZero() && pair[0].Cmp(pair[1]) > 0 {
					t.Errorf("%s requests %s of a limit of %s", component, pair[0].String(), pair[1].String())
				}
			}
		}
		before := hashes(t, w)
		w.o.Tenant.Spec.Etcd.ExtraArgs = []v1alpha1.Arg{{Name: "snapshot-count", Value: "77"}}
		for component, hash := range hashes(t, w) {
			if changed := hash != before[component]; changed != (component == Etcd) {
				t.Errorf("a flag of etcd: the template of %s changed: %t", component, changed)
			}
		}
	})
}

func hashes(t *testing.T, w *world) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, component := range Components {
		pods, err := template(w.o, w.c, component)
		if err != nil {
			t.Fatal(err)
		}
		all[component] = pods.Annotations[HashAnnotation]
	}
	return all
}
