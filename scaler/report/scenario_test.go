package report_test

import (
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler/report"
)

var now = time.Date(2026, 12, 1, 3, 0, 0, 0, time.UTC)

// Input is a fleet as YAML documents, each with its kind. The argument by says what it is summed up by, top how many lines a list has.
func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			o := report.Options{From: now.Add(-24 * time.Hour), To: now, Top: 20}
			var namespace string
			d.MaybeScanArgs(t, "top", &o.Top)
			d.MaybeScanArgs(t, "by", &o.By)
			d.MaybeScanArgs(t, "namespace", &namespace)
			o.Namespace = namespace
			b, err := report.New(o)
			if err != nil {
				return err.Error()
			}
			for document := range strings.SplitSeq(d.Input, "\n--\n") {
				take(t, d, b, document)
			}
			render := report.Renderers[d.Cmd]
			if render == nil {
				d.Fatalf(t, "nothing is rendered as %s", d.Cmd)
			}
			var out strings.Builder
			if err := render(&out, b.Report(), nil); err != nil {
				d.Fatalf(t, "%v", err)
			}
			return out.String()
		})
	})
}

func take(t *testing.T, d *datadriven.TestData, b *report.Builder, document string) {
	t.Helper()
	var kind metav1.TypeMeta
	read := func(into any) {
		if err := yaml.Unmarshal([]byte(document), into); err != nil {
			d.Fatalf(t, "%v in\n%s", err, document)
		}
	}
	strict := func(into any) {
		if err := yaml.UnmarshalStrict([]byte(document), into); err != nil {
			d.Fatalf(t, "%v in\n%s", err, document)
		}
	}
	switch read(&kind); kind.Kind {
	case "TenantCluster":
		var tc v1alpha1.TenantCluster
		strict(&tc)
		b.Tenant(&tc)
	case "ClusterScaler":
		var cs v1alpha1.ClusterScaler
		strict(&cs)
		target := cs.Name
		if len(cs.Spec.Workloads) > 0 {
			target = ""
		}
		b.Scaler(&cs, target)
	case "ScalingRecord":
		var r v1alpha1.ScalingRecord
		strict(&r)
		b.Record(&r)
	default:
		d.Fatalf(t, "there are TenantCluster, ClusterScaler and ScalingRecord, not %q", kind.Kind)
	}
}
