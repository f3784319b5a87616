// Command scaler (bench) measures how fast a tenant that is killed for want of memory runs again with more, beside VPA under the same storm, what
// growth by utilisation costs its clients, and what a decision costs.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// options are the flags.
type options struct {
	kills  int           // of each component, that ours is measured by
	storms int           // of each side
	limit  time.Duration // of one storm: who has not survived it by then has not
	vpa    bool
}

func main() {
	var o options
	flag.IntVar(&o.kills, "kills", 20, "kills of each component")
	flag.IntVar(&o.storms, "storms", 3, "storms that each side has to survive")
	flag.DurationVar(&o.limit, "limit", 8*time.Minute, "how long a storm lasts at most")
	flag.BoolVar(&o.vpa, "vpa", true, "measure VPA, too; its loops take minutes")
	flag.Parse()
	if o.kills < 1 || o.storms < 1 {
		fmt.Fprintf(os.Stderr, "bench-scaler: -kills %d -storms %d: give at least 1 of each\n", o.kills, o.storms)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := measure(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench-scaler:", err)
		os.Exit(1)
	}
}
