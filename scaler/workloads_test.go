package scaler_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/api/v1alpha1"
)

func template(name string, r corev1.ResourceRequirements, env ...corev1.EnvVar) (corev1.PodTemplateSpec, *metav1.LabelSelector) {
	labels := map[string]string{"app": name[:min(len(name), 63)]}
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: labels},
		Spec: corev1.PodSpec{Containers: []corev1.Container{
			{Name: "sidecar", Image: "example.org/sidecar", Resources: size("10m", "16Mi", "32Mi")}, {Name: "web", Image: "example.org/web", Resources: r, Env: env},
		}},
	}, &metav1.LabelSelector{MatchLabels: labels}
}

func (w *world) deploymentOf(t *testing.T, name string, r corev1.ResourceRequirements, env ...corev1.EnvVar) *appsv1.Deployment {
	t.Helper()
	pods, selector := template(name, r, env...)
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}, Spec: appsv1.DeploymentSpec{Selector: selector, Template: pods}}
	must(t, w.Create(t.Context(), d))
	return d
}

// podOfWorkload is what the workload's controller would make.
func (w *world) podOfWorkload(t *testing.T, name string, r corev1.ResourceRequirements, env ...corev1.EnvVar) *corev1.Pod {
	t.Helper()
	return w.pod(t, "default", name+"-0", map[string]string{"app": name[:min(len(name), 63)]}, "web", r, env...)
}

// named is a ClusterScaler's spec that names Deployments, and more.
func named(more string, names ...string) string {
	var all []string
	for _, name := range names {
		all = append(all, fmt.Sprintf("{kind: Deployment, name: %s, container: web}", name))
	}
	return fmt.Sprintf("{workloads: [%s]%s}", strings.Join(all, ", "), more)
}

func limitOfTemplate(t *corev1.PodTemplateSpec) string {
	return t.Spec.Containers[1].Resources.Limits.Memory().String()
}

// awaitTemplate waits for the memory limit in a workload's template.
func (w *world) awaitTemplate(t *testing.T, workload client.Object, pods *corev1.PodTemplateSpec, want string) {
	t.Helper()
	eventually(t, func() string {
		w.get(t, workload)
		if got := limitOfTemplate(pods); got != want {
			return fmt.Sprintf("the template's memory limit is %s, want %s", got, want)
		}
		return ""
	})
}

// awaitInPlace waits until the pod asks for the limit.
func (w *world) awaitInPlace(t *testing.T, pod *corev1.Pod, want string) {
	t.Helper()
	eventually(t, func() string {
		w.get(t, pod)
		if got := pod.Spec.Containers[0].Resources.Limits.Memory().String(); got != want {
			return fmt.Sprintf("%s has a memory limit of %s, want %s", pod.Name, got, want)
		}
		return ""
	})
}

func sizesADeployment(t *testing.T, w *world) {
	small := size("50m", "96Mi", "512Mi")
	d, pod := w.deploymentOf(t, "web-1", small), w.podOfWorkload(t, "web-1", small)
	w.scalerOf(t, "plain", named(", defaults: {outcome: {early: 1s, late: 2s}}", "web-1"))
	w.looks(t, pod, 1)
	w.kill(t, pod)
	w.awaitTemplate(t, d, &d.Spec.Template, "768Mi")
	w.awaitInPlace(t, pod, "768Mi")
	if other := d.Spec.Template.Spec.Containers[0].Resources.Limits.Memory().String(); other != "32Mi" {
		t.Errorf("the limit of the other container became %s", other)
	}
	eventually(t, func() string { // for it is written after the resize
		w.get(t, pod)
		if note := pod.Annotations["metapilot.io/resized"]; !strings.Contains(note, `"from":536870912`) {
			return fmt.Sprintf("the pod's note of its resize is %q", note)
		}
		return ""
	})
	w.runs(t, pod)
	eventually(t, func() string {
		all := w.records(t, "plain")
		if len(all) != 1 || all[0].Status.Phase != "Verified" || all[0].Spec.Component != "web-1" {
			return "the records are" + words(all)
		}
		return ""
	})
	w.looks(t, pod, 3)
	w.get(t, d)
	before := d.ResourceVersion
	w.looks(t, pod, 3)
	if w.get(t, d); d.ResourceVersion != before {
		t.Error("at rest the Deployment is written")
	}
}

func sizesAStatefulSet(t *testing.T, w *world) {
	small := size("50m", "96Mi", "512Mi")
	pods, selector := template("store", small)
	s := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "store"}, Spec: appsv1.StatefulSetSpec{Selector: selector, Template: pods}}
	must(t, w.Create(t.Context(), s))
	pod := w.podOfWorkload(t, "store", small)
	w.scalerOf(t, "plain-store", "{workloads: [{kind: StatefulSet, name: store, container: web}]}")
	w.looks(t, pod, 1)
	w.kill(t, pod)
	w.awaitTemplate(t, s, &s.Spec.Template, "768Mi")
	w.awaitInPlace(t, pod, "768Mi")
}

// The cache may have seen the pods' new size before the template's.
func sizesOnceBehindALag(t *testing.T, w *world) {
	small := size("50m", "96Mi", "512Mi")
	d, pod := w.deploymentOf(t, "web-lag", small), w.podOfWorkload(t, "web-lag", small)
	w.scalerOf(t, "plain-lag", named("", "web-lag"))
	w.looks(t, pod, 2)
	w.get(t, d)
	goOn := w.lag.stand(d)
	w.kill(t, pod)
	w.awaitRecord(t, "plain-lag", "Up", 1)
	for range 10 {
		w.edit(t, pod, func() { pod.Labels["looked-at"] = time.Now().Format("150405.000") })
		<-time.After(50 * time.Millisecond)
	}
	goOn()
	w.looks(t, pod, 2)
	if all := w.records(t, "plain-lag"); len(all) != 1 {
		t.Errorf("one kill led to %d records:%s", len(all), words(all))
	}
	w.awaitTemplate(t, d, &d.Spec.Template, "768Mi")
	w.awaitInPlace(t, pod, "768Mi")
}

func sizesAnyName(t *testing.T, w *world) {
	name := strings.Repeat("a", 39) + "-" + strings.Repeat("b", 30)
	small := size("50m", "96Mi", "512Mi")
	d, pod := w.deploymentOf(t, name, small), w.podOfWorkload(t, name, small)
	w.scalerOf(t, "plain-long", named("", name))
	w.looks(t, pod, 1)
	w.kill(t, pod)
	w.looks(t, pod, 5)
	if w.get(t, d); limitOfTemplate(&d.Spec.Template) != "768Mi" {
		cs := &v1alpha1.ClusterScaler{}
		must(t, w.Get(t.Context(), client.ObjectKey{Namespace: "default", Name: "plain-long"}, cs))
		t.Errorf("a Deployment of a long name does not grow after a kill: %+v", cs.Status.Conditions)
	}
}

// The environment of a plain workload is its user's: a restart would not change it.
func ownSoftLimit(t *testing.T, w *world) {
	own, large := corev1.EnvVar{Name: "GOMEMLIMIT", Value: "900000000"}, size("100m", "320Mi", "1Gi")
	d, pod := w.deploymentOf(t, "web-go", large, own), w.podOfWorkload(t, "web-go", large, own)
	w.scalerOf(t, "plain-go", named(", defaults: {restarts: {quietFor: 1s}}", "web-go"))
	w.looks(t, pod, 3)
	for _, r := range w.records(t, "plain-go") {
		if r.Spec.Decision == v1alpha1.DecisionRestart {
			t.Errorf("a workload that has a soft limit of its own is restarted, which changes nothing of it: %s", r.Spec.Reason)
			break
		}
	}
	w.kill(t, pod)
	w.awaitTemplate(t, d, &d.Spec.Template, "1536Mi")
	w.awaitInPlace(t, pod, "1536Mi")
	w.runs(t, pod)
	<-time.After(2 * time.Second) // longer than quietFor
	w.looks(t, pod, 3)
	if w.get(t, d); limitOfTemplate(&d.Spec.Template) != "1536Mi" {
		t.Errorf("after its growth the template's memory limit is %s:%s", limitOfTemplate(&d.Spec.Template), words(w.records(t, "plain-go")))
	}
}

// The API server gives pods the limits as requests that their template leaves out.
func sizesByLimitsAlone(t *testing.T, w *world) {
	limits := corev1.ResourceRequirements{Limits: size("500m", "512Mi", "512Mi").Requests}
	d, pod := w.deploymentOf(t, "web-limits", limits), w.podOfWorkload(t, "web-limits", limits)
	w.scalerOf(t, "plain-limits", named("", "web-limits"))
	w.looks(t, pod, 1)
	w.kill(t, pod)
	w.awaitTemplate(t, d, &d.Spec.Template, "768Mi")
	w.awaitInPlace(t, pod, "768Mi")
	w.runs(t, pod)
	eventually(t, func() string {
		w.meter.asked(pod)
		if all := w.records(t, "plain-limits"); len(all) != 1 || all[0].Status.Phase != "Effective" {
			return "the records are" + words(all)
		}
		return ""
	})
	w.get(t, pod)
	before := pod.ResourceVersion
	w.looks(t, pod, 3)
	if w.get(t, pod); pod.ResourceVersion != before {
		t.Error("at rest the pod is written again and again")
	}
}

// A workload that is removed and made again has not been killed.
func forgetsAnotherOfTheName(t *testing.T, w *world) {
	small := size("50m", "96Mi", "512Mi")
	d, pod := w.deploymentOf(t, "web-again", small), w.podOfWorkload(t, "web-again", small)
	w.scalerOf(t, "plain-again", named("", "web-again"))
	w.kill(t, pod)
	w.awaitTemplate(t, d, &d.Spec.Template, "768Mi")
	w.remove(t, d, pod)
	w.awaitStalled(t, "plain-again", "there is no Deployment web-again")
	d, pod = w.deploymentOf(t, "web-again", small), w.podOfWorkload(t, "web-again", small)
	w.awaitStalled(t, "plain-again", "")
	w.looks(t, pod, 3)
	if w.get(t, d); limitOfTemplate(&d.Spec.Template) != "512Mi" {
		t.Errorf("for a kill of another one it has %s:%s", limitOfTemplate(&d.Spec.Template), words(w.records(t, "plain-again")))
	}
}

// Flux, Argo or an operator may own the template: that is said, not fought in a loop.
func doesNotFight(t *testing.T, w *world) {
	small := size("50m", "96Mi", "512Mi")
	d, pod := w.deploymentOf(t, "web-owned", small), w.podOfWorkload(t, "web-owned", small)
	w.scalerOf(t, "plain-owned", named("", "web-owned"))
	w.looks(t, pod, 1)
	w.kill(t, pod)
	w.awaitTemplate(t, d, &d.Spec.Template, "768Mi")
	writes := 1
	for range 4 {
		w.edit(t, d, func() { d.Spec.Template.Spec.Containers[1].Resources = small })
		w.looks(t, pod, 3)
		if w.get(t, d); limitOfTemplate(&d.Spec.Template) != "512Mi" {
			writes++
		}
	}
	if writes > 2 {
		t.Errorf("somebody has sized the workload back 4 times, and the scaler has written against them each time, %d times in all:%s", writes, words(w.records(t, "plain-owned")))
	}
}

func missingWorkload(t *testing.T, w *world) {
	small := size("50m", "96Mi", "512Mi")
	grown := map[string]string{}
	for scaler, names := range map[string][]string{"plain-first": {"nobody-first", "web-first"}, "plain-last": {"web-last", "nobody-last"}} {
		name := strings.TrimPrefix(scaler, "plain-")
		d, pod := w.deploymentOf(t, "web-"+name, small), w.podOfWorkload(t, "web-"+name, small)
		w.kill(t, pod)
		w.scalerOf(t, scaler, named("", names...))
		w.awaitStalled(t, scaler, "there is no Deployment nobody-"+name+" in namespace default")
		<-time.After(time.Second)
		w.get(t, d)
		grown[name] = limitOfTemplate(&d.Spec.Template)
	}
	if grown["first"] != "768Mi" || grown["last"] != "768Mi" {
		t.Errorf("after a kill the other workload has %s if the missing one is named first, and %s if it is named last", grown["first"], grown["last"])
	}
}

func prunesWhatIsNotNamed(t *testing.T, w *world) {
	small := size("50m", "96Mi", "512Mi")
	w.deploymentOf(t, "web-stays", small)
	stays := w.podOfWorkload(t, "web-stays", small)
	w.deploymentOf(t, "web-goes", small)
	goes := w.podOfWorkload(t, "web-goes", small)
	cs := w.scalerOf(t, "plain-prune", named(", records: {keep: 2}, pause: {reason: moving}", "web-stays", "web-goes"))
	w.kill(t, goes)
	w.awaitRecord(t, "plain-prune", "Hold", 1)
	w.edit(t, cs, func() { cs.Spec.Mode.Up = "Off" })
	w.awaitRecord(t, "plain-prune", "Hold", 2)
	w.edit(t, cs, func() { cs.Spec.Workloads, cs.Spec.Records.Keep = cs.Spec.Workloads[:1], 1 })
	w.looks(t, stays, 5)
	if all := w.records(t, "plain-prune"); len(all) > 1 {
		t.Errorf("of a workload that is no longer named %d records are kept, and 1 is to be:%s", len(all), words(all))
	}
}
