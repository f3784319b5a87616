package probes

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/metapilot/metapilot/scaler/model"
	"github.com/metapilot/metapilot/scaler/source"
)

var start = time.Date(2026, 12, 1, 3, 0, 0, 0, time.UTC)

func key(i int) types.NamespacedName {
	return types.NamespacedName{Namespace: "fleet", Name: fmt.Sprint("t", i)}
}

// fleet is a source that knows so many tenants, none of which was asked.
func fleet(n int, c Config) (*Source, *clocktesting.FakeClock) {
	clock := clocktesting.NewFakeClock(start)
	s := New(nil, nil, clock, c, nil)
	all := map[types.NamespacedName]tenant{}
	for i := range n {
		all[key(i)] = tenant{uid: types.UID(fmt.Sprint(i)), address: fmt.Sprintf("10.0.0.%d:6443", i)}
	}
	s.replace(all)
	return s, clock
}

// goRound has whoever is next asked, at the pace of the source, for so long; they answer at once. It returns how often each was.
func goRound(s *Source, clock *clocktesting.FakeClock, d time.Duration) map[*tenant]int {
	asked := map[*tenant]int{}
	for end := clock.Now().Add(d); clock.Now().Before(end); clock.Step(s.config.gap()) {
		if t := s.next(); t != nil {
			asked[t]++
			s.done(t, clock.Now(), answer{})
		}
	}
	return asked
}

func TestEachTenantIsAskedOnceAPeriod(t *testing.T) {
	s, clock := fleet(20, Config{Period: 30 * time.Second, Rate: 40})
	if asked := goRound(s, clock, 2*time.Second); len(asked) != 20 {
		t.Errorf("at the start %d of 20 are asked in 2s", len(asked))
	}
	asked := goRound(s, clock, 10*time.Minute)
	for _, one := range s.order {
		if n := asked[one]; n < 17 || n > 25 { // of 20, give or take a fifth
			t.Errorf("in 10m one is asked %d times", n)
		}
	}
	moments := map[time.Time]bool{}
	for _, one := range s.order {
		moments[one.due] = true
	}
	if len(moments) < 15 {
		t.Errorf("20 tenants that came together are asked at %d moments", len(moments))
	}
}

// More tenants than the rate allows: all are asked in turn, and none is forgotten; and an answer counts for as long as that takes.
func TestALargeFleetIsAskedLessOften(t *testing.T) {
	c := Config{Period: 30 * time.Second, Rate: 40}
	s, clock := fleet(1000, c)
	asked := goRound(s, clock, 1000*time.Second)
	for _, one := range s.order {
		if n := asked[one]; n < 9 || n > 11 {
			t.Fatalf("in ten rounds one is asked %d times", n)
		}
	}
	if got := c.stale(1000); got != 310*time.Second {
		t.Errorf("of 1000 tenants an answer counts for %s", got)
	}
	if got := c.stale(10); got != 100*time.Second {
		t.Errorf("of 10 tenants an answer counts for %s", got)
	}
}

// Who was made smaller lately is asked before the others, and twice as often.
func TestWhoWasMadeSmallerComesFirst(t *testing.T) {
	s, clock := fleet(1000, Config{Period: 30 * time.Second, Rate: 40})
	goRound(s, clock, 100*time.Second)
	look := func(i int, lowered time.Time) {
		o := model.Observed{Now: clock.Now(), Lowered: model.Decided{At: lowered}}
		s.Look(source.Component{Tenant: key(i)}, &o)
	}
	look(7, clock.Now().Add(-time.Second))
	look(8, clock.Now().Add(-lately))
	asked := goRound(s, clock, 100*time.Second)
	if n := asked[s.known[key(7)]]; n < 5 || n > 8 {
		t.Errorf("in 100s it was asked %d times", n)
	}
	if n := asked[s.known[key(8)]]; n > 2 {
		t.Errorf("one that was made smaller long ago was asked %d times", n)
	}
	goRound(s, clock, lately)
	if n := goRound(s, clock, 300*time.Second)[s.known[key(7)]]; n > 4 {
		t.Errorf("later it was asked %d times in three rounds", n)
	}
}

// It does not wait for what was due before.
func TestWhoWasMadeSmallerIsAskedSoon(t *testing.T) {
	s, clock := fleet(1, Config{Period: 30 * time.Second, Rate: 40})
	goRound(s, clock, time.Second)
	o := model.Observed{Now: clock.Now(), Lowered: model.Decided{At: clock.Now()}}
	s.Look(source.Component{Tenant: key(0)}, &o)
	if asked := goRound(s, clock, 15*time.Second+s.config.gap()); len(asked) != 1 {
		t.Error("half a period later it was not asked")
	}
}

func TestNobodyIsAskedTwiceAtATime(t *testing.T) {
	s, clock := fleet(1, Config{Period: time.Second, Rate: 40})
	if s.next() == nil {
		t.Fatal("nobody is asked")
	}
	clock.Step(time.Hour)
	if s.next() != nil {
		t.Error("it is asked while it is asked")
	}
}

func TestWhatIsNoted(t *testing.T) {
	s, clock := fleet(1, Config{Period: 30 * time.Second, Rate: 40})
	one := s.known[key(0)]
	want := func(after time.Duration, a answer, p model.Probe) {
		t.Helper()
		clock.Step(after)
		one.note(clock.Now(), a)
		o := model.Observed{Now: clock.Now()}
		s.Look(source.Component{Tenant: key(0)}, &o)
		p.Asked = true
		if o.Probe != p {
			t.Errorf("%+v, want %+v", o.Probe, p)
		}
	}
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	want(time.Second, answer{}, model.Probe{At: at(1), Since: at(1)})
	want(9*time.Second, answer{}, model.Probe{At: at(10), Since: at(1)})
	want(10*time.Second, answer{failed: "list", says: "list: 1"}, model.Probe{Failing: true, Says: "list: 1", At: at(20), Since: at(20)})
	want(10*time.Second, answer{failed: "list", says: "list: 2"}, model.Probe{Failing: true, Says: "list: 1", At: at(30), Since: at(20)})
	want(10*time.Second, answer{failed: "watch", says: "watch: 3"}, model.Probe{Failing: true, Says: "watch: 3", At: at(40), Since: at(20)})
	want(10*time.Second, answer{unknown: "no Secret"}, model.Probe{Unknown: "no Secret"})
	want(10*time.Second, answer{failed: "watch", says: "watch: 4"}, model.Probe{Failing: true, Says: "watch: 4", At: at(60), Since: at(60)})
	want(10*time.Second, answer{}, model.Probe{At: at(70), Since: at(70)})
	clock.Step(100 * time.Second)
	o := model.Observed{Now: clock.Now()}
	if s.Look(source.Component{Tenant: key(0)}, &o); o.Probe.Unknown != "" {
		t.Errorf("an answer of %s ago counts for nothing: %+v", 100*time.Second, o.Probe)
	}
	clock.Step(time.Second)
	o.Now = clock.Now()
	if s.Look(source.Component{Tenant: key(0)}, &o); o.Probe != (model.Probe{Asked: true, Unknown: "it was asked last at 2026-12-01 03:01:10"}) {
		t.Errorf("an old answer is %+v", o.Probe)
	}
}

// Tenants come, go, and are made again: what is known of one is never said of another.
func TestTenantsComeAndGo(t *testing.T) {
	s, clock := fleet(3, Config{Period: 30 * time.Second, Rate: 40})
	goRound(s, clock, time.Second)
	same, moved, again := s.known[key(0)], s.known[key(1)], s.known[key(2)]
	s.replace(map[types.NamespacedName]tenant{
		key(0): {uid: "0", address: "10.0.0.0:6443"}, key(1): {uid: "1", address: "10.0.0.9:6443"}, key(2): {uid: "another", address: "10.0.0.2:6443"},
		key(3): {uid: "3", address: "10.0.0.3:6443"},
	})
	if s.known[key(0)] != same || s.known[key(1)] == moved || s.known[key(2)] == again || len(s.order) != 4 {
		t.Errorf("of %d tenants the wrong ones are the same", len(s.order))
	}
	for i := 1; i < 4; i++ {
		if p := s.known[key(i)].probe; p.Unknown != "it was not asked yet" {
			t.Errorf("tenant %d has %+v", i, p)
		}
	}
	s.replace(nil)
	if len(s.known) != 0 || len(s.order) != 0 || slices.ContainsFunc(s.order[:cap(s.order)], func(t *tenant) bool { return t != nil }) {
		t.Errorf("there are still %d tenants and %d in the row", len(s.known), len(s.order))
	}
}

// A scaler that has just started knows nothing of anybody.
func TestAtTheStartNothingIsKnown(t *testing.T) {
	s := New(nil, nil, clocktesting.NewFakeClock(start), Config{Period: 30 * time.Second, Rate: 40}, nil)
	o := model.Observed{Now: start}
	s.Look(source.Component{Tenant: key(0)}, &o)
	if o.Probe != (model.Probe{Asked: true, Unknown: "it was not asked yet"}) || o.Fleet.Stopped() == "" {
		t.Errorf("%+v, %+v", o.Probe, o.Fleet)
	}
}

// Of the whole fleet, an outage is told once when it begins and once when it is over.
func TestAnOutageIsToldOnce(t *testing.T) {
	s, clock := fleet(20, Config{Period: 30 * time.Second, Rate: 40})
	var told []bool
	s.outage = func(f model.Fleet) { told = append(told, f.Outage) }
	is := func(n int, a answer) {
		for i := range 20 {
			one := answer{}
			if i < n {
				one = a
			}
			s.known[key(i)].note(clock.Now(), one)
		}
		s.reckon()
		s.reckon()
	}
	is(1, answer{failed: "readyz"})
	is(5, answer{unknown: "no Secret"})
	if len(told) != 0 || s.fleet.Unknown != 5 || s.fleet.Failing != 0 {
		t.Fatalf("told %v of %+v", told, s.fleet)
	}
	is(2, answer{failed: "readyz"})
	clock.Step(model.CalmFor)
	is(1, answer{failed: "readyz"})
	clock.Step(model.CalmFor - time.Second)
	is(0, answer{})
	if !slices.Equal(told, []bool{true}) {
		t.Fatalf("told %v of %+v", told, s.fleet)
	}
	clock.Step(time.Second)
	is(0, answer{})
	if !slices.Equal(told, []bool{true, false}) {
		t.Errorf("told %v of %+v", told, s.fleet)
	}
	clock.Step(time.Hour) // nobody was asked since
	s.reckon()
	if s.fleet.Unknown != 20 || s.fleet.Stopped() == "" {
		t.Errorf("after an hour without a question %+v", s.fleet)
	}
}

func TestFlags(t *testing.T) {
	for want, c := range map[string]Config{
		"":                    {Period: 30 * time.Second, Rate: 40},
		"off ":                {Rate: 40},
		"--probe-period 10ms": {Period: 10 * time.Millisecond, Rate: 40},
		"--probe-period -1s":  {Period: -time.Second, Rate: 40},
		"--probe-rate 0: give a number from 1 to 1000":    {Period: time.Second},
		"--probe-rate 1001: give a number from 1 to 1000": {Period: time.Second, Rate: 1001},
	} {
		switch err := c.Check(); {
		case err == nil && want != "" && want != "off ", err != nil && (want == "" || !strings.Contains(err.Error(), want)):
			t.Errorf("%+v: %v, want %q", c, err, want)
		}
	}
	if n := (Config{Rate: 40}).parallel(); n != 101 {
		t.Errorf("%d are asked at the same time", n)
	}
}
