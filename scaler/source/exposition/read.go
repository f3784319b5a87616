package exposition

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"math"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Limits of one answer. An API server with 500 kinds of custom resources tells about 20 MiB.
const (
	mostBytes   = 32 << 20
	longestLine = 64 << 10 // bytes
	mostSamples = 200_000  // of wanted families
	mostSums    = 4096     // that are kept
	mostKept    = 256 << 10
	batchBytes  = 64 << 10 // that the parser gets at a time
)

// reading is one answer on its way in. What it holds is bounded, whatever comes: one batch of lines, a number for each sample, and the sums.
type reading struct {
	wanted  Wanted
	parser  expfmt.TextParser
	batch   bytes.Buffer
	seed    maphash.Seed
	samples map[uint64]struct{}
	sums    map[key]float64
	kept    int    // bytes of their labels
	seen    uint64 // bits of the families that it tells of
}

// counted counts what was read.
type counted struct {
	from io.Reader
	n    int64
}

func (c *counted) Read(p []byte) (int, error) {
	if c.n > mostBytes {
		return 0, faultf(TooLarge, "its metrics are larger than %d MiB", mostBytes>>20)
	}
	n, err := c.from.Read(p)
	c.n += int64(n)
	return n, err
}

// sum adds up the wanted samples of an answer, line by line.
func (w Wanted) sum(from io.Reader) (*reading, error) {
	r := &reading{
		wanted: w, parser: expfmt.NewTextParser(model.UTF8Validation), seed: maphash.MakeSeed(),
		samples: map[uint64]struct{}{}, sums: map[key]float64{},
	}
	lines := bufio.NewReaderSize(from, longestLine)
	for {
		line, err := lines.ReadSlice('\n')
		switch {
		case err == nil:
			err = r.line(line)
		case errors.Is(err, bufio.ErrBufferFull):
			err = r.long(line, lines)
		case errors.Is(err, io.EOF) && len(line) == 0:
			return r, r.parse()
		case errors.Is(err, io.EOF):
			err = faultf(Unreadable, "its metrics end in the middle of a line")
		}
		if err != nil {
			return nil, err
		}
	}
}

// long passes over a line that is too long, unless it is wanted.
func (r *reading) long(start []byte, lines *bufio.Reader) error {
	if family := r.wanted[string(nameOf(start))]; family != nil {
		return faultf(Unreadable, "a line of %s is longer than %d KiB", family.Name, longestLine>>10)
	}
	for {
		if _, err := lines.ReadSlice('\n'); !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
}

// line takes a line if it is wanted.
func (r *reading) line(line []byte) error {
	family := r.wanted[string(nameOf(line))]
	if family == nil {
		return nil
	}
	sum := maphash.Bytes(r.seed, seriesOf(line))
	if _, twice := r.samples[sum]; twice {
		return faultf(Unreadable, "its metrics tell a sample of %s twice", family.Name)
	}
	if r.samples[sum] = struct{}{}; len(r.samples) > mostSamples {
		return faultf(TooLarge, "its metrics have more than %d samples of what is looked at", mostSamples)
	}
	r.seen |= family.bit
	r.batch.Write(line)
	if r.batch.Len() < batchBytes {
		return nil
	}
	return r.parse()
}

// nameOf is the name at the start of a line. A name in quotes is none of ours.
func nameOf(line []byte) []byte {
	if end := bytes.IndexAny(line, "{ \t\n"); end >= 0 {
		return line[:end]
	}
	return line
}

// seriesOf is what tells a sample from all others: name and labels.
func seriesOf(line []byte) []byte {
	if end := bytes.LastIndexByte(line, '}'); end >= 0 {
		return line[:end]
	}
	return nameOf(line)
}

// parse adds the samples of the batch to the sums. The batch has no types, so each line is one number.
func (r *reading) parse() error {
	families, err := r.parser.TextToMetricFamilies(&r.batch)
	r.batch.Reset()
	if err != nil {
		return faultf(Unreadable, "its metrics cannot be read: %s", short(err.Error()))
	}
	for name, f := range families {
		family := r.wanted[name]
		if family == nil {
			return faultf(Unreadable, "its metrics cannot be read: %s", short(name))
		}
		for _, m := range f.Metric {
			if err := r.add(family, m); err != nil {
				return err
			}
		}
	}
	return nil
}

// add adds one sample.
func (r *reading) add(f *Family, m *dto.Metric) error {
	label := func(name string) string { return labelOf(m, name) }
	if f.Skip != nil && f.Skip(label) {
		return nil
	}
	k := key{family: f.Name}
	for i, name := range f.By {
		k.labels[i] = label(name)
	}
	value := m.GetUntyped().GetValue()
	have, known := r.sums[k]
	switch total := have + value; {
	case math.IsNaN(total), math.IsInf(total, 0), f.Kind != Gauge && value < 0:
		return faultf(Unreadable, "its metrics say %g of %s", value, f.Name)
	case known:
		r.sums[k] = total
		return nil
	case value == 0 && !f.bucket(): // as if it were not there: most counters never count anything
		return nil
	}
	r.sums[k], r.kept = value, r.kept+k.size()
	if len(r.sums) > mostSums || r.kept > mostKept {
		return faultf(TooLarge, "its metrics have more than %d different values of what is looked at, or %d KiB of labels", mostSums, mostKept>>10)
	}
	return nil
}

func labelOf(m *dto.Metric, name string) string {
	for _, pair := range m.Label {
		if pair.GetName() == name {
			return pair.GetValue()
		}
	}
	return ""
}

// short cuts what a stranger wrote.
func short(text string) string {
	if len(text) > 200 {
		text = text[:200] + "..."
	}
	return fmt.Sprintf("%+q", text)
}
