package sim

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"
)

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

// check runs fleets of several seeds, or only of SEED. SEEDS, TENANTS and DAYS make it larger: SEEDS=1000, or TENANTS=1000 DAYS=7 for a release.
func check(t *testing.T, config Config) {
	seeds, first := setting(t, "SEEDS", 12), setting(t, "SEED", 1)
	if os.Getenv("SEED") != "" {
		seeds = 1
	}
	config.Tenants, config.Days = setting(t, "TENANTS", 4), setting(t, "DAYS", 2)
	config.Step = time.Duration(setting(t, "STEP", 15)) * time.Second
	for i := range seeds {
		config.Seed = uint64(first + i)
		report := Run(config)
		for _, broken := range report.Broken {
			t.Errorf("seed %d: %s", config.Seed, broken)
		}
		if len(report.Broken) > 0 {
			t.Errorf("seed %d alone: SEED=%d TENANTS=%d DAYS=%d STEP=%d go test ./sim -run '^%s$'",
				config.Seed, config.Seed, config.Tenants, config.Days, config.Step/time.Second, t.Name())
		}
		t.Log(fmt.Sprintf("seed %d: %+v", config.Seed, summary(report)))
	}
}

func summary(r *Report) Report {
	short := *r
	short.Broken = nil
	return short
}

func TestFleetConvergesAndStaysQuiet(t *testing.T) { check(t, Config{}) }

func TestWhatIsHeldIsNotToldOverAndOver(t *testing.T) { check(t, Config{Talk: true}) }

func TestRestartsPayDebtsAndNothingElse(t *testing.T) { check(t, Config{Restarts: true}) }

func TestWhatNodesRefuseIsTakenBackAndLeft(t *testing.T) { check(t, Config{Refusals: true}) }

func TestCrowdedNodesAreSurvived(t *testing.T) { check(t, Config{Crowded: true}) }
