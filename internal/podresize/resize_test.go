package podresize

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// api writes down what is sent to it, and refuses what is sent to one place.
type api struct {
	client.Client
	sent    []sent
	refuses string
	says    error
	times   int    // that it refuses; 0 for always
	then    func() // when a resize was taken
	old     bool   // pods have no generation
}

type sent struct {
	to   string // pod, or resize
	kind types.PatchType
	body string
}

func (a *api) Patch(ctx context.Context, o client.Object, p client.Patch, _ ...client.PatchOption) error {
	return errors.Join(ctx.Err(), a.take("pod", o, p))
}

func (a *api) SubResource(name string) client.SubResourceClient {
	return &subresource{api: a, name: name}
}

type subresource struct {
	client.SubResourceClient
	api  *api
	name string
}

func (s *subresource) Patch(_ context.Context, o client.Object, p client.Patch, _ ...client.SubResourcePatchOption) error {
	return s.api.take(s.name, o, p)
}

func (a *api) take(to string, o client.Object, p client.Patch) error {
	raw, err := p.Data(o)
	if err != nil {
		return err
	}
	a.sent = append(a.sent, sent{to, p.Type(), string(raw)})
	if to == a.refuses {
		if a.times--; a.times == 0 {
			a.refuses = ""
		}
		return cmp.Or(a.says, errors.New("no"))
	}
	if !a.old {
		o.SetGeneration(int64(len(a.sent)))
	}
	if to == "resize" && a.then != nil {
		a.then()
	}
	return nil
}

// The note comes after the resize: the kubelet would look at the pod for the note, and not at once again for the resize.
func TestResizeIsNotedAfterIt(t *testing.T) {
	pod, a := running(state(started(), killed("a", noon))), &api{}
	generation, err := Resize(t.Context(), a, pod, "etcd", size("50m", "512Mi", "", "768Mi"), noon)
	if err != nil || generation != 1 {
		t.Fatalf("it is said to be there from generation %d on, error %v", generation, err)
	}
	want := []sent{
		{"resize", types.StrategicMergePatchType,
			`{"metadata":{"uid":"u-1"},"spec":{"containers":[{"name":"etcd","resources":{"limits":{"memory":"768Mi"},"requests":{"cpu":"50m","memory":"512Mi"}}}]}}`},
		{"pod", types.MergePatchType, `{"metadata":{"annotations":{"metapilot.io/resized":"{\"at\":\"2026-11-23T12:00:00Z\",\"from\":536870912,\"to\":805306368,\"asked\":1,\"ended\":\"a\",\"endedAt\":536870912}"},"uid":"u-1"}}`},
	}
	for i := range want {
		if i >= len(a.sent) || a.sent[i].to != want[i].to || a.sent[i].kind != want[i].kind || !sameJSON(t, a.sent[i].body, want[i].body) {
			t.Fatalf("what was sent is\n%+v, want\n%+v", a.sent, want)
		}
	}
}

func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	var x, y any
	if err := errors.Join(json.Unmarshal([]byte(a), &x), json.Unmarshal([]byte(b), &y)); err != nil {
		t.Fatal(err)
	}
	return reflect.DeepEqual(x, y)
}

func TestResizeThatCannotBeNotedIsAnError(t *testing.T) {
	a := &api{refuses: "pod"}
	generation, err := Resize(t.Context(), a, running(), "etcd", size("50m", "96Mi", "", "768Mi"), noon)
	if err == nil || !strings.Contains(err.Error(), "tc-one/etcd-0") {
		t.Errorf("the error is %v, and does not name the pod", err)
	}
	if generation != 1 {
		t.Errorf("it is said to be there from generation %d on", generation)
	}
}

// A size that the API server makes what there was, such as one that it rounds, is no change to look at the pod for again.
func TestResizeThatChangesNothingIsNotNoted(t *testing.T) {
	pod, a := running(), &api{}
	pod.Generation = 1 // which the answer has, too
	if _, err := Resize(t.Context(), a, pod, "etcd", size("50.5m", "96Mi", "", "512Mi"), noon); err != nil || len(a.sent) != 1 {
		t.Errorf("what was sent is %+v, error %v", a.sent, err)
	}
}

// Nobody could make up for a note that is lost: it is tried again, and written also when the program is being ended.
func TestNoteIsNotLost(t *testing.T) {
	ctx, end := context.WithCancel(t.Context())
	for name, a := range map[string]*api{
		"the API server refuses it once":    {refuses: "pod", times: 1},
		"the program ends after the resize": {then: end},
		"pods have no generation":           {old: true},
	} {
		if _, err := Resize(ctx, a, running(), "etcd", size("50m", "96Mi", "", "768Mi"), noon); err != nil || a.sent[len(a.sent)-1].to != "pod" {
			t.Errorf("%s: what was sent is %+v, error %v", name, a.sent, err)
		}
	}
}

func TestRefusedResizeIsAnError(t *testing.T) {
	a := &api{refuses: "resize"}
	if _, err := Resize(t.Context(), a, running(), "etcd", size("50m", "96Mi", "", "768Mi"), noon); err == nil || !strings.Contains(err.Error(), "resizing pod tc-one/etcd-0") {
		t.Errorf("the error is %v", err)
	}
	if len(a.sent) != 1 {
		t.Errorf("a resize that was refused is noted: %+v", a.sent)
	}
}

// A size that the node can never have is asked for once.
func TestSizeThatTheNodeCanNeverHaveIsRemembered(t *testing.T) {
	pod, huge := running(), size("50m", "900Gi", "", "900Gi")
	says := apierrors.NewForbidden(corev1.Resource("pods"), "etcd-0", errors.New("node didn't have enough allocatable resources: memory"))
	a := &api{refuses: "resize", says: says}
	if _, err := Resize(t.Context(), a, pod, "etcd", huge, noon); err != nil {
		t.Fatalf("what can never be is an error, which is tried again: %v", err)
	}
	var note struct {
		Metadata struct{ Annotations map[string]string }
	}
	if err := json.Unmarshal([]byte(a.sent[len(a.sent)-1].body), &note); err != nil {
		t.Fatal(err)
	}
	pod.Annotations = note.Metadata.Annotations
	if why := Refused(pod, huge); why != "node didn't have enough allocatable resources: memory" {
		t.Errorf("it is said to be refused because %q, by %v", why, note)
	}
	if why := Refused(pod, size("50m", "900Gi", "", "901Gi")); why != "" {
		t.Errorf("another size is refused as well: %s", why)
	}
}

func TestResizeThatAContainerHasGotIsNoted(t *testing.T) {
	pod, a := running(resized(noon, size("50m", "96Mi", "", "768Mi"))), &api{}
	if err := Remembered(t.Context(), a, pod); err != nil {
		t.Fatal(err)
	}
	want := `{"metadata":{"annotations":{"metapilot.io/resized":"{\"at\":\"2026-11-23T12:00:00Z\",\"from\":536870912,\"to\":805306368,\"settled\":true}"},"uid":"u-1"}}`
	if len(a.sent) != 1 || !sameJSON(t, a.sent[0].body, want) {
		t.Errorf("what was sent is\n%+v, want\n%s", a.sent, want)
	}
}
