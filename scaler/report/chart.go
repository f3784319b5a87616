package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler/model"
)

// Chart is the history of one component, drawn: memory, CPU and decisions on one time axis. All positions are in the units of its view box.
type Chart struct {
	ID                               string // of its title in the page
	Namespace, Tenant, Scaler, Title string
	Says                             string // for those who do not see it
	Width, Height                    float64
	Left, Right, Top, Bottom         float64
	Panels                           []panel
	Times                            []tick
	Marks                            []mark
}

// panel has the lines of one resource.
type panel struct {
	Name        string
	Top, Bottom float64
	Grid        []tick
	Lines       []curve
	Labels      []label
}

// curve is a line, an area below it, or dots where nothing is known between them.
type curve struct {
	Class string // usage, request or limit; and assumed
	Path  string
	Area  string
	Dots  []dot
}

type dot struct{ X, Y float64 }

// label at the end of a line.
type label struct {
	Class, Text string
	Y           float64
}

// mark is one decision.
type mark struct {
	Class string // up, down, revert, restart; and hollow for what was not done
	X     float64
	Shape string
	Title string
}

// Sizes of a chart.
const (
	width       = 960.0
	left        = 72.0
	right       = 838.0
	panelHeight = 110.0
	between     = 34.0
	top         = 30.0
	lane        = 26.0 // of decisions, below the panels
)

// mostPoints of a line, mostMarks of a chart: what is denser cannot be seen.
const (
	mostPoints = 320
	mostMarks  = 150
)

// ChartOf draws a history over a time.
func ChartOf(h *History, from, to time.Time) Chart {
	c := Chart{
		Namespace: h.Namespace, Tenant: h.Tenant, Scaler: h.Scaler, Title: h.Component, Width: width, Left: left, Right: right, Top: top,
		Height: top + 2*panelHeight + between + lane + 24,
	}
	place := func(t time.Time) float64 {
		return tenths(left + (right-left)*float64(t.Sub(from))/float64(max(to.Sub(from), 1)))
	}
	y := top
	for _, r := range [...]model.Resource{model.Memory, model.CPU} {
		c.Panels = append(c.Panels, panelOf(h, r, y, from, to, place))
		y += panelHeight + between
	}
	c.Bottom = y - between + lane
	c.Times = timeTicks(from, to, place)
	c.Marks = marksOf(h, from, to, place)
	c.Says = c.words(h)
	return c
}

// tenths are as fine as anybody sees.
func tenths(f float64) float64 { return math.Round(f*10) / 10 }

// drawn is a line before it is placed.
type drawn struct {
	class  string
	name   string
	points []Point
	steps  bool // the amount stays until the next point
	dots   bool // nothing is known between the points
}

func panelOf(h *History, r model.Resource, y float64, from, to time.Time, place func(time.Time) float64) panel {
	all := []drawn{h.usage(r), h.sized("request", r, h.Request, from, to), h.sized("limit", r, h.Limit, from, to)}
	highest := int64(1)
	for i := range all {
		all[i].points = within(all[i].points, from, to)
		for _, p := range all[i].points {
			highest = max(highest, p.Value)
		}
	}
	amounts := amountTicks(r, highest)
	scale := amounts[len(amounts)-1]
	p := panel{Name: map[model.Resource]string{model.CPU: "CPU", model.Memory: "memory"}[r], Top: y, Bottom: y + panelHeight}
	rise := func(v int64) float64 { return tenths(p.Bottom - panelHeight*float64(v)/float64(scale)) }
	for _, a := range amounts {
		p.Grid = append(p.Grid, tick{rise(a), amount(r, a)})
	}
	for _, d := range all {
		if len(d.points) == 0 {
			continue
		}
		p.Lines = append(p.Lines, d.curve(place, rise, p.Bottom))
		last := d.points[len(d.points)-1].Value
		p.Labels = append(p.Labels, label{Class: d.class, Text: d.name + " " + amount(r, last), Y: rise(last)})
	}
	spread(p.Labels, p.Top, p.Bottom)
	return p
}

// usage is measured, or what records know.
func (h *History) usage(r model.Resource) drawn {
	if measured := h.Usage[r]; len(measured) > 0 {
		return drawn{class: "usage", name: "used", points: measured}
	}
	return drawn{class: "usage", name: "used", points: h.uses(r), dots: true}
}

// sized is a request or a limit. No limit is drawn where there is none.
func (h *History) sized(class string, r model.Resource, measured map[model.Resource][]Point, from, to time.Time) drawn {
	if known := measured[r]; len(known) > 0 {
		return drawn{class: class, name: class, points: known, steps: true}
	}
	of := func(s model.Size) int64 { return s.Requests.Of(r) }
	if class == "limit" {
		of = func(s model.Size) int64 { return s.Limits.Of(r) }
	}
	points, known := h.course(of, from, to)
	if !known {
		class += " assumed"
	}
	if slices.ContainsFunc(points, func(p Point) bool { return p.Value == 0 }) {
		points = nil
	}
	return drawn{class: class, name: strings.Fields(class)[0], points: points, steps: true}
}

func within(all []Point, from, to time.Time) (some []Point) {
	for _, p := range all {
		if !p.At.Before(from) && !p.At.After(to) {
			some = append(some, p)
		}
	}
	return some
}

// thinned keeps the highest of each stretch: it is peaks that sizes are for.
func thinned(all []Point) []Point {
	if len(all) <= mostPoints {
		return all
	}
	var some []Point
	for i := range mostPoints {
		stretch := all[i*len(all)/mostPoints : (i+1)*len(all)/mostPoints]
		some = append(some, slices.MaxFunc(stretch, func(a, b Point) int { return cmp.Compare(a.Value, b.Value) }))
	}
	return some
}

func (d *drawn) curve(place func(time.Time) float64, rise func(int64) float64, bottom float64) curve {
	c := curve{Class: d.class}
	if d.dots {
		for _, p := range thinned(d.points) {
			c.Dots = append(c.Dots, dot{place(p.At), rise(p.Value)})
		}
		return c
	}
	points := d.points
	if !d.steps {
		points = thinned(points)
	}
	gap := 3 * stretch(points)
	var b, area strings.Builder
	for i, p := range points {
		x, y := place(p.At), rise(p.Value)
		switch {
		case i == 0:
			fmt.Fprintf(&b, "M%.1f %.1f", x, y)
			fmt.Fprintf(&area, "M%.1f %.1fV%.1f", x, bottom, y)
		case d.steps:
			fmt.Fprintf(&b, "H%.1fV%.1f", x, y)
		case p.At.Sub(points[i-1].At) > gap: // nothing is known in between
			fmt.Fprintf(&b, "M%.1f %.1f", x, y)
			fmt.Fprintf(&area, "V%.1fM%.1f %.1fV%.1f", bottom, x, bottom, y)
		default:
			fmt.Fprintf(&b, "L%.1f %.1f", x, y)
			fmt.Fprintf(&area, "L%.1f %.1f", x, y)
		}
	}
	if c.Path = b.String(); !d.steps {
		c.Area = area.String() + fmt.Sprintf("V%.1fZ", bottom)
	}
	return c
}

// stretch is the usual time between two points.
func stretch(points []Point) time.Duration {
	var all []time.Duration
	for i := 1; i < len(points); i++ {
		all = append(all, points[i].At.Sub(points[i-1].At))
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// apart is how far the baselines of two labels are at least.
const apart = 13.0

// spread moves labels away from each other, in their order, within the panel.
func spread(labels []label, top, bottom float64) {
	slices.SortStableFunc(labels, func(a, b label) int { return cmp.Compare(a.Y, b.Y) })
	for i := range labels {
		labels[i].Y = max(labels[i].Y, top+4)
		if i > 0 {
			labels[i].Y = max(labels[i].Y, labels[i-1].Y+apart)
		}
	}
	for i, low := len(labels)-1, bottom; i >= 0; i, low = i-1, labels[i].Y-apart {
		labels[i].Y = min(labels[i].Y, low)
	}
}

// shapes of decisions around the origin.
var shapes = map[v1alpha1.Decision]string{
	v1alpha1.DecisionUp:      "M0-6L6 5H-6Z",
	v1alpha1.DecisionDown:    "M0 6L6-5H-6Z",
	v1alpha1.DecisionRevert:  "M0-6L6 0L0 6L-6 0Z",
	v1alpha1.DecisionRestart: "M-5-5H5V5H-5Z",
	v1alpha1.DecisionHold:    "M-5-2H5V2H-5Z",
}

// marksOf are the newest decisions of the time.
func marksOf(h *History, from, to time.Time, place func(time.Time) float64) (all []mark) {
	for _, r := range h.inOrder() {
		at := r.Spec.DecidedAt.Time
		if at.Before(from) || at.After(to) || shapes[r.Spec.Decision] == "" {
			continue
		}
		class := strings.ToLower(string(r.Spec.Decision))
		if r.Spec.DryRun || r.Spec.Decision == v1alpha1.DecisionHold || r.Status.Phase == v1alpha1.PhaseFailed {
			class += " hollow"
		}
		all = append(all, mark{
			Class: class, X: place(at), Shape: shapes[r.Spec.Decision],
			Title: fmt.Sprintf("%s UTC: %s, %s: %s", at.UTC().Format(time.DateTime), r.Spec.Decision, cmp.Or(r.Status.Phase, "not known"), short(r.Spec.Reason)),
		})
	}
	return all[max(0, len(all)-mostMarks):]
}

// words are the chart for those who do not see it.
func (c *Chart) words(h *History) string {
	var parts []string
	for i := range c.Panels {
		var ends []string
		for _, l := range c.Panels[i].Labels {
			ends = append(ends, l.Text)
		}
		parts = append(parts, c.Panels[i].Name+" at the end: "+strings.Join(ends, ", "))
	}
	measured := "usage is what records tell of alone"
	if len(h.Usage) > 0 {
		measured = "usage is measured, the highest of all pods"
	}
	return fmt.Sprintf("%s; %s; %s", strings.Join(parts, "; "), number(int32(len(c.Marks)), "decision"), measured)
}

// Lane is where the middle of the marks is.
func (c Chart) Lane() float64 { return c.Bottom - lane/2 }
