package scaler

import (
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler/model"
)

// A kill that comes while all are looked at is answered before those that are left, also that of one which waits among them.
func TestWhatHappenedGoesBeforeTheSweep(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	b := fake.NewClientBuilder().WithScheme(scheme)
	for _, name := range []string{"a", "b", "c"} {
		b = b.WithObjects(&v1alpha1.ClusterScaler{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}})
	}
	queue := priorityqueue.New[reconcile.Request]("test")
	defer queue.ShutDown()
	(&Reconciler{Client: b.Build()}).sweep(t.Context(), event.GenericEvent{}, queue)
	queue.Add(reconcile.Request{NamespacedName: types.NamespacedName{Namespace: "default", Name: "c"}})
	var order []string
	for range 3 {
		next, _ := queue.Get()
		order = append(order, next.Name)
		queue.Done(next)
	}
	if order[0] != "c" || !slices.Equal(slices.Sorted(slices.Values(order)), []string{"a", "b", "c"}) {
		t.Errorf("they were looked at in the order %v, want c first, and each once", order)
	}
}

// Nodes and moves are looked at wherever a guard may ask for them.
func TestDecisionsThatRestOnTheSurroundings(t *testing.T) {
	size := model.Size{Requests: model.Amounts{CPU: 100, Memory: 100}, Limits: model.Amounts{Memory: 200}}
	for name, tc := range map[string]struct {
		change func(*view)
		want   bool
	}{
		"nothing is called for":           {func(*view) {}, false},
		"less is":                         {func(v *view) { v.plan.Decision = model.Down }, false},
		"less is, and held":               {func(v *view) { v.plan.Decision = model.Hold }, false},
		"more is":                         {func(v *view) { v.plan.Decision = model.Up }, true},
		"a size is taken back":            {func(v *view) { v.plan.Decision = model.Revert }, true},
		"a restart is":                    {func(v *view) { v.plan.Decision = model.Restart }, true},
		"a restart would bring something": {func(v *view) { v.plan.Debt = "GOMEMLIMIT" }, true},
		"its pods are replaced":           {func(v *view) { v.observed.Replaced = true }, true},
		"more CPU is proposed, and held": {func(v *view) {
			v.plan.Decision, v.plan.Proposals = model.Hold, []model.Proposal{{Resource: model.CPU, Value: 101}}
		}, true},
		"as much CPU is proposed as it has":   {func(v *view) { v.plan.Proposals = []model.Proposal{{Resource: model.CPU, Value: 100}} }, false},
		"less memory is proposed than it has": {func(v *view) { v.plan.Proposals = []model.Proposal{{Resource: model.Memory, Value: 150}} }, false},
	} {
		v := &view{observed: model.Observed{Size: size}}
		tc.change(v)
		if got := v.rests(); got != tc.want {
			t.Errorf("%s: it rests on them: %v, want %v", name, got, tc.want)
		}
	}
}
