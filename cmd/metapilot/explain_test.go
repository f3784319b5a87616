package main

import (
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"sigs.k8s.io/yaml"

	"github.com/metapilot/metapilot/api/v1alpha1"
)

// What people read, word by word. Input is a ClusterScaler and then its records, newest first, as YAML documents.
func TestWords(t *testing.T) {
	now := time.Date(2026, 12, 1, 3, 10, 0, 0, time.UTC)
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "profile":
				return profileWords(t, d, now)
			case "downs":
				return downsWords(t, d, now)
			}
			var cs v1alpha1.ClusterScaler
			var records []v1alpha1.ScalingRecord
			for i, document := range strings.Split(d.Input, "\n--\n") {
				if i == 0 {
					read(t, d, document, &cs)
					continue
				}
				var r v1alpha1.ScalingRecord
				read(t, d, document, &r)
				records = append(records, r)
			}
			var b strings.Builder
			switch d.Cmd {
			case "explain":
				var silent int
				d.MaybeScanArgs(t, "silent", &silent)
				writeExplanation(&b, &cs, records, time.Duration(silent)*time.Minute, now)
			case "records":
				if err := writeRecords(&b, records, now); err != nil {
					d.Fatalf(t, "%v", err)
				}
			default:
				d.Fatalf(t, "there are explain, records, profile and downs")
			}
			return b.String()
		})
	})
}

func profileWords(t *testing.T, d *datadriven.TestData, now time.Time) string {
	var p v1alpha1.WorkloadProfile
	read(t, d, d.Input, &p)
	var b strings.Builder
	if err := writeProfile(&b, &p, now); err != nil {
		d.Fatalf(t, "%v", err)
	}
	return b.String()
}

func read(t *testing.T, d *datadriven.TestData, document string, into any) {
	t.Helper()
	if err := yaml.UnmarshalStrict([]byte(document), into); err != nil {
		d.Fatalf(t, "%v in\n%s", err, document)
	}
}
