package sim

import (
	"os"
	"reflect"
	"strconv"
	"testing"
	"time"
)

// The test runs small fleets of a few seeds. SEED=n runs one, SEEDS=1000 more of them; FLEET=full runs a thousand tenants for a week at a step of
// a minute, which takes some minutes for each seed. `make sim` runs what a release is judged by.
func settings(t *testing.T) (config Config, seeds int) {
	config = Config{Seed: uint64(setting(t, "SEED", 1)), Tenants: 4, Days: 2, Step: 15 * time.Second}
	if os.Getenv("FLEET") == "full" {
		config.Tenants, config.Days, config.Step = 1000, 7, time.Minute
	}
	if os.Getenv("SEED") != "" {
		return config, 1
	}
	return config, setting(t, "SEEDS", 5)
}

// setting is a number from the environment, or else the given one.
func setting(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

func check(t *testing.T, worlds Worlds) {
	t.Parallel()
	config, seeds := settings(t)
	config.Worlds = worlds
	if worlds.Seasons { // a week and some days, in as many steps
		config.Days, config.Step = 9, time.Minute
	}
	for range seeds {
		report := Run(config)
		for _, broken := range report.Broken {
			t.Errorf("seed %d: %s", config.Seed, broken)
		}
		if len(report.Broken) > 0 {
			t.Errorf("seed %d alone: FLEET=%s SEED=%d go test ./sim -run '^%s$' -v", config.Seed, os.Getenv("FLEET"), config.Seed, t.Name())
		}
		report.Broken = nil
		t.Logf("seed %d: %+v", config.Seed, *report)
		config.Seed++
	}
}

func TestFleetConvergesAndStaysQuiet(t *testing.T) { check(t, Worlds{}) }

func TestHeldFleetDoesNotTellTheSameOverAndOver(t *testing.T) {
	check(t, Worlds{Talk: true})
}

func TestRestartsComeOnceForASize(t *testing.T) {
	check(t, Worlds{Restarts: true})
}

func TestWhatNodesRefuseIsTakenBackAndLeftForAnHour(t *testing.T) {
	check(t, Worlds{Refusals: true})
}

func TestStormsAreSurvivedOnCrowdedNodes(t *testing.T) {
	check(t, Worlds{Crowded: true})
}

func TestWhatIsTooLargeShrinksUnderAnyLoad(t *testing.T) {
	check(t, Worlds{Shrinks: true})
}

func TestSeasonsMakeNoSawTooth(t *testing.T) {
	check(t, Worlds{Shrinks: true, Seasons: true})
}

func TestSameSeedIsTheSameFleet(t *testing.T) {
	config := Config{Seed: 7, Tenants: 2, Days: 1, Step: time.Minute, Worlds: Worlds{Crowded: true, Refusals: true, Restarts: true, Shrinks: true}}
	if a, b := Run(config), Run(config); !reflect.DeepEqual(a, b) {
		t.Errorf("one run gave\n%+v, the other\n%+v", a, b)
	}
}
