package report_test

import (
	"flag"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler/model"
	"github.com/metapilot/metapilot/scaler/plan"
	"github.com/metapilot/metapilot/scaler/report"
)

var pageFile = flag.String("page", "", "where the page of a made-up fleet is written, to be looked at")

func sized(cpu, memory, limit int64) v1alpha1.Size {
	return plan.InAPI(model.Size{Requests: model.Amounts{CPU: cpu, Memory: memory << 20}, Limits: model.Amounts{Memory: limit << 20}})
}

func ago(d time.Duration) metav1.MicroTime { return metav1.NewMicroTime(now.Add(-d)) }

// decided is a record of an etcd that used so many MiB then.
func decided(of string, when time.Duration, d v1alpha1.Decision, phase v1alpha1.RecordPhase, from, to v1alpha1.Size, used int64, reason string) *v1alpha1.ScalingRecord {
	component := "etcd"
	at, took, effect := metav1.NewTime(now.Add(-when)), int64(600), int64(1400)
	in := ago(when - 2*time.Second)
	return &v1alpha1.ScalingRecord{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: fmt.Sprint(of, component, when)},
		Spec: v1alpha1.ScalingRecordSpec{
			Scaler: of, Component: component, Decision: d, DryRun: phase == v1alpha1.PhaseDryRun, Source: "oom", Pods: 3, From: from, To: to, Reason: reason, DecidedAt: ago(when), SeenAt: ago(when),
			Evidence: []v1alpha1.Evidence{{Source: "utilization", Pod: component + "-0", At: &at, Says: "uses", Uses: sized(used/2, used, 0).Requests}},
		},
		Status: v1alpha1.ScalingRecordStatus{Phase: phase, Message: "as told", SignalToDecisionMilliseconds: &took, SignalToEffectMilliseconds: &effect, EffectiveAt: &in},
	}
}

// rescued is a component that grew twice, shrank and got that back.
func rescued(of string) []*v1alpha1.ScalingRecord {
	small, middle, large := sized(100, 384, 512), sized(100, 384, 768), sized(250, 640, 2304)
	return []*v1alpha1.ScalingRecord{
		decided(of, 21*time.Hour, v1alpha1.DecisionUp, v1alpha1.PhaseEscalated, small, middle, 505, "memory 512Mi -> 768Mi: etcd-0 was OOM-killed at 512Mi"),
		decided(of, 20*time.Hour+50*time.Minute, v1alpha1.DecisionUp, v1alpha1.PhaseVerified, middle, large, 760, "memory 768Mi -> 2304Mi: etcd-0 was OOM-killed at 768Mi"),
		decided(of, 9*time.Hour, v1alpha1.DecisionHold, v1alpha1.PhaseHeld, large, sized(250, 640, 1800), 900, "no window is open"),
		decided(of, 7*time.Hour, v1alpha1.DecisionDown, v1alpha1.PhaseRegretted, large, sized(250, 640, 1728), 950, "memory 2304Mi -> 1728Mi: needs less than 40 % of it"),
		decided(of, 6*time.Hour+20*time.Minute, v1alpha1.DecisionRevert, v1alpha1.PhaseVerified, sized(250, 640, 1728), large, 1600, "memory 1728Mi -> 2304Mi: it was taken back"),
		decided(of, time.Hour, v1alpha1.DecisionDown, v1alpha1.PhaseDryRun, large, sized(250, 640, 1728), 800, "memory 2304Mi -> 1728Mi: <b>left out</b>"),
	}
}

// waves of a day, with a gap in them.
func waves(of, most float64) (all []report.Point) {
	for i := range 289 {
		if i > 120 && i < 135 {
			continue
		}
		day := (1 + math.Sin(float64(i)/288*2*math.Pi-1.2)) / 2
		all = append(all, report.Point{At: now.Add(-24*time.Hour + time.Duration(i)*5*time.Minute), Value: int64(of + (most-of)*day + most/12*math.Sin(float64(i*i)))})
	}
	return all
}

// scaled is what the status of tenant i tells of a component.
func scaled(i int, component string) v1alpha1.ScaledComponent {
	one := v1alpha1.ScaledComponent{Name: component, Size: sized(250, 640, 2304), Replicas: 3}
	if i%3 == 0 {
		one.Would = &v1alpha1.Rehearsal{Decision: v1alpha1.DecisionDown, To: sized(180+int64(i), 480, 1728)}
	}
	if i%7 == 3 && component == "etcd" {
		one.Held = &v1alpha1.HeldChange{Guard: "node-capacity", Reason: "no node has room for </style><script>alert(4)</script>", Wants: sized(250, 640, 4608), Since: metav1.NewTime(now.Add(-5 * time.Hour))}
		one.Would = &v1alpha1.Rehearsal{Decision: v1alpha1.DecisionHold, To: one.Held.Wants, Guard: "node-capacity"}
	}
	return one
}

// fleet is a made-up one with a tenant that means no good.
func fleet(t *testing.T) (*v1alpha1.FleetReport, []report.Chart) {
	t.Helper()
	b, err := report.New(report.Options{From: now.Add(-24 * time.Hour), To: now, By: []string{"owner", "component", "label=tier"}, Top: 5})
	if err != nil {
		t.Fatal(err)
	}
	var charts []report.Chart
	for i := range 40 {
		tenant := fmt.Sprintf("tenant-%02d", i)
		if i == 3 {
			tenant = `<script>alert("3")</script>`
		}
		cs := &v1alpha1.ClusterScaler{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: tenant}}
		cs.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ReadyCondition, Status: metav1.ConditionTrue}}
		for _, c := range []string{"etcd", "kube-apiserver"} {
			cs.Status.Components = append(cs.Status.Components, scaled(i, c))
		}
		b.Scaler(cs, tenant)
		records := rescued(tenant)
		for _, r := range records {
			if i < 10 {
				b.Record(r)
			}
		}
		measured, from := map[model.Resource][]report.Point{model.CPU: waves(60, 210), model.Memory: waves(500<<20, 1500<<20)}, now.Add(-24*time.Hour)
		if i == 10 {
			measured = nil
		}
		for _, c := range []string{"etcd", "kube-apiserver"} {
			h := report.History{Namespace: "shop", Tenant: tenant, Scaler: tenant, Component: c, Size: plan.SizeOf(sized(250, 640, 2304)), Usage: measured}
			if c == "etcd" {
				h.Records = records
			}
			charts = append(charts, report.ChartOf(&h, from, now))
		}
	}
	return b.Report(), charts
}

func TestPage(t *testing.T) {
	var out strings.Builder
	r, charts := fleet(t)
	if err := report.HTML(&out, r, charts); err != nil {
		t.Fatal(err)
	}
	if *pageFile != "" {
		if err := os.WriteFile(*pageFile, []byte(out.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	root, err := html.Parse(strings.NewReader(out.String()))
	if err != nil {
		t.Fatal(err)
	}
	p := looked{ids: map[string]int{}}
	p.at(t, root)
	for _, id := range p.wants {
		if p.ids[id] != 1 {
			t.Errorf("%d elements have the id %q that another one names", p.ids[id], id)
		}
	}
	if p.charts != 18 { // two of each of the riskiest 5 and the most saving 5, of whom one is both
		t.Errorf("%d charts", p.charts)
	}
}

// looked is what a page has.
type looked struct {
	ids    map[string]int
	wants  []string
	charts int
}

// at fails for all that would need a network, or run.
func (p *looked) at(t *testing.T, n *html.Node) {
	if n.Type == html.ElementNode {
		if slices.Contains([]string{"script", "link", "img", "iframe", "object", "embed", "base", "image", "use", "b"}, n.Data) {
			t.Errorf("the page has an element %s", n.Data)
		}
		if n.Data == "svg" {
			p.charts++
		}
		for _, a := range n.Attr {
			p.attribute(t, n, a)
		}
	}
	if n.Type == html.TextNode && n.Parent.Data == "style" && (strings.Contains(n.Data, "url(") || strings.Contains(n.Data, "@import") || strings.Contains(n.Data, "alert")) {
		t.Error("the style has a reference or what an object said")
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		p.at(t, c)
	}
}

func (p *looked) attribute(t *testing.T, n *html.Node, a html.Attribute) {
	switch {
	case a.Key == "id":
		p.ids[a.Val]++
	case a.Key == "aria-labelledby":
		p.wants = append(p.wants, strings.Fields(a.Val)...)
	case a.Key == "href" && strings.HasPrefix(a.Val, "#"):
		p.wants = append(p.wants, a.Val[1:])
	case a.Key == "href", a.Key == "src", a.Key == "style", strings.HasPrefix(a.Key, "on"), a.Key == "srcset":
		t.Errorf("%s has %s=%q", n.Data, a.Key, a.Val)
	case strings.Contains(a.Val, "ZgotmplZ"), strings.Contains(a.Val, "NaN"), strings.Contains(a.Val, "Inf"):
		t.Errorf("%s has %s=%q", n.Data, a.Key, a.Val)
	}
}
