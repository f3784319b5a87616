package model

import "time"

// Floor is what memory is not recommended below, because containers were killed with less. It goes by contrary evidence alone: a week of slots in
// which usage was seen that stayed well below what killed, however long that takes. Kills of one replica count for all.
type Floor struct {
	Need  float64 // bytes
	Limit float64 // bytes, at which the last kill happened, or the peak that was seen if that is more
	At    uint32  // unix seconds of the last kill
	Slots uint16  // of contrary evidence, since the last kill or the last usage close to Limit
	Level uint8   // kills of the row, each at a higher limit than the one before
	Kills uint8   // since the floor is known; ends at 255
}

const (
	// contrary is how many slots of contrary evidence let the floor go: seven days.
	contrary = 7 * Day
	// closeToLimit is the share of Limit from which usage confirms the floor.
	closeToLimit = 0.8
	// sinking is the share of the floor that stays after each further day of contrary evidence.
	sinking = 0.75
	// row is how soon a kill has to follow for the bump to grow.
	row = 30 * time.Minute
)

// bumps are the factors of the first kill, the second and so on: from 237 MiB it takes two kills to 1 GiB, three to 4 GiB, four to 16 GiB.
var bumps = []float64{1.5, 3, 4}

// Kill is a container killed for want of memory.
type Kill struct {
	Replica string
	At      time.Time
	Limit   int64 // bytes; 0 if it had none
}

// OOM learns from a kill, if it is later than all that are known: pods tell of their last kill for as long as they live, and at a limit that may be
// that of now.
func (c *Container) OOM(now time.Time, k Kill) Fault {
	at := uint32(max(0, k.At.Unix()))
	switch {
	case k.Limit < 0 || k.Limit > mostMemory || k.At.Unix() <= 0:
		return Invalid
	case k.At.After(now.Add(skew)):
		return Future
	case at == c.floor.At:
		return Duplicate
	case at < c.floor.At:
		return OutOfOrder
	}
	c.floor.raise(at, max(float64(k.Limit), c.use[Memory].Peak(Day)))
	c.replica(k.Replica, k.At).daily(c.use[Memory].histogram, int64(vpaNeed(k.Limit)), k.At.Unix(), true)
	return None
}

// Heed takes over what kills have taught another one that knows the same container: the most of both, and what came later.
func (c *Container) Heed(other Floor) {
	own := &c.floor
	if other.At > own.At {
		own.At, own.Slots = other.At, other.Slots
	}
	own.Need, own.Limit = max(own.Need, other.Need), max(own.Limit, other.Limit)
	own.Level, own.Kills = max(own.Level, other.Level), max(own.Kills, other.Kills)
}

// vpaNeed is what VPA takes a kill for: a fifth more, or 100 MiB if that is more.
func vpaNeed(limit int64) float64 { return max(float64(limit)+100<<20, float64(limit)*1.2) }

// raise is the bump by one kill. Several replicas killed at one limit are one of the row.
func (f *Floor) raise(at uint32, base float64) {
	soon := f.At > 0 && at-min(at, f.At) <= uint32(row/time.Second)
	switch {
	case !soon || f.Level == 0:
		f.Level = 1
	case base > f.Limit && int(f.Level) < len(bumps):
		f.Level++
	}
	f.Need = max(f.Need, base*bumps[f.Level-1])
	f.Limit, f.At, f.Slots = max(base, f.Limit), max(f.At, at), 0
	f.Kills = min(f.Kills, 254) + 1
}

// contradict takes an amount that was used as evidence, once a slot if it is contrary.
func (f *Floor) contradict(amount float64, fresh bool) {
	switch {
	case f.Need == 0:
	case amount >= f.Limit*closeToLimit:
		f.Slots = 0
	case fresh:
		f.Slots++
		f.sink(amount)
	}
}

// sink lets the floor go step by step once the evidence is enough.
func (f *Floor) sink(amount float64) {
	if f.Slots <= contrary {
		return
	}
	f.Slots = contrary - Day
	f.Need *= sinking
	if f.Need <= amount*1.2 || f.Need <= f.Limit*closeToLimit {
		*f = Floor{At: f.At} // so that the kill is not learned from again
	}
}
