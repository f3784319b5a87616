package prometheus

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/metapilot/metapilot/recommender/source"
)

// answer is the envelope of the HTTP API (https://prometheus.io/docs/prometheus/latest/querying/api/).
type answer struct {
	Status    string   `json:"status"`
	ErrorType string   `json:"errorType"`
	Error     string   `json:"error"`
	Warnings  []string `json:"warnings"`
	Data      struct {
		Type   string          `json:"resultType"`
		Result json.RawMessage `json:"result"`
	} `json:"data"`
}

func parse(body []byte) (answer, error) {
	var a answer
	err := json.Unmarshal(body, &a)
	return a, err
}

// series is one of a vector, which has a value, or of a matrix, which has values. Native histograms have neither; the queries ask for none.
type series struct {
	Labels map[string]string `json:"metric"`
	Value  *point            `json:"value"`
	Values []point           `json:"values"`
}

// points of either.
func (s series) points() []point {
	if s.Value != nil {
		return []point{*s.Value}
	}
	return s.Values
}

// series are there beside an error if the answer is one of a part, as Thanos gives it when a store is away.
func (a answer) series(want string) ([]series, error) {
	if a.Data.Type != want {
		return nil, fmt.Errorf("answers with a result of type %q instead of a %s: look what else speaks there", source.Quote(a.Data.Type), want)
	}
	var all []series
	if err := json.Unmarshal(a.Data.Result, &all); err != nil {
		return nil, fmt.Errorf("gives a result that is no %s (%s)", want, source.Quote(err.Error()))
	}
	if len(a.Warnings) > 0 {
		return all, fmt.Errorf("warns that its answer may not be whole: %s", source.Quote(strings.Join(a.Warnings, ", ")))
	}
	return all, nil
}

// point is an amount at a time.
type point struct {
	At     time.Time
	Amount float64
}

// latest is the year 9999 in unix seconds; time has no room for much more.
const latest = 253402300799

var errPoint = errors.New(`a sample is not of the form [1732363200.5,"1.5"]`)

// UnmarshalJSON takes a time as a number and an amount as text, which may be NaN or infinite, and nothing else: what cannot be read is no zero.
func (p *point) UnmarshalJSON(text []byte) error {
	inner, opened := bytes.CutPrefix(text, []byte("["))
	inner, closed := bytes.CutSuffix(inner, []byte("]"))
	at, amount, two := bytes.Cut(inner, []byte(","))
	unquoted, err := strconv.Unquote(string(bytes.TrimSpace(amount)))
	if !opened || !closed || !two || err != nil {
		return errPoint
	}
	seconds, wrongTime := strconv.ParseFloat(string(bytes.TrimSpace(at)), 64)
	p.Amount, err = strconv.ParseFloat(unquoted, 64)
	if wrongTime != nil || err != nil && !errors.Is(err, strconv.ErrRange) {
		return errPoint
	}
	if math.IsNaN(seconds) || math.Abs(seconds) > latest {
		return errPoint
	}
	p.At = time.UnixMilli(int64(math.Round(seconds * 1000))).UTC()
	return nil
}
