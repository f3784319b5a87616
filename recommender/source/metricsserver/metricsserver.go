// Package metricsserver asks the metrics API (metrics.k8s.io), which metrics-server serves, or an adapter in its place.
//
// It owns one question for all pods of a selector. It knows no past: the API has one reading of each container. It never asks for old answers
// (resourceVersion) nor for pages (limit), for the API has neither; pages that are given all the same are followed.
package metricsserver

import (
	"context"
	"errors"
	"fmt"
	"net"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/sets"
	metricsv1beta1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"
	metricsclient "k8s.io/metrics/pkg/client/clientset/versioned/typed/metrics/v1beta1"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/recommender/model"
	"github.com/metapilot/metapilot/recommender/source"
)

const (
	// Name of the source.
	Name = "metrics-server"
	// DefaultSelector takes the pods of all tenants.
	DefaultSelector = v1alpha1.TenantLabel
)

// resources are those that the API tells, and how many of ours one of theirs is.
var resources = [model.Resources]struct {
	name corev1.ResourceName
	unit float64
}{
	model.CPU:    {corev1.ResourceCPU, 1000},
	model.Memory: {corev1.ResourceMemory, 1},
}

// Source is the source.
type Source struct {
	pods     metricsclient.PodMetricsesGetter
	selector string
}

var _ source.Source = (*Source)(nil)

// New makes a source of the pods that a label selector takes; an empty one takes all.
func New(pods metricsclient.PodMetricsesGetter, selector string) (*Source, error) {
	if _, err := labels.Parse(selector); err != nil {
		return nil, fmt.Errorf("label selector %q of the pods whose metrics are read: %w", selector, err)
	}
	return &Source{pods, selector}, nil
}

// Name is Name.
func (*Source) Name() string { return Name }

// Read asks for all namespaces at once: the API server answers from the memory of metrics-server, and one question is cheaper than many.
func (s *Source) Read(ctx context.Context, namespaces []string) source.Answer {
	if len(namespaces) == 0 {
		return source.Answer{}
	}
	told := answer{wanted: sets.New(namespaces...)}
	for page := ""; ; {
		list, err := s.pods.PodMetricses(metav1.NamespaceAll).List(ctx, metav1.ListOptions{LabelSelector: s.selector, Continue: page})
		if err != nil {
			return source.Answer{Readings: told.readings, Fault: inWords(err)}
		}
		for i := range list.Items {
			told.take(&list.Items[i])
		}
		if page = list.Continue; page == "" {
			return source.Answer{Readings: told.readings, Fault: told.fault()}
		}
	}
}

// answer is what was told until now.
type answer struct {
	wanted   sets.Set[string]
	readings []source.Reading
	lacking  int    // amounts
	first    string // of those that are lacking
}

// take adds what is there of a pod. The time is that of the end of the window which the API names.
func (a *answer) take(pod *metricsv1beta1.PodMetrics) {
	if !a.wanted.Has(pod.Namespace) {
		return
	}
	for _, c := range pod.Containers {
		for r, resource := range resources {
			amount, known := c.Usage[resource.name]
			if !known {
				a.lack(fmt.Sprintf("%s of %s/%s/%s", resource.name, pod.Namespace, pod.Name, c.Name))
				continue
			}
			a.readings = append(a.readings, source.Reading{
				Namespace: pod.Namespace, Pod: pod.Name, Container: c.Name, Resource: model.Resource(r),
				At: pod.Timestamp.Time, Amount: amount.AsApproximateFloat64() * resource.unit,
			})
		}
	}
}

func (a *answer) lack(what string) {
	if a.lacking++; a.lacking == 1 {
		a.first = what
	}
}

func (a *answer) fault() string {
	switch {
	case a.lacking > 1:
		return fmt.Sprintf("the metrics API does not tell %s and %d other amounts; look at the log of metrics-server", a.first, a.lacking-1)
	case a.lacking == 1:
		return fmt.Sprintf("the metrics API does not tell %s; look at the log of metrics-server", a.first)
	case len(a.readings) == 0:
		return "the metrics API tells of no pod that is wanted: metrics-server may have started just now; otherwise look at its log, and " +
			"whether the pods have the label that the source selects"
	}
	return ""
}

// inWords says what a person can do about an answer that did not come. The API server answers for a metrics API that is not there.
func inWords(err error) string {
	advice, said := advise(err), source.Quote(err.Error())
	if said == "" {
		return advice
	}
	return fmt.Sprintf("%s (%s)", advice, said)
}

func advise(err error) string {
	var broken net.Error
	switch {
	case apierrors.IsNotFound(err):
		return "there is no metrics API (metrics.k8s.io/v1beta1): install metrics-server, or leave it out of the sources"
	case apierrors.IsServiceUnavailable(err):
		return "the metrics API is installed, but its server is unavailable: look at the pods of metrics-server and at " +
			"kubectl get apiservice v1beta1.metrics.k8s.io"
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return "the metrics API may not be read: allow list on pods of metrics.k8s.io"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), apierrors.IsTimeout(err), apierrors.IsServerTimeout(err):
		return "the metrics API did not answer in time: look at the load of metrics-server and of the API server"
	case errors.As(err, &broken):
		return "the API server, through which the metrics API is asked, is out of reach"
	}
	return "the metrics API does not answer as it should: look at the log of metrics-server"
}
