package prometheus

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/metapilot/metapilot/recommender/model"
)

// metrics of cAdvisor, as the kubelets serve them at /metrics/cadvisor.
var metrics = [model.Resources]string{model.CPU: "container_cpu_usage_seconds_total", model.Memory: "container_memory_working_set_bytes"}

// passing are the labels of a series that change when a container is started again, or its pod on another node, while it stays the same
// container to us; cpu is there with old kubelets, which also told of single cores. All other labels stay, so that a container of which two jobs,
// two replicas of Prometheus or two clusters tell is seen to be told twice.
var passing = []string{"cpu", "id", "image", "instance", "name", "node"}

// language writes PromQL.
type language struct {
	labels   Labels
	matchers string
	window   time.Duration
}

// now: cAdvisor's samples come with their own times, so that series of containers that are gone are told for five minutes more; a window that
// is shorter ends that sooner, and keeps the peaks of memory between two questions.
func (l language) now(r model.Resource, namespaces []string) string {
	if r == model.CPU {
		return l.merged(fmt.Sprintf("rate(%s[%s])", l.series(r, namespaces), seconds(l.window)))
	}
	return l.merged(fmt.Sprintf("max_over_time(%s[%s])", l.series(r, namespaces), seconds(l.window)))
}

// past has the peak of each step. For CPU that is the highest of the rates of each of its minutes: one rate over five minutes would level peaks
// out that a request has to bear, and a point for each minute would make answers five times as large, for a model that keeps the peak of five
// minutes anyway. It costs Prometheus the same rates (1440 a day and container, each over the scrapes of its window) and the memory for them.
func (l language) past(r model.Resource, namespace string) string {
	inner, only := seconds(step), []string{namespace}
	if r == model.CPU {
		return l.merged(fmt.Sprintf("max_over_time(rate(%s[%s])[%s:60s])", l.series(r, only), seconds(l.window), inner))
	}
	return l.merged(fmt.Sprintf("max_over_time(%s[%s])", l.series(r, only), inner))
}

// series of containers, without those of pods and of cgroups above them, which name no container, and of the pause container of a pod. That their
// image is known is not asked for: not every runtime tells it.
func (l language) series(r model.Resource, namespaces []string) string {
	alternatives := make([]string, len(namespaces))
	for i, n := range namespaces {
		alternatives[i] = regexp.QuoteMeta(n)
	}
	selector := fmt.Sprintf(`%s=~%q,%s!="",%[4]s!="",%[4]s!="POD"`, l.labels.Namespace, strings.Join(alternatives, "|"), l.labels.Pod, l.labels.Container)
	if l.matchers != "" {
		selector += "," + l.matchers
	}
	return fmt.Sprintf("%s{%s}", metrics[r], selector)
}

// merged takes the higher one of two series that differ by nothing but passing labels.
func (l language) merged(expression string) string {
	own := []string{l.labels.Namespace, l.labels.Pod, l.labels.Container}
	dropped := slices.DeleteFunc(slices.Clone(passing), func(label string) bool { return slices.Contains(own, label) })
	return fmt.Sprintf("max without (%s) (%s)", strings.Join(dropped, ", "), expression)
}

// advise says where to look if there are no series at all.
func (l language) advise(r model.Resource) string {
	words := fmt.Sprintf("Prometheus knows no %s of the namespaces that are wanted: does it scrape /metrics/cadvisor of the kubelets, "+
		"and do its labels %s, %s and %s name the container", metrics[r], l.labels.Namespace, l.labels.Pod, l.labels.Container)
	if l.matchers != "" {
		words += fmt.Sprintf(", and is %s right", l.matchers)
	}
	if r == model.CPU {
		words += fmt.Sprintf("? Are there two scrapes within the window of %s", l.window)
	}
	return words + "?"
}

func seconds(d time.Duration) string { return fmt.Sprintf("%ds", d/time.Second) }
