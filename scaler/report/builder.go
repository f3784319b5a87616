package report

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler/model"
	"github.com/metapilot/metapilot/scaler/plan"
)

// Options say what to report on.
type Options struct {
	Namespace string // of the ClusterScalers; all if empty
	From, To  time.Time
	By        []string // what CheckBy takes
	Top       int      // lines of each list
}

// Builder takes the objects of a fleet: first TenantClusters, then ClusterScalers, then ScalingRecords.
type Builder struct {
	options   Options
	groupings []grouping
	labels    map[name]map[string]string // of TenantClusters
	tenants   map[name]*tenant           // by ClusterScaler
	total     *line
	lines     []map[string]*line // for each grouping
	holds     map[string]*hold
	reactions map[string]*reaction
	causes    map[string]*cause
	podless   int // changes of which it is not known how many pods they were about
	sizeless  int // components of which it is not known how many pods they have
	gone      int // decisions of ClusterScalers that are no more
	earlier   int // statuses of a scaler that told not yet what would be done
}

type name struct{ namespace, name string }

// tenant is what one ClusterScaler looks after.
type tenant struct {
	name
	scaler string
	labels map[string]string
	parts  map[string]*part
	risks  []risk
	would  change
	steps  []string
}

// part is one component.
type part struct {
	tenant    *tenant
	component string
	replicas  int32
	lines     []*line // that it counts in
}

// New makes an empty report.
func New(o Options) (*Builder, error) {
	b := &Builder{
		options: o, labels: map[name]map[string]string{}, tenants: map[name]*tenant{}, total: newLine(""),
		holds: map[string]*hold{}, reactions: map[string]*reaction{}, causes: map[string]*cause{},
	}
	if o.To.Before(o.From) {
		return nil, errors.New("a report goes from a time to a later one")
	}
	for _, by := range o.By {
		g, err := parseBy(by)
		if err != nil {
			return nil, err
		}
		b.groupings, b.lines = append(b.groupings, g), append(b.lines, map[string]*line{})
	}
	return b, nil
}

// Tenant notes the labels of a TenantCluster.
func (b *Builder) Tenant(tc *v1alpha1.TenantCluster) {
	if len(tc.Labels) > 0 {
		b.labels[name{tc.Namespace, tc.Name}] = tc.Labels
	}
}

// Scaler counts what stands now. The target is the name of the TenantCluster, empty for plain workloads, which have the ClusterScaler's own labels.
func (b *Builder) Scaler(cs *v1alpha1.ClusterScaler, target string) {
	t := &tenant{name: name{cs.Namespace, cmp.Or(target, cs.Name)}, scaler: cs.Name, parts: map[string]*part{}, labels: cs.Labels}
	if target != "" {
		t.labels = b.labels[t.name]
	}
	b.tenants[name{cs.Namespace, cs.Name}] = t
	t.risks = b.risksOf(cs)
	if len(cs.Status.Components) == 0 {
		b.part(t, "")
	}
	for i := range cs.Status.Components {
		b.component(t, &cs.Status.Components[i])
	}
}

// part of a tenant, which counts in the total and in one line of each grouping.
func (b *Builder) part(t *tenant, component string) *part {
	if known := t.parts[component]; known != nil {
		return known
	}
	p := &part{tenant: t, component: component, lines: []*line{b.total}}
	t.parts[component] = p
	for i, g := range b.groupings {
		key := g.of(p)
		if b.lines[i][key] == nil {
			b.lines[i][key] = newLine(key)
		}
		p.lines = append(p.lines, b.lines[i][key])
	}
	for _, l := range p.lines {
		l.count(p)
	}
	return p
}

func (b *Builder) component(t *tenant, c *v1alpha1.ScaledComponent) {
	p := b.part(t, c.Name)
	p.replicas = c.Replicas
	b.sizeless += boolean(c.Replicas == 0)
	size := plan.SizeOf(c.Size)
	kills := b.kills(c.Kills)
	for _, l := range p.lines {
		l.requested = plus(l.requested, size, int64(c.Replicas))
		l.kills += kills
	}
	b.stands(p, c)
	b.causesOf(c)
}

// stands counts what would be done or is held.
func (b *Builder) stands(p *part, c *v1alpha1.ScaledComponent) {
	w := c.Would
	switch {
	case w == nil && c.Held != nil: // of a scaler that told not yet what would be done
		b.earlier++
		w = &v1alpha1.Rehearsal{Decision: v1alpha1.DecisionHold, To: c.Held.Wants, Guard: c.Held.Guard}
	case w == nil:
		return
	}
	one := b.changeOf(w.Decision, plan.SizeOf(c.Size), plan.SizeOf(w.To), c.Replicas)
	for _, l := range p.lines {
		if w.Decision == v1alpha1.DecisionHold {
			l.held.add(one)
		} else {
			l.would.add(one)
		}
	}
	p.tenant.would.add(one)
	p.tenant.steps = append(p.tenant.steps, stepWords(c, w))
	if w.Decision == v1alpha1.DecisionHold {
		b.hold(w.Guard).stands(one, c.Held)
	}
}

func (b *Builder) kills(all []v1alpha1.OOMKill) (n int) {
	for _, k := range all {
		if b.within(k.Time.Time) {
			n++
		}
	}
	return n
}

func (b *Builder) within(at time.Time) bool {
	return !at.Before(b.options.From) && !at.After(b.options.To)
}

// Record counts a decision of the time.
func (b *Builder) Record(r *v1alpha1.ScalingRecord) {
	if !b.within(r.Spec.DecidedAt.Time) {
		return
	}
	t := b.tenants[name{r.Namespace, r.Spec.Scaler}]
	if t == nil {
		b.gone++
		return
	}
	p := b.part(t, r.Spec.Component)
	t.risks = append(t.risks, risksOfRecord(r)...)
	switch s := &r.Spec; {
	case r.Status.Phase == v1alpha1.PhaseFailed:
		p.each(func(l *line) { l.failed++ })
	case s.Decision == v1alpha1.DecisionHold:
		b.hold(guardOf(r)).written++
	case s.DryRun, r.Status.Phase == "", r.Status.Phase == v1alpha1.PhaseDecided: // not done, or not yet
	default:
		b.done(p, r)
	}
}

// done counts what was carried out.
func (b *Builder) done(p *part, r *v1alpha1.ScalingRecord) {
	one := b.changeOf(r.Spec.Decision, plan.SizeOf(r.Spec.From), plan.SizeOf(r.Spec.To), podsOf(r, p.replicas))
	p.each(func(l *line) {
		l.done.add(one)
		switch r.Status.Phase {
		case v1alpha1.PhaseRegretted:
			l.regrets++
		case v1alpha1.PhaseEscalated:
			l.escalated++
		case v1alpha1.PhaseDegraded:
			l.degraded++
		default: // nothing to be sorry for
		}
	})
	if r.Spec.Decision == v1alpha1.DecisionUp && r.Spec.Source != "" {
		b.reaction(r.Spec.Source).take(&r.Status)
	}
}

func (p *part) each(do func(*line)) {
	for _, l := range p.lines {
		do(l)
	}
}

// podsOf a change: those that the record tells of, or else as many as there should be now.
func podsOf(r *v1alpha1.ScalingRecord, replicas int32) int32 {
	if s := r.Spec.Saving; s != nil && r.Spec.Pods == 0 {
		return s.Pods
	}
	return cmp.Or(r.Spec.Pods, replicas)
}

// guardOf a record is the guard that held it.
func guardOf(r *v1alpha1.ScalingRecord) string {
	for i := range r.Spec.Guards {
		if g := &r.Spec.Guards[i]; g.Held {
			return g.Guard
		}
	}
	return "unknown"
}

// changeOf is one change over all pods. That nothing is known of a limit, or that there is none, is no change of it.
func (b *Builder) changeOf(d v1alpha1.Decision, from, to model.Size, pods int32) change {
	c := change{up: boolean(grows(from, to)), down: boolean(shrinks(from, to) && !grows(from, to))}
	if d == v1alpha1.DecisionRestart {
		return change{restarts: 1}
	}
	if pods == 0 {
		b.podless++
	}
	c.differ(from, to, int64(pods))
	return c
}

// Report is what all that was taken comes to. Same objects, same report, in whatever order they came.
func (b *Builder) Report() *v1alpha1.FleetReport {
	o := &b.options
	r := &v1alpha1.FleetReport{
		TypeMeta: metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "FleetReport"},
		Spec:     v1alpha1.FleetReportSpec{Namespace: o.Namespace, From: metav1.NewTime(o.From), To: metav1.NewTime(o.To), By: o.By, Top: int32(o.Top)},
		Status: v1alpha1.FleetReportStatus{
			Total: b.total.api(), Holds: b.holdsFound(), Reactions: b.reactionsFound(), Causes: b.causesFound(), Riskiest: b.riskiest(), Saving: b.saving(), Unknown: b.unknown(),
		},
	}
	for i, by := range o.By {
		lines := slices.SortedFunc(maps.Values(b.lines[i]), largest)
		s := v1alpha1.ReportSummary{By: by, More: int32(max(0, len(lines)-o.Top)), Lines: []v1alpha1.ReportLine{}}
		for _, l := range lines[:min(len(lines), o.Top)] {
			s.Lines = append(s.Lines, l.api())
		}
		r.Status.Summaries = append(r.Status.Summaries, s)
	}
	return r
}

func (b *Builder) unknown() (all []string) {
	for _, one := range []struct {
		n    int
		says string
	}{
		{b.podless, "changes that are in no sum, because it is not known how many pods they are about: %s"},
		{b.sizeless, "components that are not in what the fleet requests, because it is not known how many pods they should have: %s"},
		{b.gone, "decisions that are in no sum, because their ClusterScalers are no more: %s"},
		{b.earlier, "components of which an earlier cluster-scaler has told what is held, and not what would be done: %s"},
	} {
		if one.n > 0 {
			all = append(all, fmt.Sprintf(one.says, thousands(int64(one.n))))
		}
	}
	return all
}

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}
