package plan
import "testing"
func TestScan(t *testing.T) {
	for seed := uint64(2000); seed < 150000; seed++ {
		t.Run("", func(t *testing.T) {
		o, p := randomCase(seed)
		plan := checkSameBytes(t, seed)
		checkSaysWhy(t, o, &plan)
		checkBounds(t, p, &plan)
		checkSizes(t, &plan)
		checkForbidden(t, o, p, &plan)
		checkMoreKills(t, seed, &plan)
		checkComesToRest(t, o, p)
		if t.Failed() {
			t.Logf("seed %d: %s: %s\nfrom %s\nto   %s", seed, verb(&plan), plan.Reason, words(plan.From), words(plan.To))
		}
		})
	}
}
