package scaler

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/metapilot/metapilot/api/v1alpha1"
)

func window(schedule, duration, zone string) v1alpha1.MaintenanceWindow {
	d, err := time.ParseDuration(duration)
	if err != nil {
		panic(err)
	}
	return v1alpha1.MaintenanceWindow{Schedule: schedule, Duration: metav1.Duration{Duration: d}, TimeZone: zone}
}

func TestMaintenanceWindows(t *testing.T) {
	night := window("0 3 * * *", "2h", "")
	for name, tc := range map[string]struct {
		at      string
		windows []v1alpha1.MaintenanceWindow
		open    bool
		next    string // empty for never
		wrong   string
	}{
		"none":                      {"2026-11-23T03:30:00Z", nil, false, "", ""},
		"before":                    {"2026-11-23T02:59:59Z", []v1alpha1.MaintenanceWindow{night}, false, "2026-11-23T03:00:00Z", ""},
		"at its beginning":          {"2026-11-23T03:00:00Z", []v1alpha1.MaintenanceWindow{night}, true, "2026-11-24T03:00:00Z", ""},
		"in it":                     {"2026-11-23T04:59:59Z", []v1alpha1.MaintenanceWindow{night}, true, "2026-11-24T03:00:00Z", ""},
		"at its end":                {"2026-11-23T05:00:00Z", []v1alpha1.MaintenanceWindow{night}, false, "2026-11-24T03:00:00Z", ""},
		"over midnight":             {"2026-11-23T00:30:00Z", []v1alpha1.MaintenanceWindow{window("0 23 * * *", "2h", "")}, true, "2026-11-23T23:00:00Z", ""},
		"longer than its period":    {"2026-11-23T02:00:00Z", []v1alpha1.MaintenanceWindow{window("0 3 * * *", "25h", "")}, true, "2026-11-23T03:00:00Z", ""},
		"in a zone, in winter":      {"2026-11-23T02:30:00Z", []v1alpha1.MaintenanceWindow{window("0 3 * * *", "1h", "Europe/Berlin")}, true, "2026-11-24T02:00:00Z", ""},
		"in a zone, in summer":      {"2026-07-23T02:30:00Z", []v1alpha1.MaintenanceWindow{window("0 3 * * *", "1h", "Europe/Berlin")}, false, "2026-07-24T01:00:00Z", ""},
		"in a zone, at its change":  {"2026-03-28T23:30:00Z", []v1alpha1.MaintenanceWindow{window("30 3 * * *", "1h", "Europe/Berlin")}, false, "2026-03-29T01:30:00Z", ""},
		"by the week":               {"2026-11-23T03:30:00Z", []v1alpha1.MaintenanceWindow{window("0 3 * * 0", "2h", "")}, false, "2026-11-29T03:00:00Z", ""},
		"the next of two":           {"2026-11-23T01:00:00Z", []v1alpha1.MaintenanceWindow{window("0 3 * * 0", "2h", ""), night}, false, "2026-11-23T03:00:00Z", ""},
		"one of two cannot be read": {"2026-11-23T03:30:00Z", []v1alpha1.MaintenanceWindow{window("0 3 * *", "2h", ""), night}, true, "2026-11-24T03:00:00Z", "spec.maintenance[0]"},
		"none can be read":          {"2026-11-23T03:30:00Z", []v1alpha1.MaintenanceWindow{window("0 3 * * 8", "2h", "")}, false, "", "write minute, hour"},
		"no day":                    {"2026-11-23T03:30:00Z", []v1alpha1.MaintenanceWindow{window("0 3 31 4 *", "2h", "")}, false, "", "never comes"},
		"commas":                    {"2026-11-23T03:30:00Z", []v1alpha1.MaintenanceWindow{window(", , * * *", "2h", "")}, false, "", "a field is empty"},
		"half a zone":               {"2026-11-23T03:30:00Z", []v1alpha1.MaintenanceWindow{window("TZ=Berlin", "2h", "")}, false, "", "write that in timeZone"},
		"no zone":                   {"2026-11-23T03:30:00Z", []v1alpha1.MaintenanceWindow{window("0 3 * * *", "2h", "../Berlin")}, false, "", "there is no time zone"},
		"the zone of the machine":   {"2026-11-23T03:30:00Z", []v1alpha1.MaintenanceWindow{window("0 3 * * *", "2h", "Local")}, false, "", "there is no time zone"},
	} {
		t.Run(name, func(t *testing.T) {
			at, err := time.Parse(time.RFC3339, tc.at)
			if err != nil {
				t.Fatal(err)
			}
			got, wrong := windows(tc.windows, at)
			next := ""
			if !got.Next.IsZero() {
				next = got.Next.Format(time.RFC3339)
			}
			if got.Open != tc.open || next != tc.next || !strings.Contains(wrong, tc.wrong) || (wrong == "") != (tc.wrong == "") {
				t.Errorf("open %t, next %q, wrong %q; want %t, %q, %q", got.Open, next, wrong, tc.open, tc.next, tc.wrong)
			}
			if (got.Says == "") != (next != "") {
				t.Errorf("with the next one at %q it says %q", next, got.Says)
			}
		})
	}
}
