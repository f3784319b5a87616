package exposition

import (
	"cmp"
	"fmt"
	"slices"
)

// Kind is how samples of a family change.
type Kind int

// Kinds of families.
const (
	Gauge   Kind = iota // as it likes
	Counter             // it never falls while its program runs
	Birth               // not at all while its program runs
)

// mostLabels is by how many labels samples of a family can be kept apart.
const mostLabels = 3

// Labels are values of the labels of Family.By, in its order.
type Labels [mostLabels]string

// Family is what is wanted of an answer.
type Family struct {
	Name string // of its samples: of a histogram, with _bucket, _sum or _count
	Kind Kind
	By   []string                             // labels by which its samples are kept apart, at most three; those that differ in others are added up
	Skip func(label func(string) string) bool // samples that are left out; nil for none

	bit uint64 // of those that an answer tells of
}

// Wanted are the families that are wanted. All else is passed over unread.
type Wanted map[string]*Family

// Want lists families; each name once, and at most 64.
func Want(families ...Family) Wanted {
	w := Wanted{}
	for i := range families {
		f := &families[i]
		if w[f.Name] != nil || len(f.By) > mostLabels || i > 63 {
			panic(fmt.Sprintf("family %s is wanted twice, or by more than %d labels, or is one too many", f.Name, mostLabels))
		}
		f.bit = 1 << i
		w[f.Name] = f
	}
	return w
}

// Histogram is the three families of a histogram.
func Histogram(name string, by ...string) []Family {
	return []Family{
		{Name: name + "_bucket", Kind: Counter, By: append(slices.Clone(by), "le")},
		{Name: name + "_sum", Kind: Counter, By: by},
		{Name: name + "_count", Kind: Counter, By: by},
	}
}

// bucket tells whether it is of a histogram. Those keep their zeros, which say how fast it was not.
func (f *Family) bucket() bool { return len(f.By) > 0 && f.By[len(f.By)-1] == "le" }

// key of a sum.
type key struct {
	family string
	labels Labels
}

func (k key) compare(other key) int {
	return cmp.Or(cmp.Compare(k.family, other.family), slices.Compare(k.labels[:], other.labels[:]))
}

func (k key) size() (n int) {
	for _, l := range k.labels {
		n += len(l)
	}
	return n
}
