package prometheus

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/metapilot/metapilot/recommender/model"
	"github.com/metapilot/metapilot/recommender/source"
	"github.com/metapilot/metapilot/recommender/source/sourcetest"
)

var noon = sourcetest.Noon

func TestContract(t *testing.T) {
	sourcetest.Contract(t, sourcetest.Kind{
		Serve: func(readings []source.Reading) http.Handler { return serve(readings) },
		New:   func(t *testing.T, url string) source.Source { return ask(t, Options{URL: url}) },
	})
}

func ask(t *testing.T, o Options) *Source {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var asked = regexp.MustCompile(`(container_\w+)\{namespace=~("(?:[^"\\]|\\.)*")`)

// serve speaks the HTTP API of a Prometheus that knows these readings, by looking at no more of a query than its metric and its namespaces.
func serve(readings []source.Reading) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/api/v1/query", func(w http.ResponseWriter, r *http.Request) {
		var vector []map[string]any
		for _, all := range matching(readings, r.FormValue("query")) {
			vector = append(vector, map[string]any{"metric": metric(all[0]), "value": pair(all[len(all)-1])})
		}
		success(w, "vector", vector)
	})
	mux.HandleFunc("/api/v1/query_range", func(w http.ResponseWriter, r *http.Request) {
		start, _ := strconv.ParseInt(r.FormValue("start"), 10, 64)
		end, _ := strconv.ParseInt(r.FormValue("end"), 10, 64)
		var matrix []map[string]any
		for _, all := range matching(readings, r.FormValue("query")) {
			var values [][2]any
			for _, one := range all {
				if at := one.At.Unix(); at >= start && at <= end {
					values = append(values, pair(one))
				}
			}
			if values != nil {
				matrix = append(matrix, map[string]any{"metric": metric(all[0]), "values": values})
			}
		}
		success(w, "matrix", matrix)
	})
	return mux
}

// matching are the readings that a query is about, by container.
func matching(readings []source.Reading, query string) [][]source.Reading {
	words := asked.FindStringSubmatch(query)
	if words == nil {
		return nil
	}
	said, _ := strconv.Unquote(words[2])
	namespaces := regexp.MustCompile("^(?:" + said + ")$")
	wanted := map[string]model.Resource{"container_cpu_usage_seconds_total": model.CPU, "container_memory_working_set_bytes": model.Memory}[words[1]]
	var all [][]source.Reading
	where := map[string]int{}
	for _, r := range readings {
		if r.Resource != wanted || !namespaces.MatchString(r.Namespace) {
			continue
		}
		key := r.Namespace + "/" + r.Pod + "/" + r.Container
		if _, known := where[key]; !known {
			where[key] = len(all)
			all = append(all, nil)
		}
		all[where[key]] = append(all[where[key]], r)
	}
	return all
}

func metric(r source.Reading) map[string]string {
	return map[string]string{"namespace": r.Namespace, "pod": r.Pod, "container": r.Container, "job": "kubelet"}
}

func pair(r source.Reading) [2]any {
	return [2]any{float64(r.At.UnixMilli()) / 1000, strconv.FormatFloat(r.Amount/units[r.Resource], 'f', -1, 64)}
}

func success(w http.ResponseWriter, kind string, result any) {
	w.Header().Set("Content-Type", "application/json")
	//nolint:errcheck // a source that has left has seen enough
	json.NewEncoder(w).Encode(map[string]any{"status": "success", "data": map[string]any{"resultType": kind, "result": result}})
}

// saying answers every query about memory with the text, and those about CPU with a reading of nothing special.
func saying(code int, kind, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(code)
		if strings.Contains(r.FormValue("query"), "container_cpu") && code == http.StatusOK {
			text := `{"status":"success","data":{"resultType":"vector","result":[]}}`
			if strings.HasSuffix(r.URL.Path, "range") {
				text = strings.Replace(text, "vector", "matrix", 1)
			}
			fmt.Fprint(w, text)
			return
		}
		fmt.Fprint(w, text)
	}
}

// told is what the source tells of an answer, with the URL as URL.
func told(t *testing.T, server http.Handler, o Options, ask func(*Source) source.Answer) (lines []string, fault string) {
	t.Helper()
	running := httptest.NewServer(server)
	defer running.Close()
	o.URL = running.URL
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	a := ask(s)
	for _, r := range a.Readings {
		lines = append(lines, fmt.Sprintf("%s/%s %s %g at %d", r.Pod, r.Container, r.Resource, r.Amount, int(r.At.Sub(noon).Seconds())))
	}
	return lines, strings.ReplaceAll(a.Fault, running.URL, "URL")
}

const asJSON = "application/json"

func vector(series ...string) string {
	return `{"status":"success","data":{"resultType":"vector","result":[` + strings.Join(series, ",") + `]}}`
}

// one series of a container of etcd-0 with more labels, and a value at noon, unless an @ and other seconds follow it.
func one(more, value string) string {
	value, after, _ := strings.Cut(value, "@")
	seconds, _ := strconv.Atoi(after)
	return fmt.Sprintf(`{"metric":{"namespace":"tc-one","pod":"etcd-0","container":"etcd"%s},"value":[%d,%s]}`, more, noon.Unix()+int64(seconds), value)
}

func TestWhatPrometheusCanSay(t *testing.T) {
	for name, tc := range map[string]struct {
		code  int
		kind  string
		text  string
		want  []string
		fault string
	}{
		"a value":                         {text: vector(one("", `"5"`)), want: []string{"etcd-0/etcd memory 5 at 0"}},
		"NaN":                             {text: vector(one("", `"NaN"`)), want: []string{"etcd-0/etcd memory NaN at 0"}},
		"+Inf":                            {text: vector(one("", `"+Inf"`)), want: []string{"etcd-0/etcd memory +Inf at 0"}},
		"-1":                              {text: vector(one("", `"-1"`)), want: []string{"etcd-0/etcd memory -1 at 0"}},
		"more than there are numbers for": {text: vector(one("", `"1e999"`)), want: []string{"etcd-0/etcd memory +Inf at 0"}},
		"null is no zero": {
			text: vector(one("", `null`)), fault: `the Prometheus at URL gives a result that is no vector (a sample is not of the form [1732363200.5,"1.5"])`,
		},
		"a number that is no text": {
			text: vector(one("", `5`)), fault: `the Prometheus at URL gives a result that is no vector (a sample is not of the form [1732363200.5,"1.5"])`,
		},
		"no value at all": {
			text:  vector(`{"metric":{"namespace":"tc-one","pod":"etcd-0","container":"etcd"},"histogram":[1,{}]}`, one(`,"pod":"etcd-1"`, `"5"`)),
			want:  []string{"etcd-1/etcd memory 5 at 0"},
			fault: "1 series in Prometheus have no number: look whether other metrics are recorded under the names of cAdvisor's",
		},
		"two series of one container: the higher one": {
			text: vector(one(`,"cluster":"a","job":"x"`, `"5"`), one(`,"cluster":"b","job":"y"`, `"7"`)), want: []string{"etcd-0/etcd memory 7 at 0"},
			fault: `several series in Prometheus are of one container (so it is with 1, the first is tc-one/etcd-0/etcd), and differ in cluster ("a" and "b"); ` +
				"the highest amount is taken: choose by a matcher, or let it be scraped once",
		},
		"in the other order too, and even if it is all the same": {
			text: vector(one("", `"7"`), one("", `"5"`), one("", `"6"`)), want: []string{"etcd-0/etcd memory 7 at 0"},
			fault: "several series in Prometheus are of one container (so it is with 1, the first is tc-one/etcd-0/etcd), and differ in nothing; " +
				"the highest amount is taken: choose by a matcher, or let it be scraped once",
		},
		"a lie beside a number": {
			text: vector(one("", `"7"`), one(`,"replica":"1"`, `"NaN"`)), want: []string{"etcd-0/etcd memory 7 at 0"},
			fault: `several series in Prometheus are of one container (so it is with 1, the first is tc-one/etcd-0/etcd), and differ in replica ("" and "1"); ` +
				"the highest amount is taken: choose by a matcher, or let it be scraped once",
		},
		"two times in one instant: the newer one": {text: vector(one("", `"5"@10`), one("", `"7"@0`)), want: []string{"etcd-0/etcd memory 5 at 10"}},
		"series of others": {
			text:  vector(one(`,"namespace":"kube-system"`, `"5"`), one(`,"pod":""`, `"5"`), one("", `"5"`)),
			want:  []string{"etcd-0/etcd memory 5 at 0"},
			fault: "2 series were told that Prometheus was not asked for: look what stands between it and us",
		},
		"a warning": {
			text:  strings.Replace(vector(one("", `"5"`)), "{", `{"warnings":["store away","another"],`, 1),
			want:  []string{"etcd-0/etcd memory 5 at 0"},
			fault: "the Prometheus at URL warns that its answer may not be whole: store away, another",
		},
		"another type": {
			text:  `{"status":"success","data":{"resultType":"scalar","result":[1,"5"]}}`,
			fault: `the Prometheus at URL answers with a result of type "scalar" instead of a vector: look what else speaks there`,
		},
		"a query that cannot be executed": {
			code: 422, text: `{"status":"error","errorType":"execution","error":"query processing would load\n too many samples"}`,
			fault: "the Prometheus at URL failed (status 422, execution): query processing would load too many samples",
		},
		"a query that took too long": {
			code: 503, text: `{"status":"error","errorType":"timeout","error":"query timed out"}`,
			fault: "the Prometheus at URL failed (status 503, timeout): query timed out",
		},
		"it is not ready":       {code: 503, kind: "text/plain", text: "Service Unavailable\n", fault: "the Prometheus at URL answers with status 503: Service Unavailable"},
		"it failed":             {code: 500, kind: "text/plain", text: "oh\x00", fault: "the Prometheus at URL answers with status 500: oh?"},
		"it does not let us in": {code: 401, kind: "text/plain", text: "no", fault: "the Prometheus at URL does not let us in (status 401): look at the token and at its rights"},
		"nor by GET":            {code: 403, kind: "text/plain", text: "no", fault: "the Prometheus at URL does not let us in (status 403): look at the token and at its rights"},
		"a page": {
			kind: "text/html; charset=utf-8", text: "<html>\n<title>Sign in</title>",
			fault: `what answers at URL is no Prometheus: it gives text/html that begins with "<html> <title>Sign in</title>"`,
		},
		"broken JSON": {text: `{"status":"succ`, fault: "the Prometheus at URL gives an answer that is broken (unexpected end of JSON input)"},
		"other JSON":  {text: `{"kind":"Status"}`, fault: `what answers at URL is no Prometheus: it gives application/json that begins with "{\"kind\":\"Status\"}"`},
	} {
		t.Run(name, func(t *testing.T) {
			code, kind := max(tc.code, 200), tc.kind
			if kind == "" {
				kind = asJSON
			}
			lines, fault := told(t, saying(code, kind, tc.text), Options{}, func(s *Source) source.Answer {
				return s.Read(t.Context(), []string{"tc-one"})
			})
			if tc.fault == "" && len(tc.want) > 0 { // the test's server knows nothing of CPU
				tc.fault = "Prometheus knows no container_cpu_usage_seconds_total of the namespaces that are wanted: does it scrape /metrics/cadvisor of the " +
					"kubelets, and do its labels namespace, pod and container name the container? Are there two scrapes within the window of 2m0s?"
			}
			if !slices.Equal(lines, tc.want) || fault != tc.fault {
				t.Errorf("it tells\n%q\n%s\nwant\n%q\n%s", lines, fault, tc.want, tc.fault)
			}
		})
	}
}
