// Package load makes the load of a tenant jump, through its own API, the way a careless client does: it fills the tenant and then lists all of it
// again and again.
//
// It owns the load of demos, scenarios and benches. It reaches no other address than the one that it is given.
package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// Target is what a storm hits.
type Target string

// Targets. Tables of ConfigMaps are made from the API server's watch cache and held in its memory as a whole; Events have no watch cache, so every
// list of them is one range of etcd, which holds the whole answer.
const (
	APIServer Target = "kube-apiserver"
	Etcd      Target = "etcd"
)

// namespace in the tenant that is filled.
const namespace = "default"

// paths are listed by a storm.
var paths = map[Target]string{
	APIServer: "/api/v1/namespaces/" + namespace + "/configmaps?includeObject=Object",
	Etcd:      "/apis/events.k8s.io/v1/namespaces/" + namespace + "/events",
}

// accepts is what a storm asks for.
var accepts = map[Target]string{
	APIServer: "application/json;as=Table;v=v1;g=meta.k8s.io",
	Etcd:      "application/vnd.kubernetes.protobuf",
}

// Fill makes so many objects of so many bytes each, a few at a time. Objects that are there stay.
func Fill(ctx context.Context, config *rest.Config, target Target, objects, bytes int) error {
	config = rest.CopyConfig(config)
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	text := strings.Repeat("x", bytes)
	return each(objects, 8, func(i int) error {
		return retry(ctx, func() error { return create(ctx, client, target, fmt.Sprintf("load-%d", i), text) })
	})
}

func create(ctx context.Context, client *kubernetes.Clientset, target Target, name, text string) error {
	meta := metav1.ObjectMeta{Name: name, Annotations: map[string]string{"load": text}}
	var err error
	if target == APIServer {
		_, err = client.CoreV1().ConfigMaps(namespace).Create(ctx, &corev1.ConfigMap{ObjectMeta: meta}, metav1.CreateOptions{})
	} else {
		_, err = client.EventsV1().Events(namespace).Create(ctx, &eventsv1.Event{
			ObjectMeta: meta, EventTime: metav1.NowMicro(), ReportingController: "metapilot.io/load", ReportingInstance: "load",
			Action: "Load", Reason: "Load", Type: corev1.EventTypeNormal, Regarding: corev1.ObjectReference{Kind: "Namespace", Name: namespace, Namespace: namespace},
		}, metav1.CreateOptions{})
	}
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// retry goes on for a minute: what is filled may be what dies.
func retry(ctx context.Context, do func() error) error {
	for deadline := time.Now().Add(time.Minute); ; {
		err := do()
		if err == nil || ctx.Err() != nil || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// each does n things, so many at the same time, and returns the errors of all.
func each(n, atOnce int, do func(int) error) error {
	errs := make([]error, n)
	var next atomic.Int64
	var all sync.WaitGroup
	for range atOnce {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				errs[i] = do(i)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// Told is what a storm has seen.
type Told struct{ Answered, Failed atomic.Int64 }

// Storm lists everything, so many clients at the same time, until the context ends. Nothing of an answer is kept.
func Storm(ctx context.Context, config *rest.Config, target Target, clients int) (*Told, error) {
	config = rest.CopyConfig(config)
	config.QPS, config.Timeout = -1, 0
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, err
	}
	told := &Told{}
	for range clients {
		go func() {
			for ctx.Err() == nil {
				if ask(ctx, client, config.Host, target) == nil {
					told.Answered.Add(1)
				} else {
					told.Failed.Add(1)
					pause(ctx)
				}
			}
		}()
	}
	return told, nil
}

func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(200 * time.Millisecond):
	}
}

func ask(ctx context.Context, client *http.Client, host string, target Target) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, host+paths[target], http.NoBody)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", accepts[target])
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s", answer.Status)
	}
	return nil
}
