package estimator

import (
	"testing"
	"time"

	"github.com/metapilot/metapilot/scaler/model"
)

const (
	mi     = int64(1 << 20)
	period = 15 * time.Second
)

var now = time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)

// samples are memory readings every 15 s, the last one now. CPU is a thousandth of a core for each MiB.
func samples(memory ...int64) (all []model.Sample) {
	for i, m := range memory {
		all = append(all, model.Sample{At: now.Add(time.Duration(i-len(memory)+1) * period), CPU: m / mi, Memory: m})
	}
	return all
}

// series has n readings, each given by its number.
func series(n int, at func(int64) int64) []model.Sample {
	memory := make([]int64, n)
	for i := range memory {
		memory[i] = at(int64(i))
	}
	return samples(memory...)
}

func observed(limit int64, usage ...[]model.Sample) *model.Observed {
	o := &model.Observed{Now: now, Size: model.Size{Requests: model.Amounts{CPU: limit / mi, Memory: limit / 2}, Limits: model.Amounts{Memory: limit}}}
	for i, u := range usage {
		o.Pods = append(o.Pods, model.Pod{Name: string(rune('a' + i)), Usage: u})
	}
	return o
}

func policy() *model.Policy {
	return &model.Policy{
		Profile: true, Below: 40, DownWindow: 12 * time.Hour, DownStep: 25, Watch: time.Hour,
		OOM: true, Estimate: true, Factors: []int64{150, 300, 400}, RepeatWithin: 30 * time.Minute, MaxStep: 200,
		CPU: model.Utilization{Enabled: true, Above: 80, For: time.Minute}, CPUTarget: 60,
		Memory: model.Utilization{Enabled: true, Above: 85, For: time.Minute, Projection: 15 * time.Minute}, MemoryTarget: 70,
	}
}

// Every estimator either proposes more than there is, with its evidence, or abstains and says why.
func TestContractOfEstimators(t *testing.T) {
	for _, e := range All {
		for name, o := range map[string]*model.Observed{
			"nothing known":    {Now: now},
			"no readings":      observed(512*mi, nil, nil),
			"one reading":      observed(512*mi, samples(500*mi)),
			"idle":             observed(512*mi, series(60, func(int64) int64 { return 100 * mi })),
			"busy":             observed(512*mi, series(60, func(int64) int64 { return 500 * mi })),
			"profile of more":  profiled(observed(512*mi, series(60, func(int64) int64 { return 100 * mi })), 700),
			"profile of less":  profiled(observed(512*mi, series(60, func(int64) int64 { return 100 * mi })), 100),
			"usage is unknown": {Now: now, Metrics: "no answer", Size: model.Size{Requests: model.Amounts{CPU: 1, Memory: 1}}},
		} {
			p := e.Propose(o, policy())
			if p.Says == "" || p.Resource != model.CPU && p.Resource != model.Memory {
				t.Errorf("%s, %s: does not say what about or why: %+v", e.Name, name, p)
			}
			if evidence := !p.Signal.IsZero() && (p.Pod != "" || p.Source == "profile") && p.Source != ""; evidence != (p.Value > o.Size.Steered(p.Resource)) {
				t.Errorf("%s, %s: proposes without evidence, or has some and abstains: %+v", e.Name, name, p)
			}
			checkLess(t, e.Name+", "+name, o, p)
			if abstained := (model.Proposal{Estimator: p.Estimator, Resource: p.Resource, Says: p.Says}); p.Value == 0 && p != abstained {
				t.Errorf("%s, %s: abstains, and has more to say: %+v", e.Name, name, p)
			}
		}
	}
}

// checkLess: who proposes less says so, and nobody else does.
func checkLess(t *testing.T, who string, o *model.Observed, p model.Proposal) {
	t.Helper()
	if less := p.Value > 0 && p.Value < o.Size.Steered(p.Resource); p.Less != less {
		t.Errorf("%s: says that it is less: %t, proposes %d of %d", who, p.Less, p.Value, o.Size.Steered(p.Resource))
	}
}

func TestOOMFollowsTheRowOfLimits(t *testing.T) {
	kill := func(ago time.Duration, limit int64) model.Kill {
		return model.Kill{Pod: "a", At: now.Add(-ago), Limit: limit * mi}
	}
	for name, tc := range map[string]struct {
		kills []model.Kill
		usage []model.Sample
		want  int64 // MiB; zero if it abstains
	}{
		"no kill":                                 {nil, nil, 0},
		"one":                                     {[]model.Kill{kill(0, 512)}, nil, 768},
		"below the decided limit":                 {[]model.Kill{kill(0, 511)}, nil, 0},
		"above the decided limit":                 {[]model.Kill{kill(0, 600)}, nil, 900},
		"too long ago":                            {[]model.Kill{kill(31*time.Minute, 512)}, nil, 0},
		"just not too long ago":                   {[]model.Kill{kill(30*time.Minute, 512)}, nil, 768},
		"many at one limit":                       {[]model.Kill{kill(3*time.Minute, 512), kill(time.Minute, 512), kill(0, 512)}, nil, 768},
		"the second limit":                        {[]model.Kill{kill(time.Minute, 341), kill(0, 512)}, nil, 1536},
		"the third limit":                         {[]model.Kill{kill(2*time.Minute, 100), kill(time.Minute, 341), kill(0, 512)}, nil, 2048},
		"factors end, the last one goes on":       {[]model.Kill{kill(4*time.Minute, 50), kill(3*time.Minute, 60), kill(2*time.Minute, 100), kill(time.Minute, 341), kill(0, 512)}, nil, 2048},
		"the older limit is too long ago":         {[]model.Kill{kill(31*time.Minute, 341), kill(0, 512)}, nil, 768},
		"each within reach of the next":           {[]model.Kill{kill(50*time.Minute, 100), kill(25*time.Minute, 341), kill(0, 512)}, nil, 2048},
		"a straggler at the old limit, later":     {[]model.Kill{kill(2*time.Minute, 341), kill(time.Minute, 512), kill(0, 341)}, nil, 1536},
		"the most that was used is the base":      {[]model.Kill{kill(0, 512)}, samples(100*mi, 600*mi, 50*mi), 900},
		"less than the limit was seen to be used": {[]model.Kill{kill(0, 512)}, samples(100 * mi), 768},
	} {
		t.Run(name, func(t *testing.T) {
			o := observed(512*mi, tc.usage)
			o.Kills = tc.kills
			p := OOM(o, policy())
			if got := (p.Value + mi - 1) / mi; got != tc.want || p.Urgent != (tc.want > 0) {
				t.Errorf("got %d Mi, urgent %t, want %d Mi: %s", got, p.Urgent, tc.want, p.Says)
			}
		})
	}
}

func TestUseHasToBeAboveAllTheTime(t *testing.T) {
	above, below := 450*mi, 430*mi // of 512 MiB: 87 % and 83 %
	for name, tc := range map[string]struct {
		usage []model.Sample
		want  int64 // MiB
	}{
		"no reading":                       {nil, 0},
		"one reading":                      {samples(above), 0},
		"45 s":                             {samples(above, above, above, above), 0},
		"60 s":                             {samples(above, above, above, above, above), 642},
		"a dip in between":                 {samples(above, above, below, above, above), 0},
		"a dip before":                     {samples(below, above, above, above, above, above), 642},
		"the last one decides how much":    {samples(500*mi, 500*mi, 500*mi, 500*mi, above), 642},
		"a step that its guard will trim":  {samples(900*mi, 900*mi, 900*mi, 900*mi, 900*mi), 1285},
		"exactly at the threshold is fine": {samples(512*mi*85/100, 512*mi*85/100, 512*mi*85/100, 512*mi*85/100, 512*mi*85/100), 0},
	} {
		t.Run(name, func(t *testing.T) {
			if p := Memory(observed(512*mi, tc.usage), policy()); p.Value/mi != tc.want {
				t.Errorf("got %d Mi, want %d Mi: %s", p.Value/mi, tc.want, p.Says)
			}
		})
	}
}

func TestTheHungriestPodCounts(t *testing.T) {
	five := func(m int64) []model.Sample { return samples(m, m, m, m, m) }
	p := Memory(observed(512*mi, five(100*mi), five(480*mi), nil, five(450*mi)), policy())
	if p.Pod != "b" || p.Value/mi != 685 || p.Proven != 480*mi {
		t.Errorf("%s, %d Mi, proven %d Mi: %s", p.Pod, p.Value/mi, p.Proven/mi, p.Says)
	}
	p = CPU(observed(512*mi, five(100*mi), five(480*mi), nil, five(450*mi)), policy())
	if p.Pod != "b" || p.Value != 800 {
		t.Errorf("%s, %dm: %s", p.Pod, p.Value, p.Says)
	}
}

// A straight line is believed, whatever does not follow one is not.
func TestTrend(t *testing.T) {
	for name, tc := range map[string]struct {
		usage []model.Sample
		want  bool
	}{
		"no reading":        {nil, false},
		"flat":              {series(60, func(int64) int64 { return 400 * mi }), false},
		"rising":            {series(40, func(i int64) int64 { return (300 + 3*i) * mi }), true},
		"rising a little":   {series(40, func(i int64) int64 { return 300*mi + i*mi/20 }), false},
		"falling":           {series(40, func(i int64) int64 { return (500 - 4*i) * mi }), false},
		"noisy and flat":    {series(40, func(i int64) int64 { return (360 + i*7919%70) * mi }), false},
		"rising with noise": {series(40, func(i int64) int64 { return (300 + 3*i + i*7919%9) * mi }), true},
		"rising, then flat": {series(60, func(i int64) int64 { return min(250+40*i, 400) * mi }), false},
		"a saw":             {series(60, func(i int64) int64 { return (300 + 8*(i%15)) * mi }), false},
		"too few":           {series(7, func(i int64) int64 { return (300 + 15*i) * mi }), false},
		"too short":         {series(12, func(i int64) int64 { return (300 + 9*i) * mi }), false},
		"from a low start":  {series(40, func(i int64) int64 { return (50 + 4*i) * mi }), false},
	} {
		t.Run(name, func(t *testing.T) {
			if p := Memory(observed(512*mi, tc.usage), policy()); (p.Value > 0) != tc.want {
				t.Errorf("proposes %d Mi: %s", p.Value/mi, p.Says)
			}
		})
	}
}

func TestLine(t *testing.T) {
	for name, tc := range map[string]struct {
		usage      []model.Sample
		slope, fit float64
	}{
		"one reading":  {samples(5), 0, 0},
		"two readings": {samples(0, 30), 2, 1},
		"flat":         {samples(7, 7, 7, 7), 0, 0},
		"rising":       {samples(0, 15, 30, 45), 1, 1},
		"falling":      {samples(45, 30, 15, 0), -1, 1},
		"at one time":  {[]model.Sample{{At: now, Memory: 1}, {At: now, Memory: 2}}, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			if slope, fit := Line(tc.usage); slope != tc.slope || fit != tc.fit {
				t.Errorf("slope %v, fit %v, want %v, %v", slope, fit, tc.slope, tc.fit)
			}
		})
	}
}

// No node has more than 8 PiB, and up to there arithmetic is exact whatever the policy says.
func TestLargestLimits(t *testing.T) { checkLimit(t, 8<<50) }

// checkLimit has a container that uses little of its limit, and is killed at it all the same.
func checkLimit(t *testing.T, limit int64) {
	t.Helper()
	o := observed(limit, samples(450*mi, 450*mi, 450*mi, 450*mi, 450*mi))
	o.Kills = []model.Kill{{Pod: "a", At: now, Limit: limit}}
	for percent := int64(1); percent <= 900; percent++ {
		p := policy()
		p.Memory.Above, p.Factors = percent, []int64{100 + percent}
		if got := Memory(o, p); got.Value != 0 {
			t.Fatalf("450 Mi are above %d%% of %d: %s", percent, limit, got.Says)
		}
		if got := OOM(o, p); got.Value < limit {
			t.Fatalf("a kill at %d: %d: %s", limit, got.Value, got.Says)
		}
	}
}
