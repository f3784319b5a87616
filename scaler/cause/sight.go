package cause

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/metapilot/metapilot/scaler/model"
)

// sight is what a rule looks at.
type sight struct {
	o    *model.Observed
	p    *model.Policy
	told bool // it was seen at the last look
}

// stays is the share of a threshold, in percent, below which a cause that was told is told no more: noise about a threshold is no news.
const stays = 80

// over tells whether a value is above a threshold. What is not a number is not.
func (s *sight) over(value, threshold float64) bool {
	return value > threshold || s.told && value > threshold*stays/100
}

// Readings and samples older than this say nothing about now. Usage is asked for every 15 s, programs' own metrics at least once a minute.
const (
	staleReading = 5 * time.Minute
	staleUsage   = 2 * time.Minute
)

// fresh is what a program says of itself, if it says so now; nil if not.
func fresh(pod *model.Pod, now time.Time) *model.Reading {
	r := &pod.Reading
	if r.Unknown != "" || r.At.IsZero() || now.Sub(r.At) > staleReading || pod.Terminating {
		return nil
	}
	return r
}

// servers are the readings of API servers, with their pods.
func (s *sight) servers(each func(*model.Pod, *model.Reading)) {
	for i := range s.o.Pods {
		if r := fresh(&s.o.Pods[i], s.o.Now); r != nil && r.APIServer != nil {
			each(&s.o.Pods[i], r)
		}
	}
}

// span is the CPU that a pod used through the policy's time, in percent of its request, at least and at most.
type span struct {
	least, most int64
	known       bool
}

// cpu of a pod. It is not known without a request, or when the samples are old or do not reach back as far.
func (s *sight) cpu(pod *model.Pod) (c span) {
	request, n := pod.Actual.Requests.CPU, len(pod.Usage)
	if request == 0 || n == 0 || pod.Terminating || s.o.Metrics != "" {
		return c
	}
	last := pod.Usage[n-1].At
	for i := n - 1; i >= 0; i-- {
		share := pod.Usage[i].CPU * 100 / request
		if i == n-1 {
			c.least = share
		}
		c.least, c.most = min(c.least, share), max(c.most, share)
		if last.Sub(pod.Usage[i].At) >= s.p.CPU.For {
			c.known = s.o.Now.Sub(last) <= staleUsage
			break
		}
	}
	return c
}

// throttled is when a container is held back by its CPU limit: kubernetes-mixin's alert CPUThrottlingHigh is at a quarter of the periods.
const throttled = 25 // percent

// waitsForCPU: the scheduler holds a pod back, or it uses what it has asked for and more, so that nobody knows whether it would use more still.
func (s *sight) waitsForCPU(pod *model.Pod) bool {
	c := s.cpu(pod)
	return pod.Throttled >= throttled || c.known && c.most >= idle
}

// idle: a pod gets the CPU that it has requested as soon as it wants it. One that takes less than this share of it does not wait for CPU.
const idle = 90 // percent

// times is how many times something happened between two answers.
func times(r *model.Reading, perSecond float64) float64 { return perSecond * r.Over.Seconds() }

// enough observations for a 99th percentile to be one.
const enough = 100

// ms is a latency in a person's words.
func ms(d time.Duration) string { return fmt.Sprintf("%dms", d.Milliseconds()) }

// named are a few names, each once and in order: who comes first is no news.
func named(all []string) string {
	slices.Sort(all)
	all = slices.Compact(all)
	if n := len(all); n > mostNames {
		all = append(all[:mostNames:mostNames], "others")
	}
	if n := len(all); n > 1 {
		return strings.Join(all[:n-1], ", ") + " and " + all[n-1]
	}
	return strings.Join(all, "")
}

const (
	mostNames   = 3
	longestName = 100 // bytes: who writes into a tenant chooses them
	mostLines   = 8   // of evidence
)

func short(name string) string {
	if len(name) <= longestName {
		return name
	}
	return strings.ToValidUTF8(name[:longestName], "") + "..."
}

// lines are as many of evidence as a record takes.
func lines(all []string) []string { return all[:min(len(all), mostLines)] }
