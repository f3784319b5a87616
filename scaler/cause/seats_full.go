package cause

import (
	"fmt"

	"github.com/metapilot/metapilot/scaler/model"
)

const (
	// turnedAway are the requests in a second that count as more than a client that was unlucky once: six in a minute. Ours.
	turnedAway = 0.1
	// taken is the share of a level's seats that are taken when requests that wait do so for want of seats, in percent. Ours: seats are counted
	// at one moment, and those that others have borrowed are missing.
	taken = 90
)

// seatsFull: requests wait for the seats of a priority level, or are turned away, and the CPU that the API server has asked for is not used.
func seatsFull(s *sight) model.Cause {
	c := model.Cause{CPU: model.CannotHelp, Memory: model.CannotHelp}
	var full []string
	s.servers(func(pod *model.Pod, r *model.Reading) {
		if s.waitsForCPU(pod) {
			return // requests may take so long for want of CPU
		}
		levels, rejects := s.fullLevels(pod, r.APIServer, &c)
		if full = append(full, levels...); len(levels) == 0 {
			return
		}
		if sureness := s.sureOfSeats(pod, rejects); sureness > c.Confidence {
			c.Confidence = sureness
		}
		if !s.cpu(pod).known {
			c.CPU = ""
		}
	})
	if c.Confidence == 0 {
		return none
	}
	c.Says = "requests wait for a seat or are turned away: of " + named(full)
	c.Helps = "raise the priority level's nominalConcurrencyShares, the API server's requests in flight or its replicas, or slow the client down"
	if c.CPU == model.CannotHelp {
		c.Says, c.Helps = c.Says+"; it has CPU to spare meanwhile", c.Helps+"; more CPU cannot"
	}
	c.Evidence = lines(c.Evidence)
	return c
}

// sureOfSeats: what is turned away is told by the API server itself, and only the use of CPU leaves a doubt.
func (s *sight) sureOfSeats(pod *model.Pod, rejects bool) int64 {
	switch known := s.cpu(pod).known; {
	case rejects && known:
		return sure
	case rejects || known:
		return likely
	}
	return maybe
}

// fullLevels are those of one API server, with the flow schema that most of what was turned away came through.
func (s *sight) fullLevels(pod *model.Pod, a *model.APIServer, c *model.Cause) (full []string, rejects bool) {
	if len(a.Levels) == 0 && s.over(a.Rejected, turnedAway) {
		c.Evidence = append(c.Evidence, fmt.Sprintf("%s turns away %.1f of %.1f requests in a second", pod.Name, a.Rejected, a.Requests))
		return []string{"all that it takes at once"}, true
	}
	for i := range a.Levels {
		l := &a.Levels[i]
		away := s.over(l.Rejected, turnedAway)
		if waits := l.Queued > 0 && l.Seats > 0 && s.over(l.Executing*100, l.Seats*taken-1); !away && !waits {
			continue
		}
		rejects = rejects || away
		name, through := "priority level "+short(l.Name), schemaOf(a.Flows, l.Name)
		if through != "" {
			name += " (flow schema " + short(through) + ")"
		}
		full = append(full, name)
		c.Evidence = append(c.Evidence, fmt.Sprintf("%s: %s has %.0f seats, %.0f are taken, %.0f requests wait, %.1f in a second are turned away%s",
			pod.Name, name, l.Seats, l.Executing, l.Queued, l.Rejected, because(l.Reason)))
	}
	return full, rejects
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return " (" + short(reason) + ")"
}

// schemaOf is the flow schema of a level that most was turned away of, or that asks for most; empty if none is known.
func schemaOf(flows []model.Flow, level string) string {
	var most *model.Flow
	for i := range flows {
		f := &flows[i]
		if f.Level != level {
			continue
		}
		if most == nil || f.Rejected > most.Rejected || f.Rejected == most.Rejected && (f.Work > most.Work || f.Work == most.Work && f.Schema < most.Schema) {
			most = f
		}
	}
	if most == nil {
		return ""
	}
	return most.Schema
}
