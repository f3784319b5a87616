package main

import (
	"flag"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// options are the flags.
type options struct {
	sizes    []int         // tenants in each run
	settle   time.Duration // until the work of starting is over
	rest     time.Duration // that is looked at then
	kills    int
	records  int           // of each component
	profiles time.Duration // in which every profile is written once, as the recommender does; 0 for never
	flags    string        // more of the cluster-scaler's
	out      string        // folder
	keep     string        // folder for what the scaler says and a profile of its memory and CPU; empty for none
}

func parse() (o options, err error) {
	sizes := flag.String("sizes", "100,1000,10000", "tenants in each run; the last run is the one that aims are about")
	flag.DurationVar(&o.settle, "settle", 2*time.Minute, "until the work of starting is over")
	flag.DurationVar(&o.rest, "rest", 4*time.Minute, "for how long the scaler is looked at while nothing happens")
	flag.IntVar(&o.kills, "kills", 200, "containers that are killed for want of memory while the scaler looks at all tenants")
	flag.DurationVar(&o.profiles, "profiles", 5*time.Minute, "time in which every WorkloadProfile is written once, as a recommender does; 0 for never")
	flag.IntVar(&o.records, "records", 2, "ScalingRecords of each component")
	flag.StringVar(&o.flags, "scaler-flags", "", "more flags of the cluster-scaler, separated by spaces")
	flag.StringVar(&o.out, "out", "../bench", "folder for fleet.json and fleet.svg")
	flag.StringVar(&o.keep, "keep", "", "folder for the scaler's log and for profiles of its memory and CPU")
	flag.Parse()
	for field := range strings.SplitSeq(*sizes, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(field))
		if err != nil || n < 1 || n > most {
			return o, fmt.Errorf("-sizes %q: write numbers of tenants from 1 to %d, such as 100,1000", *sizes, most)
		}
		o.sizes = append(o.sizes, n)
	}
	if o.kills < 1 || o.rest < time.Minute {
		return o, fmt.Errorf("-kills %d -rest %s: give at least 1 and a minute", o.kills, o.rest)
	}
	return o, nil
}
