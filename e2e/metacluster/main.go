// Command metacluster runs a real Kubernetes on this machine, with real nodes, for people to try Metapilot on and for its scenarios.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/metapilot/metapilot/e2e/metacluster/command"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if !command.Execute(ctx, os.Args[1:]) {
		os.Exit(1)
	}
}
