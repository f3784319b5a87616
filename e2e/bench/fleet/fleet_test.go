package main

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

const written = `{"stage":"ResponseStarted","requestURI":"/api/v1/pods?watch=true&sendInitialEvents=true","verb":"watch","objectRef":{"resource":"pods"},"requestReceivedTimestamp":"2026-11-24T04:00:00.000000Z"}
{"stage":"ResponseComplete","requestURI":"/api/v1/pods?limit=500","verb":"list","objectRef":{"resource":"pods"},"requestReceivedTimestamp":"2026-11-24T04:00:01.000000Z"}
{"stage":"ResponseComplete","requestURI":"/api/v1/pods?resourceVersion=0","verb":"list","objectRef":{"resource":"pods"},"requestReceivedTimestamp":"2026-11-24T04:00:02.000000Z"}
{"stage":"ResponseComplete","requestURI":"/apis/metrics.k8s.io/v1beta1/pods","verb":"list","objectRef":{"resource":"pods","apiGroup":"metrics.k8s.io"},"requestReceivedTimestamp":"2026-11-24T04:00:03.000000Z"}
{"stage":"ResponseStarted","requestURI":"/x","verb":"patch","objectRef":{"resource":"clusterscalers","subresource":"status"},"requestReceivedTimestamp":"2026-11-24T04:00:04.000000Z"}
{"stage":"ResponseComplete","requestURI":"/x","verb":"patch","objectRef":{"resource":"clusterscalers","subresource":"status"},"requestReceivedTimestamp":"2026-11-24T04:00:04.000000Z"}
`

func TestAuditLogTellsWhatWasAskedFor(t *testing.T) {
	p := &plane{audit: filepath.Join(t.TempDir(), "audit.log")}
	if err := os.WriteFile(p.audit, []byte(written), 0o600); err != nil {
		t.Fatal(err)
	}
	all, err := p.requests()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := unlimited(all), map[string]int{"list pods": 1, "list pods.metrics.k8s.io": 1}; !maps.Equal(got, want) {
		t.Errorf("lists without limit are %v, want %v", got, want)
	}
	from := time.Date(2026, 11, 24, 4, 0, 2, 0, time.UTC)
	if got, want := between(all, from, from.Add(2*time.Second)), map[string]int{"list pods": 1, "list pods.metrics.k8s.io": 1}; !maps.Equal(got, want) {
		t.Errorf("in two seconds came %v, want %v", got, want)
	}
	if got, want := between(all, from.Add(2*time.Second), from.Add(time.Hour)), map[string]int{"patch clusterscalers/status": 1}; !maps.Equal(got, want) {
		t.Errorf("after that came %v, want %v", got, want)
	}
}

func TestBadAuditLogIsAnError(t *testing.T) {
	p := &plane{audit: filepath.Join(t.TempDir(), "audit.log")}
	if err := os.WriteFile(p.audit, []byte("{\"stage\":\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := p.requests(); err == nil {
		t.Error("half a line was read")
	}
}

func TestUseOfAProcess(t *testing.T) {
	now := time.Now()
	stat := "42 (a (strange) name) S 1 42 42 0 -1 4194304 100 0 0 0 250 150 0 0 20 0 9 0 100 1000 200 18446744073709551615"
	got, err := parseUse(now, stat, "Name:\tcluster-scaler\nVmHWM:\t  204800 kB\nVmRSS:\t  102400 kB\n")
	if want := (use{now, 4 * time.Second, 100, 200}); err != nil || got != want {
		t.Errorf("it is %+v, %v, want %+v", got, err, want)
	}
	for _, bad := range []string{"42 (name) S 1", "42 (name) S 1 42 42 0 -1 4194304 100 0 0 0 x 150 0"} {
		if _, err := parseUse(now, bad, ""); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestMetricIsSummedUp(t *testing.T) {
	raw := "# HELP r_total x\nr_total{controller=\"a\",result=\"error\"} 1\nr_total{controller=\"a\",result=\"success\"} 1.2e+01\nr_total{controller=\"b\",result=\"success\"} 5\nr_total_more{controller=\"a\"} 7\n"
	if got, err := sumOf([]byte(raw), "r_total", `controller="a"`); err != nil || got != 13 {
		t.Errorf("it is %g, %v, want 13", got, err)
	}
}

// Names of all tenants have one length, so that copies of what is stored, whose lengths are stored beside them, can be read.
func TestCopyIsAnotherTenantOfTheSameLength(t *testing.T) {
	s := stamp{"/registry/pods/" + homeOf(0) + "/etcd-0", []byte("\x0c" + nameOf(0) + " on " + nodeOf(0) + " is one-uid, two-uid")}
	key, value := s.of(77, []string{"one-uid", "two-uid"}, []string{"eins-ui", "zwei-ui"})
	if key != "/registry/pods/tc-tenant-00077/etcd-0" || value != "\x0ctenant-00077 on node-00003 is eins-ui, zwei-ui" {
		t.Errorf("it is %q: %q", key, value)
	}
	for _, name := range []func(int) string{nameOf, homeOf, nodeOf} {
		if len(name(0)) != len(name(most)) {
			t.Errorf("%s and %s are not of one length", name(0), name(most))
		}
	}
}

// Every object of a tenant has a status, or is of a kind that has none, and names nobody else.
func TestManifestOfATenant(t *testing.T) {
	all, err := documents(first(time.Now(), 2))
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, document := range all {
		var o unstructured.Unstructured
		if err := yaml.UnmarshalStrict([]byte(document), &o.Object); err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		kinds[o.GetKind()]++
		if !strings.Contains(o.GetNamespace()+o.GetName(), "tenant-00000") {
			t.Errorf("%s %s/%s has not the tenant in its name, so that its copies would be written over each other", o.GetKind(), o.GetNamespace(), o.GetName())
		}
	}
	if want := map[string]int{"Namespace": 1, "TenantCluster": 1, "ClusterScaler": 1, "Pod": 4, "WorkloadProfile": 4, "ScalingRecord": 8}; !maps.Equal(kinds, want) {
		t.Errorf("it has %v, want %v", kinds, want)
	}
}

func TestReadingIsOfItsPod(t *testing.T) {
	got := string(reading(nil, 3, &components[0]))
	for _, part := range []string{`"name":"etcd-0","namespace":"tc-tenant-00003"`, `"name":"etcd","usage":{"cpu":"`} {
		if !strings.Contains(got, part) {
			t.Errorf("%s lacks %s", got, part)
		}
	}
}

func TestAimsAreAboutTheSizeThatWasPromised(t *testing.T) {
	f := figures{tenants: aimed, rss: 513, cores: 0.3, sweeps: []float64{31}, waits: []float64{1, 0.2}, rest: map[string]float64{"list pods": 1, "update leases": 0.5}}
	held := map[string]bool{}
	for _, row := range f.rows() {
		if row.Holds != nil {
			held[row.Metric] = *row.Holds
		}
	}
	want := map[string]bool{"scaler_rss_mib_10k": false, "scaler_cores_10k": true, "sweep_seconds_10k": false, "first_sweep_seconds_10k": true, "oom_to_sizing_p99_seconds_10k": true, "lists_without_limit_10k": true}
	if !maps.Equal(held, want) {
		t.Errorf("aims hold: %v, want %v", held, want)
	}
	f.tenants = 1000
	for _, row := range f.rows() {
		if row.Holds != nil {
			t.Errorf("%s has an aim", row.Metric)
		}
	}
}

func TestLimitsAreExtrapolated(t *testing.T) {
	some := figures{tenants: 1000, rss: 112, cores: 0.1, sweeps: []float64{1}, waits: []float64{0.5}}
	more := figures{tenants: 2000, rss: 212, cores: 0.1, sweeps: []float64{2}, waits: []float64{0.4}}
	for _, row := range limits([]figures{some, more}) {
		switch {
		case row.Metric == "tenants_until_rss" && (row.Ours == nil || *row.Ours != 5000),
			row.Metric == "tenants_until_sweep" && (row.Ours == nil || *row.Ours != 30_000),
			row.Metric == "tenants_until_cores" && row.Ours != nil,
			row.Metric == "tenants_until_oom" && row.Ours != nil:
			t.Errorf("%s is %v", row.Metric, row.Ours)
		}
	}
}

func TestPictureHasEveryFigure(t *testing.T) {
	all := []figures{{tenants: 100, rss: 88, sweeps: []float64{1}, waits: []float64{0.5}}, {tenants: 1000, rss: 123, sweeps: []float64{2}, waits: []float64{0.75}}}
	got := picture(all)
	for _, part := range []string{">88<", ">123<", ">0.75<", "aim 512", ">1000<", "s from kill to size"} {
		if !strings.Contains(got, part) {
			t.Errorf("the picture lacks %s", part)
		}
	}
	if bytes.Contains([]byte(picture(all[:1])), []byte("NaN")) {
		t.Error("a picture of one size has no place for it")
	}
}
