package plan

import "github.com/metapilot/metapilot/scaler/model"

// guardProbe: a tenant that does not answer uses little, and not because it has too much; so nothing of it shrinks while it does not answer its users,
// nor while nobody knows whether it does. Growth does not wait for it.
func guardProbe(d *draft) model.Verdict {
	if d.decision != model.Down || !d.p.Probe {
		return passed
	}
	if why := d.o.Probe.Doubt(); why != "" {
		return hold(why)
	}
	return passed
}
