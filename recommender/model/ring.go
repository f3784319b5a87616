package model

import "math"

// A ring keeps the peaks of the newest slots, one byte each: a logarithm, counted from the highest. A byte reaches from the highest peak down to a
// 156th of it, in steps of 2 %, rounded up; what is lower counts as that. Zero is a slot in which nothing was seen.
type ring struct {
	newest uint32 // slot since 1970; 0 if there is none
	top    int16  // exponent of the code 255
}

// step is how much more a code says than the one below it.
const step = 1.02

var logStep = math.Log(step)

// exponent is the least whole power of step that is not below the amount; an amount below one (millicore, byte) counts as one.
func exponent(amount float64) int16 {
	if amount <= 1 {
		return 0
	}
	return int16(math.Ceil(math.Log(amount)/logStep - 1e-9))
}

// amount is what a code stands for; -1 if it stands for a gap.
func (r ring) amount(code uint8) float64 {
	if code == 0 {
		return -1
	}
	return math.Pow(step, float64(int(r.top)-255+int(code)))
}

// shares are what the codes stand for, in shares of the highest.
var shares = func() (all [256]float64) {
	for code := range all {
		all[code] = math.Pow(step, float64(code)-255)
	}
	return all
}()

// add sees an amount in a slot that is not older than the ring.
func (r *ring) add(codes []uint8, slot uint32, amount float64) {
	r.advance(codes, slot)
	e := exponent(amount)
	if r.top < e || r.top == 0 {
		r.rebase(codes, e)
	}
	at := &codes[slot%uint32(len(codes))]
	*at = max(*at, uint8(max(1, 255-int(r.top-e))))
}

// advance forgets the slots that the new ones take the place of, and makes the most of the codes when the highest peak has gone.
func (r *ring) advance(codes []uint8, slot uint32) {
	if slot <= r.newest {
		return
	}
	for s := max(r.newest+1, slot-min(slot, uint32(len(codes)))+1); s <= slot; s++ {
		codes[s%uint32(len(codes))] = 0
	}
	r.newest = slot
	highest := uint8(0)
	for _, c := range codes {
		highest = max(highest, c)
	}
	if 0 < highest && highest < 128 {
		r.rebase(codes, r.top-int16(255-highest))
	}
}

// rewind forgets what is later than the slot.
func (r *ring) rewind(codes []uint8, slot uint32) {
	for s := slot + 1; s <= r.newest && s-slot <= uint32(len(codes)); s++ {
		codes[s%uint32(len(codes))] = 0
	}
	r.newest = min(r.newest, slot)
}

// rebase counts from another highest exponent.
func (r *ring) rebase(codes []uint8, top int16) {
	shift := int(r.top) - int(top)
	for i, c := range codes {
		if c > 0 {
			codes[i] = uint8(min(255, max(1, int(c)+shift)))
		}
	}
	r.top = top
}

// last appends the amounts of the newest n slots, the oldest first; -1 is a gap.
func (r ring) last(codes []uint8, n int, into []float64) []float64 {
	top, length := r.amount(255), uint32(len(codes))
	n = min(n, len(codes))
	at := (r.newest + length - uint32(n) + 1) % length
	for range n {
		if code := codes[at]; code == 0 {
			into = append(into, -1)
		} else {
			into = append(into, top*shares[code])
		}
		if at++; at == length {
			at = 0
		}
	}
	return into
}
