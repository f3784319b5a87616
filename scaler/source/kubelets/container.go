package kubelets

import (
	"time"

	"github.com/metapilot/metapilot/scaler/model"
)

// container is what is known of one.
type container struct {
	last   count
	shares []model.Throttle
	looked time.Time
}

// count is how many of the scheduler's periods a container has had, and in how many of them it had used up its limit.
type count struct {
	at                 time.Time
	periods, throttled float64
}

// Two counts are compared when they are so far apart. A kubelet looks at its containers about every 10 seconds, and a container that does nothing has no
// periods: where none have passed, it is not throttled, unless the kubelet has not looked.
const (
	looks    = time.Minute
	furthest = 15 * time.Minute
)

// add takes a new count.
func (c *container) add(n count) {
	over := n.at.Sub(c.last.at)
	passed, used := n.periods-c.last.periods, n.throttled-c.last.throttled
	switch {
	case c.last.at.IsZero() || over > furthest || passed < 0 || used < 0 || used > passed: // another container, or nothing to compare with
		c.last = n
		return
	case passed == 0 && over < looks:
		return
	}
	share := model.Throttle{At: n.at, Over: over}
	if passed > 0 {
		share.Percent = int64(used * 100 / passed)
	}
	if c.last = n; len(c.shares) == kept {
		c.shares = append(c.shares[:0:0], c.shares[1:]...)
	}
	c.shares = append(c.shares, share)
}

// throttled: it was, when it was looked at last.
func (c *container) throttled() bool {
	n := len(c.shares)
	return n > 0 && c.shares[n-1].Percent > 0
}
