package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// series is usage over time. What is missing is missing.
type series struct {
	name   string
	points []point
}

type point struct {
	at     time.Time
	amount float64 // thousandths of a core or bytes
}

// peakCPU is what every trace is scaled to, in thousandths of a core, so that floors play no part.
const peakCPU = 8000

// readTraces reads all series of a folder.
func readTraces(folder string) ([]series, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.csv"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s holds no .csv file", folder)
	}
	var all []series
	for _, file := range files {
		s, err := readTrace(file)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", file, err)
		}
		all = append(all, s)
	}
	return all, nil
}

func readTrace(file string) (series, error) {
	f, err := os.Open(file)
	if err != nil {
		return series{}, err
	}
	defer f.Close()
	s := series{name: filepath.Base(file)}
	lines := bufio.NewScanner(f)
	lines.Scan() // the head
	for lines.Scan() {
		p, err := parsePoint(lines.Text())
		if err != nil {
			return series{}, err
		}
		if n := len(s.points); n == 0 || p.at.After(s.points[n-1].at) { // traces repeat an hour when a clock was put back
			s.points = append(s.points, p)
		}
	}
	if len(s.points) == 0 {
		return series{}, errors.New("it has no samples")
	}
	return s.scaled(), lines.Err()
}

func parsePoint(line string) (point, error) {
	stamp, value, _ := strings.Cut(line, ",")
	amount, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if err != nil {
		return point{}, err
	}
	if unix, err := strconv.ParseInt(stamp, 10, 64); err == nil {
		return point{time.Unix(unix, 0).UTC(), amount}, nil
	}
	at, err := time.Parse(time.DateTime, stamp)
	return point{at, amount}, err
}

func (s series) scaled() series {
	highest := 0.0
	for _, p := range s.points {
		highest = max(highest, p.amount)
	}
	for i := range s.points {
		s.points[i].amount *= peakCPU / highest
	}
	return s
}
