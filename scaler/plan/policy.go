package plan

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler/model"
)

// Defaults is the policy of a component that nobody has said anything about (docs/spec/clusterscaler.md says where each number is from).
func Defaults() model.Policy {
	return model.Policy{
		Up: model.Auto, Down: model.DryRun, OOM: true, Probe: true, Estimate: true,
		CPU:        model.Utilization{Enabled: true, Above: 80, For: time.Minute},
		Memory:     model.Utilization{Enabled: true, Above: 85, For: time.Minute, Projection: 15 * time.Minute},
		Throttling: model.Utilization{Enabled: true, Above: 10, For: time.Minute},
		BySize:     true, Profile: true, Below: 40, DownWindow: 12 * time.Hour, History: 24 * time.Hour, DownStep: 25, Watch: time.Hour,
		Factors: []int64{150, 300, 400}, RepeatWithin: 30 * time.Minute,
		CPUTarget: 60, MemoryTarget: 70, MaxStep: 200, Tolerance: 10,
		UpCooldown: time.Minute, DownCooldown: 6 * time.Hour,
		EarlyCheck: 15 * time.Minute, LateCheck: 24 * time.Hour, QuietBeforeDebts: 15 * time.Minute,
		Causes: true, FleetMoves: 5, FleetWithin: 10 * time.Minute,
	}
}

// PolicyOf merges what a ClusterScaler says about a component over its defaults over Metapilot's.
func PolicyOf(spec *v1alpha1.ClusterScalerSpec, component string) model.Policy {
	p := Defaults()
	mode(&p, spec.Mode.Up, spec.Mode.Down)
	layer(&p, &spec.Defaults)
	for i := range spec.Components {
		if c := &spec.Components[i]; c.Name == component {
			if c.Mode != nil {
				mode(&p, c.Mode.Up, c.Mode.Down)
			}
			layer(&p, &c.ComponentPolicy)
		}
	}
	if pause := spec.Pause; pause != nil {
		p.Paused = pause.Reason
		if pause.Until != nil {
			p.PausedUntil = pause.Until.Time
		}
	}
	return p
}

func mode(p *model.Policy, up, down v1alpha1.ModeType) {
	if up != "" {
		p.Up = model.Mode(up)
	}
	if down != "" {
		p.Down = model.Mode(down)
	}
}

func layer(p *model.Policy, l *v1alpha1.ComponentPolicy) {
	layerSources(p, &l.Sources)
	layerEstimators(p, &l.Estimators)
	flag(&p.Causes, l.Causes.Enabled)
	percent(&p.Tolerance, l.TolerancePercent)
	percent(&p.Below, l.ScaleDown.BelowPercent)
	percent(&p.DownStep, l.ScaleDown.MaxStepPercent)
	for into, from := range map[*time.Duration]*metav1.Duration{
		&p.UpCooldown: l.Cooldown.Up, &p.DownCooldown: l.Cooldown.Down, &p.EarlyCheck: l.Outcome.Early, &p.LateCheck: l.Outcome.Late,
		&p.QuietBeforeDebts: l.Restarts.QuietFor, &p.DownWindow: l.ScaleDown.Window, &p.History: l.ScaleDown.History, &p.Watch: l.ScaleDown.Watch,
	} {
		span(into, from)
	}
	amounts(&p.Min, v1alpha1.Quantities(l.Bounds.Min))
	amounts(&p.Max, v1alpha1.Quantities(l.Bounds.Max))
}

func layerSources(p *model.Policy, s *v1alpha1.SourcesPolicy) {
	flag(&p.OOM, s.OOM.Enabled)
	flag(&p.Probe, s.Probe.Enabled)
	flag(&p.CPU.Enabled, s.CPU.Enabled)
	percent(&p.CPU.Above, s.CPU.AbovePercent)
	span(&p.CPU.For, s.CPU.For)
	flag(&p.Memory.Enabled, s.Memory.Enabled)
	percent(&p.Memory.Above, s.Memory.AbovePercent)
	span(&p.Memory.For, s.Memory.For)
	span(&p.Memory.Projection, s.Memory.Projection)
	flag(&p.Throttling.Enabled, s.Throttling.Enabled)
	percent(&p.Throttling.Above, s.Throttling.AbovePercent)
	span(&p.Throttling.For, s.Throttling.For)
}

func layerEstimators(p *model.Policy, e *v1alpha1.EstimatorsPolicy) {
	if len(e.OOM.FactorsPercent) > 0 {
		p.Factors = nil
		for _, f := range e.OOM.FactorsPercent {
			p.Factors = append(p.Factors, int64(f))
		}
	}
	span(&p.RepeatWithin, e.OOM.RepeatWithin)
	flag(&p.Profile, e.Profile.Enabled)
	flag(&p.BySize, e.Size.Enabled)
	flag(&p.Estimate, e.Utilization.Enabled)
	percent(&p.CPUTarget, e.Utilization.CPUTargetPercent)
	percent(&p.MemoryTarget, e.Utilization.MemoryTargetPercent)
	percent(&p.MaxStep, e.Utilization.MaxStepPercent)
}

func flag(into, from *bool) {
	if from != nil {
		*into = *from
	}
}

func percent(into *int64, from *v1alpha1.Percent) {
	if from != nil {
		*into = int64(*from)
	}
}

func span(into *time.Duration, from *metav1.Duration) {
	if from != nil {
		*into = from.Duration
	}
}

func amounts(into *model.Amounts, from v1alpha1.Quantities) {
	if from.CPU != nil {
		into.CPU = from.CPU.MilliValue()
	}
	if from.Memory != nil {
		into.Memory = from.Memory.Value()
	}
}
