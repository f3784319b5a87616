// Command metapilot is for people: what tenants there are, how they are, and how to reach them. Named kubectl-metapilot it is a plugin of
// kubectl. It only reads.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "metapilot:", err)
		stop()
		os.Exit(1)
	}
}
