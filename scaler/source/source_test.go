package source_test

import (
	"context"
	"reflect"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metricsv1beta1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/scaler/model"
	"github.com/metapilot/metapilot/scaler/source"
	"github.com/metapilot/metapilot/scaler/source/oom"
	"github.com/metapilot/metapilot/scaler/source/utilization"
)

// sources has every source. A new one is a line here, and passes.
var sources = map[string]func(t *testing.T) source.Source{
	"oom":         func(*testing.T) source.Source { return oom.Source{} },
	"utilization": func(t *testing.T) source.Source { return utilization.New(hanging{t}, clock.RealClock{}, time.Hour) },
}

// hanging is an API that answers when nobody waits for it any more.
type hanging struct{ t *testing.T }

func (h hanging) Get(ctx context.Context, _ client.ObjectKey, _ client.Object, _ ...client.GetOption) error {
	<-ctx.Done()
	return ctx.Err()
}

func (h hanging) List(ctx context.Context, list client.ObjectList, _ ...client.ListOption) error {
	if _, ok := list.(*metricsv1beta1.PodMetricsList); !ok {
		h.t.Errorf("a source asks for %T, which the controller has in its cache", list)
	}
	<-ctx.Done()
	return ctx.Err()
}

func TestEverySourceKeepsTheContract(t *testing.T) {
	for name, fresh := range sources {
		t.Run(name, func(t *testing.T) {
			t.Run("looking never waits", func(t *testing.T) { neverWaits(t, fresh(t)) })
			t.Run("looking changes nothing that is not its own", func(t *testing.T) { changesNothing(t, fresh(t)) })
			t.Run("looking twice says the same", func(t *testing.T) { saysTheSame(t, fresh(t)) })
			t.Run("what is not known is not zero", func(t *testing.T) { unknownIsNotZero(t, fresh(t)) })
			t.Run("it ends with its context", func(t *testing.T) { endsWithItsContext(t, fresh(t)) })
		})
	}
}

// component of two pods: the first one was killed and runs again, the second one was never told of.
func component() source.Component {
	killed := &corev1.ContainerStateTerminated{Reason: "OOMKilled", ContainerID: "a", FinishedAt: metav1.NewTime(time.Now().Add(-time.Minute))}
	return source.Component{Container: "etcd", Pods: []*corev1.Pod{
		{
			ObjectMeta: metav1.ObjectMeta{Namespace: "tc-one", Name: "etcd-0"},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "etcd"}}},
			Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
				Name: "etcd", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Now()}},
				LastTerminationState: corev1.ContainerState{Terminated: killed},
			}}},
		},
		{ObjectMeta: metav1.ObjectMeta{Namespace: "tc-one", Name: "etcd-1"}},
	}}
}

func observed(c source.Component) *model.Observed {
	size := model.Size{Limits: model.Amounts{Memory: 512 << 20}}
	o := &model.Observed{
		Now: time.Now(), Component: "etcd", Quorum: true, Size: size, Grown: time.Now(), Foreign: "somebody", Stuck: "stuck",
		Kills: []model.Kill{{Pod: "etcd-1", Container: "before", At: time.Now().Add(-time.Hour), Limit: 256 << 20}},
		Last:  model.Decided{Decision: model.Up, To: size}, Nodes: []model.Node{{Name: "n1"}}, Moves: []time.Time{time.Now()},
	}
	for _, pod := range c.Pods {
		o.Pods = append(o.Pods, model.Pod{Name: pod.Name, Size: size, Running: true})
	}
	return o
}

// run starts the source, and ends it with the test.
func run(t *testing.T, s source.Source) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Start(ctx, func() {}) }()
	t.Cleanup(cancel)
	return func() error {
		cancel()
		return <-ended
	}
}

func neverWaits(t *testing.T, s source.Source) {
	run(t, s)
	looked := make(chan struct{})
	go func() {
		defer close(looked)
		for range 100 {
			s.Look(component(), observed(component()))
		}
	}()
	select {
	case <-looked:
	case <-time.After(10 * time.Second):
		t.Error("looking waits for an API that does not answer")
	}
}

func changesNothing(t *testing.T, s source.Source) {
	c := component()
	o, before := observed(c), observed(c)
	before.Now, before.Grown, before.Moves, before.Kills[0].At = o.Now, o.Grown, o.Moves, o.Kills[0].At
	s.Look(c, o)
	if want := component(); !sameButTimes(c, want) {
		t.Errorf("the pods were changed")
	}
	if len(o.Kills) == 0 || o.Kills[0] != before.Kills[0] {
		t.Errorf("a kill that was known is gone: %+v", o.Kills)
	}
	o.Kills, o.Metrics = before.Kills, before.Metrics // what sources add to
	for i := range o.Pods {
		o.Pods[i].Usage = nil
	}
	if !reflect.DeepEqual(o, before) {
		t.Errorf("what was observed is\n%+v, and was\n%+v", o, before)
	}
}

func sameButTimes(a, b source.Component) bool {
	for i := range a.Pods {
		if a.Pods[i].Name != b.Pods[i].Name || len(a.Pods[i].Status.ContainerStatuses) != len(b.Pods[i].Status.ContainerStatuses) {
			return false
		}
	}
	return a.Container == b.Container && len(a.Pods) == len(b.Pods)
}

func saysTheSame(t *testing.T, s source.Source) {
	c := component()
	once, twice := observed(c), observed(c)
	twice.Now, twice.Grown, twice.Moves, twice.Kills[0].At = once.Now, once.Grown, once.Moves, once.Kills[0].At
	s.Look(c, once)
	s.Look(c, twice)
	if !reflect.DeepEqual(once, twice) {
		t.Errorf("the second time it says\n%+v, the first time\n%+v", twice, once)
	}
	s.Look(c, twice)
	if !reflect.DeepEqual(once, twice) {
		t.Errorf("looking again at what it has said already adds to it: %+v", twice)
	}
}

func unknownIsNotZero(t *testing.T, s source.Source) {
	c := component()
	o := observed(c)
	s.Look(c, o)
	for _, pod := range o.Pods {
		if len(pod.Usage) > 0 {
			t.Errorf("%s, of which nothing was heard, is said to use %+v", pod.Name, pod.Usage)
		}
	}
	none := observed(source.Component{})
	s.Look(source.Component{Container: "etcd"}, none)
	if len(none.Kills) != 1 {
		t.Errorf("of no pods it says %+v", none.Kills)
	}
}

func endsWithItsContext(t *testing.T, s source.Source) {
	if err := run(t, s)(); err != nil {
		t.Errorf("it ended with %v", err)
	}
}
