package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler/plan"
)

// document is a report as people read it, whatever it is rendered as.
type document struct {
	Title  string
	Facts  []fact
	Tables []table
	Notes  []string
}

// fact is one number of the whole, in words.
type fact struct{ Name, Says string }

// table of a document. Numbers are the columns that are set to the right.
type table struct {
	Title   string
	Head    []string
	Numbers []bool
	Rows    [][]string
	More    string // that is left out
	Empty   string // what is said when there is no row
}

func documentOf(r *v1alpha1.FleetReport) document {
	s := &r.Status
	d := document{Title: titleOf(&r.Spec), Facts: factsOf(s), Notes: s.Unknown}
	for i := range s.Summaries {
		d.Tables = append(d.Tables, doneTable(&s.Summaries[i], r.Spec.From.Time), wouldTable(&s.Summaries[i]))
	}
	d.Tables = append(d.Tables, riskTable(s), savingTable(s), holdTable(s), reactionTable(s))
	if len(s.Causes) > 0 {
		d.Tables = append(d.Tables, causeTable(s))
	}
	return d
}

func titleOf(s *v1alpha1.FleetReportSpec) string {
	of := "all namespaces"
	if s.Namespace != "" {
		of = "namespace " + s.Namespace
	}
	return fmt.Sprintf("Fleet report of %s, %s to %s UTC", of, at(s.From.Time), at(s.To.Time))
}

func at(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }

func factsOf(s *v1alpha1.FleetReportStatus) []fact {
	t := &s.Total
	facts := []fact{
		{"fleet", fmt.Sprintf("%s with %s, requesting %s", number(t.Tenants, "tenant"), number(t.Components, "component"), amountWords(t.Requested))},
		{"done", changeFact(&t.Done)},
		{"would be done", changeFact(&t.Would)},
		{"held", changeFact(&t.Held)},
		{"came of it", fmt.Sprintf("%s, %d escalated, %d degraded, %d failed, %s", number(t.Regrets, "regret"), t.Escalated, t.Degraded, t.Failed, number(t.OOMKills, "OOM kill"))},
	}
	return facts
}

func changeFact(c *v1alpha1.ReportChange) string {
	if c.Changes == 0 {
		return "nothing"
	}
	return fmt.Sprintf("%s: adds %s; saves %s", changeWords(c), amountWords(c.Added), amountWords(c.Saved))
}

func number(n int32, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return thousands(int64(n)) + " " + what + "s"
}

// thousands are set apart, for a fleet has many.
func thousands(n int64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func more(n int32) string {
	if n == 0 {
		return ""
	}
	return "and " + thousands(int64(n)) + " more"
}

// and tells of what was left out: if nothing is shown, what is left out has nothing either, for the largest come first.
func (t table) and(n int32) table {
	if len(t.Rows) > 0 {
		t.More = more(n)
	}
	return t
}

// columns marks which are numbers.
func columns(head []string, numbers ...int) []bool {
	is := make([]bool, len(head))
	for _, i := range numbers {
		is[i] = true
	}
	return is
}

// both amounts of a resource: requests, and limits where they differ in anything.
func both(requests, limits string) string {
	if requests == "-" && limits == "-" {
		return "-"
	}
	return requests + " / " + limits
}

func coresOf(s v1alpha1.Size) string {
	size := plan.SizeOf(s)
	return both(cores(size.Requests.CPU), cores(size.Limits.CPU))
}

func gibOf(s v1alpha1.Size) string {
	size := plan.SizeOf(s)
	return both(gib(size.Requests.Memory), gib(size.Limits.Memory))
}

func heading(by string) string { return strings.ToUpper(strings.TrimPrefix(by, byLabel)) }

func doneTable(s *v1alpha1.ReportSummary, from time.Time) table {
	t := table{
		Title: fmt.Sprintf("Done since %s by %s, cores and GiB as requests / limits", at(from), s.By),
		Head:  []string{heading(s.By), "TENANTS", "COMPONENTS", "CHANGES", "ADDED CORES", "ADDED GIB", "SAVED CORES", "SAVED GIB", "REGRETS", "FAILED", "OOM KILLS"},
		Empty: "nothing was done",
	}
	t.Numbers = columns(t.Head, 1, 2, 4, 5, 6, 7, 8, 9, 10)
	for i := range s.Lines {
		l := &s.Lines[i]
		if l.Done.Changes+l.Regrets+l.Failed+l.OOMKills > 0 {
			t.Rows = append(t.Rows, []string{
				l.Name, thousands(int64(l.Tenants)), thousands(int64(l.Components)), changeWords(&l.Done),
				coresOf(l.Done.Added), gibOf(l.Done.Added), coresOf(l.Done.Saved), gibOf(l.Done.Saved), count(l.Regrets), count(l.Failed), count(l.OOMKills),
			})
		}
	}
	return t.and(s.More)
}

func wouldTable(s *v1alpha1.ReportSummary) table {
	t := table{
		Title: fmt.Sprintf("Would be done now by %s, cores and GiB as requests / limits", s.By),
		Head:  []string{heading(s.By), "TENANTS", "COMPONENTS", "WOULD", "ADDS CORES", "ADDS GIB", "SAVES CORES", "SAVES GIB", "HELD", "HELD SAVES CORES", "HELD SAVES GIB"},
		Empty: "nothing would be done",
	}
	t.Numbers = columns(t.Head, 1, 2, 4, 5, 6, 7, 9, 10)
	for i := range s.Lines {
		l := &s.Lines[i]
		if l.Would.Changes+l.Held.Changes > 0 {
			t.Rows = append(t.Rows, []string{
				l.Name, thousands(int64(l.Tenants)), thousands(int64(l.Components)), changeWords(&l.Would),
				coresOf(l.Would.Added), gibOf(l.Would.Added), coresOf(l.Would.Saved), gibOf(l.Would.Saved),
				changeWords(&l.Held), coresOf(l.Held.Saved), gibOf(l.Held.Saved),
			})
		}
	}
	return t.and(s.More)
}

func count(n int32) string {
	if n == 0 {
		return "-"
	}
	return thousands(int64(n))
}

func riskTable(s *v1alpha1.FleetReportStatus) table {
	t := table{Title: "Riskiest tenants", Head: []string{"TENANT", "RISK", "WHY"}, More: more(s.Riskiest.More), Empty: "no tenant is at risk, as far as it is known"}
	t.Numbers = columns(t.Head, 1)
	for i := range s.Riskiest.Tenants {
		one := &s.Riskiest.Tenants[i]
		t.Rows = append(t.Rows, []string{one.Namespace + "/" + one.Name, fmt.Sprint(one.Risk), strings.Join(one.Risks, "; ")})
	}
	return t
}

func savingTable(s *v1alpha1.FleetReportStatus) table {
	t := table{
		Title: "Tenants that would save most, held steps as well, cores and GiB as requests / limits", Head: []string{"TENANT", "SAVES CORES", "SAVES GIB", "RISK", "STEPS"},
		More: more(s.Saving.More), Empty: "nothing is known to be too large",
	}
	t.Numbers = columns(t.Head, 1, 2, 3)
	for i := range s.Saving.Tenants {
		one := &s.Saving.Tenants[i]
		t.Rows = append(t.Rows, []string{one.Namespace + "/" + one.Name, coresOf(one.Saved), gibOf(one.Saved), fmt.Sprint(one.Risk), strings.Join(one.Steps, "; ")})
	}
	return t
}

func holdTable(s *v1alpha1.FleetReportStatus) table {
	t := table{Title: "Held, by guard", Head: []string{"GUARD", "NOW", "OF THEM GROWTH", "WRITTEN DOWN", "FOR EXAMPLE"}, Empty: "no guard holds anything"}
	t.Numbers = columns(t.Head, 1, 2, 3)
	for i := range s.Holds {
		h := &s.Holds[i]
		t.Rows = append(t.Rows, []string{h.Guard, count(h.Now), count(h.Growth), count(h.WrittenDown), h.Example})
	}
	return t
}

func reactionTable(s *v1alpha1.FleetReportStatus) table {
	t := table{
		Title: "How long growth took, from what called for it", Head: []string{"SOURCE", "DECISIONS", "P50", "P99", "EFFECTS", "P50", "P99"},
		Empty: "nothing has grown",
	}
	t.Numbers = columns(t.Head, 1, 2, 3, 4, 5, 6)
	for i := range s.Reactions {
		r := &s.Reactions[i]
		d, e := r.ToDecision, r.ToEffect
		t.Rows = append(t.Rows, []string{r.Source, count(d.Count), seconds(d, d.P50), seconds(d, d.P99), count(e.Count), seconds(e, e.P50), seconds(e, e.P99)})
	}
	return t
}

func causeTable(s *v1alpha1.FleetReportStatus) table {
	t := table{Title: "Causes of trouble", Head: []string{"CAUSE", "COMPONENTS", "WHAT HELPS"}}
	t.Numbers = columns(t.Head, 1)
	for i := range s.Causes {
		c := &s.Causes[i]
		t.Rows = append(t.Rows, []string{c.Type, count(c.Components), c.Helps})
	}
	return t
}
