package rival

import (
	"context"
	"os"

	"github.com/metapilot/metapilot/e2e/metacluster/command"
)

// init answers the calls by which the cluster's package enters a node. It starts the running program once more for that, as metacluster with
// its hidden command enter. What installs VPA is a bench or a test: without this it would do its own work once more instead, and load nothing.
func init() {
	if len(os.Args) < 3 || os.Args[1] != "enter" || os.Args[2] != "--cgroup" {
		return
	}
	if !command.Execute(context.Background(), os.Args[1:]) {
		os.Exit(1)
	}
	os.Exit(0)
}
