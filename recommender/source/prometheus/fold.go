package prometheus

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/metapilot/metapilot/recommender/model"
	"github.com/metapilot/metapilot/recommender/source"
)

// units are how many of ours one of Prometheus' is.
var units = [model.Resources]float64{model.CPU: 1000, model.Memory: 1}

// container is one, with what all series tell of it.
type container struct {
	name   [3]string // namespace, pod, container
	labels map[string]string
	points []point
	clash  string // how two series of it differ that tell of one time
}

// folded are the series of an answer, those of one container together, in the order in which they were told.
type folded struct {
	labels     Labels
	containers []container
	foreign    int // series of namespaces that nobody asked for, or without a name
	empty      int // series without a number
}

func (s *Source) fold(all []series, namespaces []string) *folded {
	f := &folded{labels: s.labels}
	known := map[[3]string]int{}
	for _, one := range all {
		name, points := f.name(one), one.points()
		i, again := known[name]
		switch {
		case !slices.Contains(namespaces, name[0]), name[1] == "", name[2] == "":
			f.foreign++
		case len(points) == 0:
			f.empty++
		case again:
			f.containers[i].join(one.Labels, points)
		default:
			known[name] = len(f.containers)
			f.containers = append(f.containers, container{name: name, labels: one.Labels, points: points})
		}
	}
	return f
}

func (f *folded) name(s series) [3]string {
	return [3]string{s.Labels[f.labels.Namespace], s.Labels[f.labels.Pod], s.Labels[f.labels.Container]}
}

// join merges by time: a pod that came again under its name and labels of its own goes on. Of two amounts of one time the higher one is kept,
// whichever comes first: nothing becomes too small by a mistake, and the same answer gives the same readings.
func (c *container) join(labels map[string]string, points []point) {
	all := append(c.points, points...)
	slices.SortStableFunc(all, func(a, b point) int { return cmp.Or(a.At.Compare(b.At), -compare(a.Amount, b.Amount)) })
	c.points = slices.CompactFunc(all, func(a, b point) bool { return a.At.Equal(b.At) })
	if len(c.points) < len(all) && c.clash == "" {
		c.clash = difference(c.labels, labels)
	}
}

// compare puts amounts that no container can use below all others, so that they do not hide one.
func compare(a, b float64) int {
	believed := func(x float64) float64 {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return math.Inf(-1)
		}
		return x
	}
	return cmp.Compare(believed(a), believed(b))
}

// difference is the first label, by name, in which two series differ.
func difference(a, b map[string]string) string {
	var names []string
	for _, labels := range []map[string]string{a, b} {
		for name := range labels {
			if a[name] != b[name] {
				names = append(names, name)
			}
		}
	}
	if len(names) == 0 {
		return "nothing"
	}
	first := slices.Min(names)
	return fmt.Sprintf("%s (%q and %q)", first, a[first], b[first])
}

// newest leaves one point.
func (c *container) newest() {
	c.points = []point{slices.MaxFunc(c.points, func(a, b point) int { return a.At.Compare(b.At) })}
}

func (f *folded) readings(r model.Resource) []source.Reading {
	var all []source.Reading
	for _, c := range f.containers {
		for _, p := range c.points {
			all = append(all, source.Reading{
				Namespace: c.name[0], Pod: c.name[1], Container: c.name[2], Resource: r, At: p.At, Amount: p.Amount * units[r],
			})
		}
	}
	return all
}

// fault says what was left out; nil if nothing was.
func (f *folded) fault() error {
	var all []error
	clashing := slices.DeleteFunc(slices.Clone(f.containers), func(c container) bool { return c.clash == "" })
	if n := len(clashing); n > 0 {
		all = append(all, fmt.Errorf("several series in Prometheus are of one container (so it is with %d, the first is %s), and differ in %s; the highest "+
			"amount is taken: choose by a matcher, or let it be scraped once", n, source.Quote(strings.Join(clashing[0].name[:], "/")), source.Quote(clashing[0].clash)))
	}
	if f.foreign > 0 {
		all = append(all, fmt.Errorf("%d series were told that Prometheus was not asked for: look what stands between it and us", f.foreign))
	}
	if f.empty > 0 {
		all = append(all, fmt.Errorf("%d series in Prometheus have no number: look whether other metrics are recorded under the names of cAdvisor's", f.empty))
	}
	return errors.Join(all...)
}
