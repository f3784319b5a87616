package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/metapilot/metapilot/e2e/bench"
	"github.com/metapilot/metapilot/recommender/estimator"
	"github.com/metapilot/metapilot/recommender/model"
)

var errNoTraces = errors.New("-traces names no folder: give one that holds nab/*.csv and crane/*.csv")

func measure(o options) error {
	if o.traces == "" {
		return errNoTraces
	}
	var rows []bench.Row
	for _, set := range []struct {
		name  string
		slack float64
	}{{"nab", 45}, {"crane", 55}} {
		all, err := readTraces(filepath.Join(o.traces, set.name))
		if err != nil {
			return err
		}
		rows = append(rows, traceRows(set.name, set.slack, compare(all, contestants(), o.each))...)
		if err := drawFrontier(o, set.name, all); err != nil {
			return err
		}
	}
	rows = append(rows, syntheticRows(o.seed)...)
	fmt.Printf("seed %d\n", o.seed)
	return bench.Write(os.Stdout, o.out, "recommender", rows)
}

// contestants are who takes part, in the order in which they are shown.
func contestants() map[string]func() recommender {
	all := map[string]func() recommender{vpaItself: func() recommender { return newVPA() }, "auto": func() recommender { return newOurs("auto") }}
	for _, a := range estimator.All {
		all["our-"+a.Name] = func() recommender { return newOurs(a.Name) }
	}
	return all
}

// compare is the mean result of every contestant over all series.
func compare(all []series, contestants map[string]func() recommender, each bool) map[string]result {
	means := map[string]result{}
	n := float64(len(all))
	for _, s := range all {
		for name, build := range contestants {
			r, m := replay(s, model.CPU, build()), means[name]
			if each {
				fmt.Printf("%-34s %-12s slack %5.1f%%  exceed %5.2f%%  changes %5.2f a day\n", s.name, name, r.slack, r.exceed, r.changes)
			}
			means[name] = result{m.slack + r.slack/n, m.exceed + r.exceed/n, m.changes + r.changes/n}
		}
	}
	return means
}

const vpaItself = "vpa"

// traceRows are the three figures of a set, of auto and of all others beside it.
func traceRows(set string, slack float64, of map[string]result) []bench.Row {
	auto, theirs := of["auto"], of[vpaItself]
	rows := []bench.Row{
		bench.AtMost(set+"_exceed_percent", "%", auto.exceed, 0.3, "samples above the request; mean of the series"),
		bench.AtMost(set+"_slack_percent", "%", auto.slack, slack, "request that was not used"),
		bench.AtMost(set+"_changes_per_day", "1/d", auto.changes, theirs.changes, "applied when above 10 %"),
	}
	for name, r := range of {
		if name != "auto" {
			rows[0], rows[1], rows[2] = rows[0].Beside(name, r.exceed), rows[1].Beside(name, r.slack), rows[2].Beside(name, r.changes)
		}
	}
	return rows
}
