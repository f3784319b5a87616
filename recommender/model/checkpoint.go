package model

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"time"
)

// format is the first byte of a checkpoint. What a later version writes is refused by this one, and kept.
const format = 2

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ErrNewer is a checkpoint that a later version has written.
var ErrNewer = errors.New("a later version of the recommender has written it")

// Save gives the container's compact form. What is saved is what the container goes on from, too: one that is restored from it recommends the same,
// now and after any samples that both see.
func (c *Container) Save() []byte {
	w := writer{buffer: make([]byte, 0, 4096)}
	w.buffer = append(w.buffer, format)
	for r := range Resources {
		w.usage(&c.use[r], r)
		w.learned(&c.Learned[r])
	}
	w.replicas(c.replicas)
	w.floor(c.floor)
	w.buffer = append(w.buffer, c.faults[:]...)
	return w.sealed()
}

// sealed adds the checksum.
func (w *writer) sealed() []byte {
	return binary.BigEndian.AppendUint32(w.buffer, crc32.Checksum(w.buffer, castagnoli))
}

// Restore makes the container that was saved. The error says what is wrong with the checkpoint.
func Restore(state []byte) (*Container, error) {
	switch n := len(state) - 4; {
	case n < 1:
		return nil, fmt.Errorf("%d bytes are no checkpoint", len(state))
	case crc32.Checksum(state[:n], castagnoli) != binary.BigEndian.Uint32(state[n:]):
		return nil, errors.New("its checksum is wrong: it was cut off, or is none of ours")
	case state[0] > format:
		return nil, ErrNewer
	case state[0] < format:
		return nil, fmt.Errorf("it has the unknown format %d", state[0])
	}
	c := &Container{}
	rd := reader{buffer: state[1 : len(state)-4]}
	for r := range Resources {
		rd.usage(&c.use[r], r)
		rd.learned(&c.Learned[r])
	}
	c.replicas = rd.replicas()
	rd.floor(&c.floor)
	copy(c.faults[:], rd.bytes(len(c.faults)))
	if rd.err == nil && len(rd.buffer) > 0 {
		rd.fail("%d bytes too many", len(rd.buffer))
	}
	return c, rd.err
}

// writer appends values.
type writer struct{ buffer []byte }

func (w *writer) number(n uint64) { w.buffer = binary.AppendUvarint(w.buffer, n) }
func (w *writer) signed(n int64)  { w.buffer = binary.AppendVarint(w.buffer, n) }
func (w *writer) float(f float64) {
	w.buffer = binary.BigEndian.AppendUint64(w.buffer, math.Float64bits(f))
}
func (w *writer) single(f float32) {
	w.buffer = binary.BigEndian.AppendUint32(w.buffer, math.Float32bits(f))
}
func (w *writer) text(s string)      { w.number(uint64(len(s))); w.buffer = append(w.buffer, s...) }
func (w *writer) ring(r ring)        { w.number(uint64(r.newest)); w.signed(int64(r.top)) }
func (w *writer) peaks(codes []byte) { w.buffer = append(w.buffer, codes...) }

// usage also puts the histogram that can be restored in the place of the one that was, which differ by what the layers leave out.
func (w *writer) usage(u *Usage, r Resource) {
	all, reference := dissect(u.histogram, r)
	w.signed(reference.Unix())
	w.number(uint64(len(all)))
	for _, l := range all {
		w.layer(l)
	}
	if same, err := assemble(all, reference, r); err == nil {
		u.histogram = same
	}
	w.ring(u.day)
	w.peaks(u.recent[:])
	w.ring(u.days)
	w.peaks(u.week[:])
	for _, n := range []uint32{u.first, u.end, u.samples} {
		w.number(uint64(n))
	}
}

func (w *writer) layer(l layer) {
	w.float(l.unit)
	w.number(uint64(len(l.buckets)))
	for _, b := range l.buckets {
		w.buffer = append(w.buffer, b.index)
		w.number(uint64(b.weight))
	}
}

func (w *writer) learned(l *Learned) {
	for _, s := range l.Scores {
		for _, f := range []float32{s.Held, s.Over, s.Under, s.Changes} {
			w.single(f)
		}
	}
	w.single(l.Held)
	w.buffer = append(w.buffer, l.Slot, l.Raised, l.Chosen, l.Slots)
}

func (w *writer) replicas(all []replica) {
	w.number(uint64(len(all)))
	for _, p := range all {
		w.text(p.name)
		for _, n := range []uint32{p.last[CPU], p.last[Memory], p.windowEnd} {
			w.number(uint64(n))
		}
		for _, n := range []int64{p.peak, p.oomPeak, int64(p.latest), int64(p.lasting), int64(p.memory)} {
			w.signed(n)
		}
	}
}

func (w *writer) floor(f Floor) {
	w.float(f.Need)
	w.float(f.Limit)
	w.number(uint64(f.At))
	w.number(uint64(f.Slots))
	w.buffer = append(w.buffer, f.Level, f.Kills)
}

// reader takes values off; after the first fault it gives zeros.
type reader struct {
	buffer []byte
	err    error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
	r.buffer = nil
}

func (r *reader) number(most uint64) uint64 {
	n, size := binary.Uvarint(r.buffer)
	if size <= 0 || n > most {
		r.fail("a number is cut off or too large")
		return 0
	}
	r.buffer = r.buffer[size:]
	return n
}

func (r *reader) signed(least, most int64) int64 {
	n, size := binary.Varint(r.buffer)
	if size <= 0 || n < least || n > most {
		r.fail("a number is cut off or too large")
		return 0
	}
	r.buffer = r.buffer[size:]
	return n
}

func (r *reader) bytes(n int) []byte {
	if len(r.buffer) < n {
		r.fail("it ends too early")
		return make([]byte, n)
	}
	got := r.buffer[:n]
	r.buffer = r.buffer[n:]
	return got
}

// float is never negative, and always a number.
func (r *reader) float() float64 {
	f := math.Float64frombits(binary.BigEndian.Uint64(r.bytes(8)))
	if !(f >= 0) || math.IsInf(f, 0) {
		r.fail("an amount is %v", f)
		return 0
	}
	return f
}

func (r *reader) single() float32 {
	f := math.Float32frombits(binary.BigEndian.Uint32(r.bytes(4)))
	if !(f >= 0) || math.IsInf(float64(f), 0) {
		r.fail("an amount is %v", f)
		return 0
	}
	return f
}

func (r *reader) unix() uint32 { return uint32(r.number(math.MaxUint32)) }

func (r *reader) ring(longest uint32) (got ring) {
	// Of the newest slot only what a ring can add to without an overflow is right.
	got.newest = uint32(r.number(math.MaxUint32 - uint64(longest)))
	got.top = int16(r.signed(0, highestExponent))
	return got
}

// highestExponent is beyond what any machine has: 1.02 to this power is 1.6e17.
const highestExponent = 2000

// mostReplicas and longestName bound what is read.
const mostReplicas, longestName = 1 << 16, 253

func (r *reader) usage(u *Usage, resource Resource) {
	reference := time.Unix(r.signed(math.MinInt64, math.MaxUint32), 0).UTC()
	all := make([]layer, r.number(layers))
	for i := range all {
		all[i] = r.layer()
	}
	var err error
	if u.histogram, err = assemble(all, reference, resource); err != nil {
		r.fail("%v", err)
	}
	u.day = r.ring(Day)
	copy(u.recent[:], r.bytes(Day))
	u.days = r.ring(Week)
	copy(u.week[:], r.bytes(Week))
	u.first, u.end, u.samples = r.unix(), r.unix(), r.unix()
}

func (r *reader) layer() (l layer) {
	l.unit = r.float()
	l.buckets = make([]bucket, r.number(math.MaxUint8))
	for i := range l.buckets {
		l.buckets[i] = bucket{r.bytes(1)[0], uint16(r.number(math.MaxUint16))}
	}
	return l
}

func (r *reader) learned(l *Learned) {
	for i := range l.Scores {
		s := &l.Scores[i]
		for _, f := range []*float32{&s.Held, &s.Over, &s.Under, &s.Changes} {
			*f = r.single()
		}
	}
	l.Held = r.single()
	rest := r.bytes(4)
	if l.Slot, l.Raised, l.Chosen, l.Slots = rest[0], rest[1], rest[2], rest[3]; l.Chosen >= Candidates {
		r.fail("algorithm %d is chosen, and there are %d", l.Chosen, Candidates)
	}
}

func (r *reader) replicas() []replica {
	all := make([]replica, 0, min(64, r.peek()))
	for range r.number(mostReplicas) {
		var p replica
		p.name = string(r.bytes(int(r.number(longestName))))
		p.last = [Resources]uint32{r.unix(), r.unix()}
		p.windowEnd = r.unix()
		p.peak, p.oomPeak = r.signed(0, mostMemory*2), r.signed(0, mostMemory*2)
		for _, e := range []*int16{&p.latest, &p.lasting, &p.memory} {
			*e = int16(r.signed(0, highestExponent))
		}
		if r.err != nil {
			return nil
		}
		all = append(all, p)
	}
	return all
}

// peek is the number that comes next.
func (r *reader) peek() uint64 {
	n, _ := binary.Uvarint(r.buffer)
	return n
}

func (r *reader) floor(f *Floor) {
	f.Need, f.Limit = r.float(), r.float()
	f.At, f.Slots = r.unix(), uint16(r.number(math.MaxUint16))
	counts := r.bytes(2)
	if f.Level, f.Kills = counts[0], counts[1]; int(f.Level) > len(bumps) || f.Level == 0 && f.Need > 0 {
		r.fail("the floor has level %d", f.Level)
	}
}
