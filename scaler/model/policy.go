package model

import "time"

// Mode is what is done with a decision.
type Mode string

// What is done with a decision.
const (
	Off    Mode = "Off"
	DryRun Mode = "DryRun"
	Auto   Mode = "Auto"
)

// Policy is how one component is decided about: all layers merged.
type Policy struct {
	Up, Down    Mode
	Paused      string // why; empty if not
	PausedUntil time.Time

	OOM    bool // whether the source counts
	Probe  bool // whether it counts
	CPU    Utilization
	Memory Utilization

	Throttling Utilization // of periods in which the CPU limit was used up

	Factors      []int64 // in percent, for the first kill, the second, and so on
	RepeatWithin time.Duration

	BySize     bool  // whether the scale of the cluster counts
	Profile    bool  // whether its recommendation counts
	Below      int64 // percent of the size: what needs less is too large
	DownWindow time.Duration
	History    time.Duration // that a profile has to have before anything is taken
	DownStep   int64         // percent of the size that one step takes
	Watch      time.Duration

	Estimate         bool  // by utilisation
	CPUTarget        int64 // percent of the request
	MemoryTarget     int64 // percent of the limit
	MaxStep          int64 // percent of the present size
	Min, Max         Amounts
	UpCooldown       time.Duration
	DownCooldown     time.Duration
	Tolerance        int64 // percent
	EarlyCheck       time.Duration
	LateCheck        time.Duration
	QuietBeforeDebts time.Duration

	Causes bool // whether they are looked for

	FleetMoves  int // disruptive moves of the whole fleet within FleetWithin
	FleetWithin time.Duration
	GroupMoves  int           // of its group within GroupWithin
	GroupWithin time.Duration // zero if there are no groups
}

// Utilization is when a source calls for more.
type Utilization struct {
	Enabled    bool
	Above      int64 // percent
	For        time.Duration
	Projection time.Duration // growth that reaches the limit within this counts, too; zero for none
}
