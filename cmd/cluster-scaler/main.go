// Command cluster-scaler decides about the sizes of tenants' components, fast up and slowly down.
package main

import (
	"fmt"
	"os"

	ctrl "sigs.k8s.io/controller-runtime"
)

func main() {
	o, err := parse(os.Args[1:])
	if err == nil {
		err = run(ctrl.SetupSignalHandler(), o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "cluster-scaler:", err)
		os.Exit(1)
	}
}
