// Command metacluster (bench) measures how long a warm up of the meta cluster takes, and what its parts use at rest.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/metapilot/metapilot/e2e/metacluster/component"
)

func main() {
	runs := flag.Int("runs", 3, "how often to bring the meta cluster up")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	checkout, err := component.Checkout()
	if err == nil {
		err = measure(ctx, filepath.Join(checkout, "bin", "metacluster"), filepath.Join(checkout, "bench"), *runs)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-metacluster:", err)
		os.Exit(1)
	}
}
