package record

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler/model"
	"github.com/metapilot/metapilot/scaler/plan"
)

// ScalerLabel on a record names the ClusterScaler that decided.
const ScalerLabel = "metapilot.io/scaler"

// New writes a decision down. Its name follows from what was decided and why, so that the same decision, made again after a restart, is the same
// record.
func New(cs *v1alpha1.ClusterScaler, o *model.Observed, p *model.Plan) *v1alpha1.ScalingRecord {
	r := &v1alpha1.ScalingRecord{
		TypeMeta: metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "ScalingRecord"},
		ObjectMeta: metav1.ObjectMeta{
			Name: name(cs.Name, o, p), Namespace: cs.Namespace,
			Labels: map[string]string{ScalerLabel: cs.Name, v1alpha1.ComponentLabel: label(o.Component)},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: v1alpha1.GroupVersion.String(), Kind: "ClusterScaler", Name: cs.Name, UID: cs.UID,
			}},
		},
		Spec: v1alpha1.ScalingRecordSpec{
			Scaler: cs.Name, TargetUID: types.UID(o.Target), Component: o.Component, Decision: v1alpha1.Decision(p.Decision), DryRun: p.DryRun, Reason: plan.Explain(p), Source: p.Source,
			Disruptive: Disruptive(o, p),
			SeenAt:     metav1.NewMicroTime(o.Now), DecidedAt: metav1.NewMicroTime(o.Now),
			From: plan.InAPI(p.From), To: plan.InAPI(outcomeSize(p)),
			Pods:   int32(o.Live()),
			Saving: saving(o, p),
			Kills:  Kills(o), Evidence: evidence(o, p), Causes: Causes(p.Causes), Proposals: proposals(p), Guards: verdicts(p),
		},
	}
	if !p.Signal.IsZero() {
		micro := metav1.NewMicroTime(p.Signal)
		r.Spec.SignalAt = &micro
	}
	return r
}

// outcomeSize is the size that was decided; for a hold the one that was wanted.
func outcomeSize(p *model.Plan) model.Size {
	if p.Decision == model.Hold {
		return p.Wants
	}
	return p.To
}

// saving of a step down.
func saving(o *model.Observed, p *model.Plan) *v1alpha1.Saving {
	if p.Decision != model.Down {
		return nil
	}
	return Saving(o, p.From, p.To)
}

// Saving of a smaller size in the API's words.
func Saving(o *model.Observed, from, to model.Size) *v1alpha1.Saving {
	s := plan.SavingOf(o, from, to)
	size := plan.InAPI(model.Size{Requests: s.Requests, Limits: s.Limits})
	return &v1alpha1.Saving{Pods: int32(s.Pods), Requests: size.Requests, Limits: size.Limits}
}

// Disruptive tells whether pods are replaced by choice.
func Disruptive(o *model.Observed, p *model.Plan) bool {
	return !p.DryRun && (p.Decision == model.Restart || o.Replaced && p.Decision != model.Hold)
}

// label is the component's name as far as a label takes it.
func label(component string) string { return cut(component, 63) }

// cut leaves a name that ends as names have to.
func cut(name string, most int) string { return strings.TrimRight(name[:min(len(name), most)], "-.") }

// name is short, and different for what is decided at different times: holds and dry runs are repeated by the hour.
func name(scaler string, o *model.Observed, p *model.Plan) string {
	repeat := time.Time{}
	if p.Decision == model.Hold || p.DryRun {
		repeat = o.Now.Truncate(time.Hour)
	}
	said := fmt.Sprint(o.Target, o.Component, p.Decision, p.DryRun, p.From, outcomeSize(p), repeat.Unix(), o.Grown.Unix(), o.Shrunk.Unix())
	if p.Source == "oom" { // utilisation has another signal with every sample
		said += fmt.Sprint(p.Signal.Unix())
	}
	if p.Decision == model.Restart {
		said += fmt.Sprint(o.Restarted.Unix())
	}
	if p.Decision == model.Hold && p.Held != nil {
		said += p.Held.Guard
	}
	sum := sha256.Sum256([]byte(said))
	return fmt.Sprintf("%s-%s-%s", scaler, hex.EncodeToString(sum[:5]), cut(o.Component, 40))
}

// Kills in the API's words.
func Kills(o *model.Observed) (all []v1alpha1.OOMKill) {
	for _, k := range o.Kills {
		all = append(all, v1alpha1.OOMKill{Pod: k.Pod, Container: k.Container, Time: metav1.NewTime(k.At), Limit: k.Limit})
	}
	return all
}

func evidence(o *model.Observed, p *model.Plan) (all []v1alpha1.Evidence) {
	for _, k := range o.Kills {
		at := metav1.NewTime(k.At)
		all = append(all, v1alpha1.Evidence{
			Source: "oom", Pod: k.Pod, At: &at, Says: "killed at a memory limit of " + model.Short(model.Memory, k.Limit),
		})
	}
	for i := range o.Pods {
		pod := &o.Pods[i]
		if n := len(pod.Usage); n > 0 {
			last := pod.Usage[n-1]
			at := metav1.NewTime(last.At)
			all = append(all, v1alpha1.Evidence{Source: "utilization", Pod: pod.Name, At: &at, Says: fmt.Sprintf(
				"uses %s of CPU and %s of memory (%d samples)", model.Short(model.CPU, last.CPU), model.Short(model.Memory, last.Memory), n),
				Uses: plan.InAPI(model.Size{Requests: model.Amounts{CPU: last.CPU, Memory: last.Memory}}).Requests})
		}
	}
	all = append(all, profiled(o, p)...)
	if o.Metrics != "" {
		all = append(all, v1alpha1.Evidence{Source: "utilization", Says: o.Metrics})
	}
	if why := o.Probe.Doubt(); why != "" {
		all = append(all, v1alpha1.Evidence{Source: "probe", Says: why})
	}
	if p.Decision == model.Restart {
		all = append(all, v1alpha1.Evidence{Source: "restart-debt", Says: p.Debt})
	}
	return all
}

// profiled is what the profile says, and for how long, of each resource that it knows.
func profiled(o *model.Observed, p *model.Plan) (all []v1alpha1.Evidence) {
	profile := &o.Profile
	at := metav1.NewTime(profile.LastSample)
	for _, r := range [...]model.Resource{model.Memory, model.CPU} {
		known, spell := profile.Of(r), p.Idle.Of(r)
		if profile.Unknown != "" || known.Target == 0 {
			continue
		}
		says := fmt.Sprintf("%s %s recommends %s of %s (%s to %s, %s without bounds), known since %s with %d%% of gaps", profile.Name, profile.Algorithm,
			model.Short(r, known.Target), r, model.Short(r, known.Lower), model.Short(r, known.Upper), model.Short(r, known.Uncapped), minute(known.Since), known.Gaps)
		if !spell.Since.IsZero() {
			says += fmt.Sprintf("; at most %s since %s", model.Short(r, spell.Highest), minute(spell.Since))
		}
		if known.Says != "" {
			says += ": " + known.Says
		}
		all = append(all, v1alpha1.Evidence{Source: "profile", At: &at, Says: says})
	}
	return all
}

func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }

// Causes in the API's words.
func Causes(found []model.Cause) (all []v1alpha1.Cause) {
	for i := range found {
		c := &found[i]
		all = append(all, v1alpha1.Cause{Type: c.Type, ConfidencePercent: int32(c.Confidence), Says: c.Says, Helps: c.Helps, Evidence: c.Evidence})
	}
	return all
}

func proposals(p *model.Plan) (all []v1alpha1.Proposal) {
	for _, m := range p.Proposals {
		one := v1alpha1.Proposal{Estimator: m.Estimator, Resource: string(m.Resource), Says: m.Says}
		if m.Value > 0 {
			one.Value = plan.Quantity(m.Resource, m.Value)
		}
		all = append(all, one)
	}
	return all
}

func verdicts(p *model.Plan) (all []v1alpha1.GuardVerdict) {
	for _, v := range p.Verdicts {
		one := v1alpha1.GuardVerdict{Guard: v.Guard, Resource: string(v.Resource), Held: v.Held, Says: v.Says}
		if !v.Until.IsZero() {
			until := metav1.NewTime(v.Until)
			one.Until = &until
		}
		all = append(all, one)
	}
	return all
}
