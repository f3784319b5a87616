package units

import "testing"

func TestGoMemLimitLeavesATenthToWhatTheRuntimeDoesNotCount(t *testing.T) {
	for limit, want := range map[int64]int64{0: 0, 9: 0, 10: 9, 1 << 30: 966367638, 1 << 40: 989560464993} {
		if got := GoMemLimit(limit); got != want {
			t.Errorf("of a limit of %d bytes GOMEMLIMIT is %d, want %d", limit, got, want)
		}
	}
}

// Two components that reckon it for one size must agree to the byte, or a restart would be due for ever.
func TestGoMemLimitNeverReachesTheLimit(t *testing.T) {
	for limit := int64(1); limit < 1<<50; limit = limit*3 + 7 {
		if got := GoMemLimit(limit); got >= limit || got < limit/10*8 {
			t.Errorf("of a limit of %d bytes GOMEMLIMIT is %d", limit, got)
		}
	}
}
