package report

import (
	_ "embed" // the page
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler/plan"
)

//go:embed page.html
var pageText string

// page is escaped by where each text stands: in text, in an attribute, in the title.
var page = template.Must(template.New("page").Parse(pageText))

// sheet is what the page shows.
type sheet struct {
	document
	Figures []figure
	Lists   []tenantList
	Drawn   bool
}

// figure is one large number.
type figure struct{ Value, Unit, Says string }

// tenantList is the riskiest or the most saving tenants, with their charts.
type tenantList struct {
	Title, More string
	Tenants     []tenantSheet
}

type tenantSheet struct {
	Name   string
	Badge  string
	Risk   string // how bad: high, some or none
	Lines  []string
	Charts []Chart
	Seen   string // where its charts stand already
}

// HTML is one page that needs no network: no script, no font, no picture from elsewhere.
func HTML(out io.Writer, r *v1alpha1.FleetReport, charts []Chart) error {
	s := sheet{document: documentOf(r), Figures: figuresOf(&r.Status), Drawn: len(charts) > 0}
	byScaler := map[name][]Chart{}
	for i, c := range charts {
		c.ID = fmt.Sprintf("chart-%d", i)
		key := name{c.Namespace, c.Scaler}
		byScaler[key] = append(byScaler[key], c)
	}
	for i := range s.Tables {
		for j, head := range s.Tables[i].Head {
			s.Tables[i].Head[j] = sentence(head)
		}
	}
	drawn := map[name]bool{}
	s.Lists = []tenantList{
		listOf("The riskiest tenants", &r.Status.Riskiest, byScaler, drawn),
		listOf("The tenants that would save most", &r.Status.Saving, byScaler, drawn),
	}
	return page.Execute(out, s)
}

func figuresOf(s *v1alpha1.FleetReportStatus) []figure {
	t := &s.Total
	saved, added := plan.SizeOf(t.Would.Saved), plan.SizeOf(t.Would.Added)
	growth := int32(0)
	for i := range s.Holds {
		growth += s.Holds[i].Growth
	}
	return []figure{
		{thousands(int64(t.Tenants)), "tenants", thousands(int64(t.Components)) + " components"},
		{cores(saved.Requests.CPU), "cores", "would be saved" + besides(cores(added.Requests.CPU))},
		{gib(saved.Requests.Memory), "GiB", "would be saved" + besides(gib(added.Requests.Memory))},
		{count(growth), "held", "steps of growth"},
		{thousands(int64(t.Done.Changes)), "done", changeWords(&t.Done)},
		{thousands(int64(t.Regrets)), "regrets", number(t.OOMKills, "OOM kill")},
	}
}

func besides(added string) string {
	if added == "-" {
		return ""
	}
	return ", and " + added + " added"
}

// listOf a report. A tenant that was drawn before is not drawn again.
func listOf(title string, of *v1alpha1.ReportTenants, charts map[name][]Chart, drawn map[name]bool) tenantList {
	l := tenantList{Title: title, More: more(of.More)}
	for i := range of.Tenants {
		one := &of.Tenants[i]
		key := name{one.Namespace, one.Scaler}
		t := tenantSheet{Name: one.Namespace + "/" + one.Name, Badge: fmt.Sprint("risk ", one.Risk), Risk: grade(one.Risk), Lines: slices.Concat(one.Risks, one.Steps)}
		if worth(plan.SizeOf(one.Saved)) > 0 {
			t.Lines = append(t.Lines, "saves "+amountWords(one.Saved))
		}
		switch known := charts[key]; {
		case len(known) > 0 && drawn[key]:
			t.Seen = known[0].ID
		default:
			t.Charts, drawn[key] = known, true
		}
		l.Tenants = append(l.Tenants, t)
	}
	return l
}

func grade(risk int32) string {
	switch {
	case risk >= 40:
		return "high"
	case risk > 0:
		return "some"
	}
	return "none"
}

// kept are words that stay as they are when a heading becomes a sentence.
var kept = strings.NewReplacer("gib", "GiB", "oom", "OOM", "p50", "P50", "p99", "P99")

func sentence(head string) string {
	text := kept.Replace(strings.ToLower(head))
	return strings.ToUpper(text[:1]) + text[1:]
}
