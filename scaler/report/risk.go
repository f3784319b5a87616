package report

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler/plan"
)

// risk is one reason to look at a tenant.
type risk struct {
	points int
	says   string
}

// risksOfComponent are what a component's status tells. The points order tenants and mean nothing else: what takes help away weighs most, then what hurt
// already, then what would not be seen. To add one, write a function, and a line here.
var risksOfComponent = []func(*Builder, *v1alpha1.ScaledComponent) risk{growthHeld, doesNotFit, killed, usageUnknown, restartDue}

func growthHeld(b *Builder, c *v1alpha1.ScaledComponent) risk {
	if h := c.Held; h != nil && grows(plan.SizeOf(c.Size), plan.SizeOf(h.Wants)) {
		return risk{40, fmt.Sprintf("growth is held by %s for %s: %s", h.Guard, age(b.options.To.Sub(h.Since.Time)), h.Reason)}
	}
	return risk{}
}

func doesNotFit(_ *Builder, c *v1alpha1.ScaledComponent) risk {
	if c.Waits == "" {
		return risk{}
	}
	return risk{30, c.Waits}
}

func killed(b *Builder, c *v1alpha1.ScaledComponent) risk {
	n := b.kills(c.Kills)
	if n == 0 {
		return risk{}
	}
	return risk{min(20*n, 50), number(int32(n), "OOM kill")}
}

func usageUnknown(_ *Builder, c *v1alpha1.ScaledComponent) risk {
	if c.UsageUnknown == "" {
		return risk{}
	}
	return risk{15, "usage is unknown: " + c.UsageUnknown}
}

func restartDue(_ *Builder, c *v1alpha1.ScaledComponent) risk {
	if c.RestartDebt == "" {
		return risk{}
	}
	return risk{5, "a restart is due"}
}

// risksOf what a ClusterScaler tells of itself and of its components.
func (b *Builder) risksOf(cs *v1alpha1.ClusterScaler) (all []risk) {
	stalled := apimeta.FindStatusCondition(cs.Status.Conditions, v1alpha1.StalledCondition)
	switch {
	case stalled != nil && stalled.Status == metav1.ConditionTrue:
		all = append(all, risk{40, stalled.Reason + ": " + stalled.Message})
	case apimeta.FindStatusCondition(cs.Status.Conditions, v1alpha1.ReadyCondition) == nil:
		all = append(all, risk{30, "no cluster-scaler has looked at it yet"})
	case cs.Spec.Mode.Up == v1alpha1.ModeOff || cs.Spec.Mode.Up == v1alpha1.ModeDryRun:
		all = append(all, risk{10, "mode.up is " + string(cs.Spec.Mode.Up) + ": nothing grows by itself"})
	}
	for i := range cs.Status.Components {
		c := &cs.Status.Components[i]
		for _, of := range risksOfComponent {
			if r := of(b, c); r.points > 0 {
				all = append(all, risk{r.points, c.Name + ": " + r.says})
			}
		}
	}
	return all
}

// bad is how much it weighs what came of a decision.
var bad = map[v1alpha1.RecordPhase]int{v1alpha1.PhaseFailed: 25, v1alpha1.PhaseEscalated: 20, v1alpha1.PhaseRegretted: 20, v1alpha1.PhaseDegraded: 15}

func risksOfRecord(r *v1alpha1.ScalingRecord) []risk {
	points := bad[r.Status.Phase]
	if points == 0 {
		return nil
	}
	return []risk{{points, fmt.Sprintf("%s: %s %s: %s", r.Spec.Component, r.Spec.Decision, r.Status.Phase, r.Status.Message)}}
}

// mostRisk is where the sum of points ends.
const mostRisk = 100

// told are the reasons that are shown of a tenant.
const told = 3

func (t *tenant) risk() int32 {
	sum := 0
	for _, r := range t.risks {
		sum += r.points
	}
	return int32(min(sum, mostRisk))
}

// why are the worst risks, each once.
func (t *tenant) why() (all []string) {
	worst := slices.SortedFunc(slices.Values(t.risks), func(a, b risk) int { return cmp.Or(cmp.Compare(b.points, a.points), cmp.Compare(a.says, b.says)) })
	for _, r := range worst {
		if says := short(r.says); len(all) < told && !slices.Contains(all, says) {
			all = append(all, says)
		}
	}
	return all
}

func (b *Builder) riskiest() v1alpha1.ReportTenants {
	return b.first(func(t *tenant) float64 { return float64(t.risk()) })
}

func (b *Builder) saving() v1alpha1.ReportTenants {
	return b.first(func(t *tenant) float64 { return worth(t.would.saved) })
}

// first are the tenants with the most of something; those that have none of it are left out.
func (b *Builder) first(most func(*tenant) float64) (found v1alpha1.ReportTenants) {
	var all []*tenant
	for _, t := range b.tenants {
		if most(t) > 0 {
			all = append(all, t)
		}
	}
	slices.SortFunc(all, func(x, y *tenant) int {
		return cmp.Or(cmp.Compare(most(y), most(x)), cmp.Compare(x.namespace, y.namespace), cmp.Compare(x.scaler, y.scaler))
	})
	found.More = int32(max(0, len(all)-b.options.Top))
	for _, t := range all[:min(len(all), b.options.Top)] {
		found.Tenants = append(found.Tenants, t.api())
	}
	return found
}

func (t *tenant) api() v1alpha1.ReportTenant {
	one := v1alpha1.ReportTenant{
		Namespace: t.namespace, Name: t.name.name, Scaler: t.scaler, Risk: t.risk(), Risks: t.why(),
		Added: plan.InAPI(t.would.added), Saved: plan.InAPI(t.would.saved),
	}
	for _, s := range slices.Sorted(slices.Values(t.steps))[:min(len(t.steps), 6)] {
		one.Steps = append(one.Steps, short(s))
	}
	return one
}

// age of something, as people say it.
func age(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	case d >= 2*time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return fmt.Sprintf("%dm", max(d, 0)/time.Minute)
}
