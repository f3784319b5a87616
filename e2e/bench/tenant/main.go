// Command tenant (bench) measures how long a tenant takes until it can be used, what an idle one costs, and what the operator costs.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	runs := flag.Int("runs", 5, "how often a tenant alone is made")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := measure(ctx, *runs); err != nil {
		fmt.Fprintln(os.Stderr, "bench-tenant:", err)
		os.Exit(1)
	}
}
