package metricsserver

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	metricsv1beta1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"
	metricsclient "k8s.io/metrics/pkg/client/clientset/versioned/typed/metrics/v1beta1"

	"github.com/metapilot/metapilot/recommender/model"
	"github.com/metapilot/metapilot/recommender/source"
	"github.com/metapilot/metapilot/recommender/source/sourcetest"
)

const (
	group = "/apis/metrics.k8s.io/v1beta1"
	path  = group + "/pods"
)

func TestContract(t *testing.T) {
	sourcetest.Contract(t, sourcetest.Kind{
		Serve: serve,
		New:   func(t *testing.T, url string) source.Source { return ask(t, &rest.Config{Host: url}) },
	})
}

func ask(t *testing.T, config *rest.Config) *Source {
	t.Helper()
	client, err := metricsclient.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(client, DefaultSelector)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// serve speaks the metrics API as metrics-server does, for pods which all have the label of a tenant.
func serve(readings []source.Reading) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc(group, func(w http.ResponseWriter, _ *http.Request) {
		write(w, metav1.APIResourceList{
			TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: "metrics.k8s.io/v1beta1",
			APIResources: []metav1.APIResource{{Name: "pods", Namespaced: true, Kind: "PodMetrics", Verbs: metav1.Verbs{"get", "list"}}},
		})
	})
	mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		list := metricsv1beta1.PodMetricsList{TypeMeta: metav1.TypeMeta{Kind: "PodMetricsList", APIVersion: "metrics.k8s.io/v1beta1"}}
		if r.URL.Query().Get("labelSelector") == "metapilot.io/tenant" {
			list.Items = pods(readings)
		}
		write(w, list)
	})
	return mux
}

func write(w http.ResponseWriter, object any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(object) //nolint:errcheck // a source that has left has seen enough
}

// pods are the readings by pod, one container of each, in their order.
func pods(readings []source.Reading) (all []metricsv1beta1.PodMetrics) {
	where := map[string]int{}
	for _, r := range readings {
		key := r.Namespace + "/" + r.Pod
		i, known := where[key]
		if !known {
			i = len(all)
			where[key] = i
			all = append(all, metricsv1beta1.PodMetrics{
				ObjectMeta: metav1.ObjectMeta{Namespace: r.Namespace, Name: r.Pod, Labels: map[string]string{"metapilot.io/tenant": "one"}},
				Timestamp:  metav1.NewTime(r.At), Window: metav1.Duration{Duration: 15 * time.Second},
				Containers: []metricsv1beta1.ContainerMetrics{{Name: r.Container, Usage: corev1.ResourceList{}}},
			})
		}
		usage := all[i].Containers[0].Usage
		if r.Resource == model.CPU {
			usage[corev1.ResourceCPU] = *resource.NewScaledQuantity(int64(r.Amount*1e6), resource.Nano) // as metrics-server tells it
		} else {
			usage[corev1.ResourceMemory] = *resource.NewQuantity(int64(r.Amount), resource.BinarySI)
		}
	}
	return all
}

func TestSelectorThatCannotBeRead(t *testing.T) {
	_, err := New(nil, "a in")
	if want := `label selector "a in" of the pods whose metrics are read: `; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("it says %v, want %s...", err, want)
	}
}

// says is what the source tells of a server that answers every question with one of the texts after the other, and the last one again and again.
func says(t *testing.T, code int, texts ...string) (lines []string, fault string, asked []string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.RawQuery)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		fmt.Fprint(w, texts[min(len(asked), len(texts))-1])
	}))
	defer server.Close()
	a := ask(t, &rest.Config{Host: server.URL}).Read(t.Context(), []string{"tc-one"})
	return sourcetest.Lines(a.Readings), strings.ReplaceAll(a.Fault, server.URL, "URL"), asked
}

// list is what a metrics-server of version 0.8 says, with these pods.
func list(meta string, pods ...string) string {
	return fmt.Sprintf(`{"kind":"PodMetricsList","apiVersion":"metrics.k8s.io/v1beta1","metadata":{%s},"items":[%s]}`, meta, strings.Join(pods, ","))
}

func one(name, containers string) string {
	return fmt.Sprintf(`{"metadata":{"name":%q,"namespace":"tc-one","creationTimestamp":"2026-11-23T12:00:09Z","labels":{"metapilot.io/tenant":"one"}},`+
		`"timestamp":"2026-11-23T11:59:58Z","window":"15.12s","containers":[%s]}`, name, containers)
}

func TestWhatTheMetricsAPICanSay(t *testing.T) {
	const etcd = `{"name":"etcd","usage":{"cpu":"136923n","memory":"14328Ki"}}`
	whole := []string{"tc-one/etcd-0/etcd cpu 0.137 at 2026-11-23T11:59:58Z", "tc-one/etcd-0/etcd memory 14671872.000 at 2026-11-23T11:59:58Z"}
	for name, tc := range map[string]struct {
		code  int
		texts []string
		want  []string
		fault string
	}{
		"a pod":                       {texts: []string{list("", one("etcd-0", etcd))}, want: whole},
		"a pod without containers":    {texts: []string{list("", one("etcd-0", etcd), one("etcd-1", ""))}, want: whole},
		"a container without its CPU": {texts: []string{list("", one("etcd-0", etcd), one("etcd-1", `{"name":"etcd","usage":{"memory":"1Ki"}}`))}, want: append(slices.Clone(whole), "tc-one/etcd-1/etcd memory 1024.000 at 2026-11-23T11:59:58Z"), fault: "the metrics API does not tell cpu of tc-one/etcd-1/etcd; look at the log of metrics-server"},
		"a container without usage":   {texts: []string{list("", one("etcd-0", etcd), one("etcd-1", `{"name":"etcd"}`))}, want: whole, fault: "the metrics API does not tell cpu of tc-one/etcd-1/etcd and 1 other amounts; look at the log of metrics-server"},
		"pages, although it has none": {texts: []string{list(`"continue":"more"`), list("", one("etcd-0", etcd))}, want: whole},
		"a page that cannot be read":  {texts: []string{list(`"continue":"more"`, one("etcd-0", etcd)), "broken"}, want: whole, fault: "the metrics API does not answer as it should: look at the log of metrics-server ("},
		"no such API": {
			code: 404, texts: []string{"404 page not found"},
			fault: "there is no metrics API (metrics.k8s.io/v1beta1): install metrics-server, or leave it out of the sources (the server could not find the requested resource",
		},
		"its server is away": {
			code: 503, texts: []string{"service unavailable"},
			fault: "the metrics API is installed, but its server is unavailable: look at the pods of metrics-server and at kubectl get apiservice v1beta1.metrics.k8s.io (",
		},
		"may not be read": {
			code: 403, texts: []string{`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","message":"pods.metrics.k8s.io is forbidden","code":403}`},
			fault: "the metrics API may not be read: allow list on pods of metrics.k8s.io (pods.metrics.k8s.io is forbidden)",
		},
		"an amount that is none": {
			texts: []string{list("", one("etcd-0", `{"name":"etcd","usage":{"cpu":"a lot"}}`))},
			fault: "the metrics API does not answer as it should: look at the log of metrics-server (",
		},
	} {
		t.Run(name, func(t *testing.T) {
			lines, fault, _ := says(t, max(200, tc.code), tc.texts...)
			if !slices.Equal(lines, tc.want) || !strings.HasPrefix(fault, tc.fault) || (fault == "") != (tc.fault == "") {
				t.Errorf("it tells\n%q\n%s\nwant\n%q\n%s", lines, fault, tc.want, tc.fault)
			}
		})
	}
}

// The API has no old answers and no pages, so none are asked for.
func TestQuestion(t *testing.T) {
	_, _, asked := says(t, 200, list(`"continue":"next"`), list(""))
	if want := []string{"labelSelector=metapilot.io%2Ftenant", "continue=next&labelSelector=metapilot.io%2Ftenant"}; !slices.Equal(asked, want) {
		t.Errorf("it asks %q, want %q", asked, want)
	}
}
