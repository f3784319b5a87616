package scaler

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler/model"
)

// fields of a schedule are those five that cron has had for ever.
var fields = cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)

// windows tells whether one of the maintenance windows is open now, and when the next one opens, or what is wrong with them. A window that cannot be
// read is left out, for the others are as people meant them.
func windows(all []v1alpha1.MaintenanceWindow, now time.Time) (m model.Maintenance, wrong string) {
	if len(all) == 0 {
		return model.Maintenance{Says: "spec.maintenance has none"}, ""
	}
	for i := range all {
		schedule, err := schedule(&all[i])
		if err != nil {
			wrong = fmt.Sprintf("spec.maintenance[%d]: %v", i, err)
			continue
		}
		opens := schedule.Next(now)
		if opens.IsZero() { // looked for during five years
			wrong = fmt.Sprintf("spec.maintenance[%d]: the schedule %q never comes: write a day that there is", i, all[i].Schedule)
			continue
		}
		m.Open = m.Open || !schedule.Next(now.Add(-all[i].Duration.Duration)).After(now)
		if m.Next.IsZero() || opens.Before(m.Next) {
			m.Next = opens
		}
	}
	if m.Next.IsZero() {
		m.Says = wrong
	}
	return m, wrong
}

// zoned is a schedule in its time zone.
type zoned struct {
	cron.Schedule
	zone *time.Location
}

// Next is the first time after the given one.
func (z zoned) Next(after time.Time) time.Time { return z.Schedule.Next(after.In(z.zone)).UTC() }

func schedule(w *v1alpha1.MaintenanceWindow) (zoned, error) {
	zone, err := time.LoadLocation(w.TimeZone)
	if err != nil || w.TimeZone == "Local" {
		return zoned{}, fmt.Errorf("there is no time zone %q: write a name such as Europe/Berlin, or leave it out for UTC", w.TimeZone)
	}
	if strings.Contains(w.Schedule, "=") { // the parser takes a time zone there, too
		return zoned{}, fmt.Errorf("the schedule %q has a time zone: write that in timeZone", w.Schedule)
	}
	parsed, err := fields.Parse(w.Schedule)
	if err == nil && slices.ContainsFunc(strings.Fields(w.Schedule), func(f string) bool { return strings.Trim(f, ",") == "" }) {
		err = errors.New("a field is empty") // which the parser takes for never
	}
	if err != nil {
		return zoned{}, fmt.Errorf("the schedule %q cannot be read (%w): write minute, hour, day of month, month and day of week, such as 0 3 * * 0", w.Schedule, err)
	}
	return zoned{parsed, zone}, nil
}
