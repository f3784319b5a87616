// Command recommender (bench) replays usage traces and seeded synthetic series through every algorithm of ours and through VPA's own packages, under
// one rule: a change is applied when it is above 10 %.
package main

import (
	"flag"
	"fmt"
	"os"
)

// options are the flags.
type options struct {
	traces string // folder with nab/*.csv and crane/*.csv
	out    string // folder
	seed   uint64
	each   bool
}

func main() {
	var o options
	flag.StringVar(&o.traces, "traces", "", "folder with nab/*.csv (timestamp,value) and crane/*.csv (ts,value); required")
	flag.StringVar(&o.out, "out", "bench", "folder for recommender.json")
	flag.Uint64Var(&o.seed, "seed", 1, "of the synthetic series")
	flag.BoolVar(&o.each, "each", false, "print every series and algorithm")
	flag.Parse()
	if err := measure(o); err != nil {
		fmt.Fprintln(os.Stderr, "bench-recommender:", err)
		os.Exit(1)
	}
}
