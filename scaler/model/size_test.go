package model

import (
	"math"
	"testing"
)

const mi = 1 << 20

func TestWithChangesOneResourceAndKeepsTheRest(t *testing.T) {
	for name, tc := range map[string]struct {
		from            Size
		resource        Resource
		steered, proven int64
		want            Size
	}{
		"CPU without a limit": {
			Size{Requests: Amounts{100, 64 * mi}, Limits: Amounts{0, 128 * mi}}, CPU, 200, 180,
			Size{Requests: Amounts{200, 64 * mi}, Limits: Amounts{0, 128 * mi}},
		},
		"CPU with a limit keeps the ratio": {
			Size{Requests: Amounts{100, 64 * mi}, Limits: Amounts{300, 0}}, CPU, 250, 0,
			Size{Requests: Amounts{250, 64 * mi}, Limits: Amounts{750, 0}},
		},
		"CPU with a limit and no request keeps the limit": {
			Size{Limits: Amounts{300, 0}}, CPU, 250, 0,
			Size{Requests: Amounts{250, 0}, Limits: Amounts{300, 0}},
		},
		"CPU with request and limit the same": {
			Size{Requests: Amounts{100, 0}, Limits: Amounts{100, 0}}, CPU, 130, 0,
			Size{Requests: Amounts{130, 0}, Limits: Amounts{130, 0}},
		},
		"memory is steered by its limit, and requests what is proven": {
			Size{Requests: Amounts{100, 64 * mi}, Limits: Amounts{0, 128 * mi}}, Memory, 256 * mi, 120 * mi,
			Size{Requests: Amounts{100, 120 * mi}, Limits: Amounts{0, 256 * mi}},
		},
		"memory that is proven already": {
			Size{Requests: Amounts{100, 64 * mi}, Limits: Amounts{0, 128 * mi}}, Memory, 256 * mi, 10 * mi,
			Size{Requests: Amounts{100, 64 * mi}, Limits: Amounts{0, 256 * mi}},
		},
		"memory never requests as much as its limit": {
			Size{Requests: Amounts{100, 64 * mi}, Limits: Amounts{0, 128 * mi}}, Memory, 256 * mi, 999 * mi,
			Size{Requests: Amounts{100, 255 * mi}, Limits: Amounts{0, 256 * mi}},
		},
		"a lower memory limit takes the request with it": {
			Size{Requests: Amounts{100, 256 * mi}, Limits: Amounts{0, 512 * mi}}, Memory, 128 * mi, 0,
			Size{Requests: Amounts{100, 64 * mi}, Limits: Amounts{0, 128 * mi}},
		},
		"a lower memory limit leaves the request what is proven": {
			Size{Requests: Amounts{100, 64 * mi}, Limits: Amounts{0, 128 * mi}}, Memory, 96 * mi, 60 * mi,
			Size{Requests: Amounts{100, 60 * mi}, Limits: Amounts{0, 96 * mi}},
		},
		"a lower memory limit never raises the request": {
			Size{Requests: Amounts{100, 16 * mi}, Limits: Amounts{0, 128 * mi}}, Memory, 96 * mi, 60 * mi,
			Size{Requests: Amounts{100, 16 * mi}, Limits: Amounts{0, 96 * mi}},
		},
		"a lower memory limit stays above the request": {
			Size{Requests: Amounts{100, 64 * mi}, Limits: Amounts{0, 128 * mi}}, Memory, 32 * mi, 60 * mi,
			Size{Requests: Amounts{100, 31 * mi}, Limits: Amounts{0, 32 * mi}},
		},
		"memory with a request that is the least there may be": {
			Size{Requests: Amounts{100, 40 * mi}, Limits: Amounts{0, 160 * mi}}, Memory, 120 * mi, 0,
			Size{Requests: Amounts{100, 32 * mi}, Limits: Amounts{0, 120 * mi}},
		},
		"memory with a request that is less than that already": {
			Size{Requests: Amounts{100, 16 * mi}, Limits: Amounts{0, 160 * mi}}, Memory, 120 * mi, 0,
			Size{Requests: Amounts{100, 16 * mi}, Limits: Amounts{0, 120 * mi}},
		},
		"memory without a limit": {
			Size{Requests: Amounts{100, 64 * mi}}, Memory, 256 * mi, 120 * mi,
			Size{Requests: Amounts{100, 256 * mi}},
		},
		"memory with request and limit the same": {
			Size{Requests: Amounts{100, 64 * mi}, Limits: Amounts{0, 64 * mi}}, Memory, 256 * mi, 120 * mi,
			Size{Requests: Amounts{100, 256 * mi}, Limits: Amounts{0, 256 * mi}},
		},
		"memory of a size beyond what floats count exactly": {
			Size{Requests: Amounts{0, 1<<53 + 1}, Limits: Amounts{0, 1<<53 + 1}}, Memory, 1<<54 + 4, 0,
			Size{Requests: Amounts{0, 1<<54 + 4}, Limits: Amounts{0, 1<<54 + 4}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tc.from.With(tc.resource, tc.steered, tc.proven); got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}

// A limit that loses a thousandth of a core at each step would end below its request's share.
func TestLimitKeepsItsRatioThroughManySteps(t *testing.T) {
	for request := int64(1); request <= 300; request++ {
		s := Size{Requests: Amounts{CPU: request}, Limits: Amounts{CPU: 3 * request}}
		for next := request + 1; next <= request+50; next++ {
			s = s.With(CPU, next, 0)
		}
		if s.Limits.CPU != 3*s.Requests.CPU {
			t.Errorf("from %dm of %dm it came to %dm of %dm", request, 3*request, s.Requests.CPU, s.Limits.CPU)
		}
	}
}

func TestSteeredAmount(t *testing.T) {
	for name, tc := range map[string]struct {
		size     Size
		resource Resource
		want     int64
	}{
		"CPU is its request":                       {Size{Requests: Amounts{100, 1}, Limits: Amounts{300, 2}}, CPU, 100},
		"memory is its limit":                      {Size{Requests: Amounts{100, 1}, Limits: Amounts{300, 2}}, Memory, 2},
		"memory without a limit is its request":    {Size{Requests: Amounts{100, 1}}, Memory, 1},
		"CPU with a limit and no request is none":  {Size{Limits: Amounts{300, 0}}, CPU, 0},
		"what has neither request nor limit: none": {Size{}, Memory, 0},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tc.size.Steered(tc.resource); got != tc.want {
				t.Errorf("got %d, want %d", got, tc.want)
			}
		})
	}
}

func TestAmountsInWords(t *testing.T) {
	for want, got := range map[string]string{
		"0m": Short(CPU, 0), "250m": Short(CPU, 250), "12000m": Short(CPU, 12000),
		"0Mi": Short(Memory, 0), "512Mi": Short(Memory, 512*mi), "10239Mi": Short(Memory, 10<<30-1), "10.0Gi": Short(Memory, 10<<30),
		"8589934592.0Gi": Short(Memory, math.MaxInt64),
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
