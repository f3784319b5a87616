// Package program is what Metapilot's controllers have in common as programs: flags, the manager, its probes and its metrics.
//
// It owns how a program starts and knows no controller.
package program

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/metapilot/metapilot/api/v1alpha1"
)

// Options are the flags that every program has.
type Options struct {
	Workers        int
	metricsAddress string
	probeAddress   string
	pprofAddress   string
	leaderElection bool
	namespace      string // of the leader's lease; the pod's own if empty
	development    bool
}

// Register adds the flags. What workers work on is told to the user.
func (o *Options) Register(f *pflag.FlagSet, what string) {
	f.StringVar(&o.metricsAddress, "metrics-address", ":8080", "where metrics are served; 0 for nowhere")
	f.StringVar(&o.probeAddress, "health-address", ":8081", "where /healthz and /readyz are served; 0 for nowhere")
	f.StringVar(&o.pprofAddress, "pprof-address", "", "where profiles of its own memory and CPU are served, such as 127.0.0.1:6060; empty for nowhere")
	f.IntVar(&o.Workers, "workers", 32, what+" that are worked on at the same time")
	f.BoolVar(&o.leaderElection, "leader-elect", true, "let only one of several of this program work")
	f.StringVar(&o.namespace, "leader-namespace", "", "namespace of the leader's lease; that of the program's pod if empty")
	f.BoolVar(&o.development, "development", false, "log for people instead of machines")
}

// Check tells what is wrong with the flags.
func (o *Options) Check() error {
	if o.Workers < 1 {
		return fmt.Errorf("--workers %d: give a number from 1", o.Workers)
	}
	return nil
}

// Lease is the one by which the program of the given name leads: events of the program as a whole are about it.
func (o *Options) Lease(name string) *coordinationv1.Lease {
	namespace := o.namespace
	if namespace == "" {
		own, err := os.ReadFile("/var/run/secrets/kubernetes.io/serviceaccount/namespace") // as leader election finds it
		if err != nil {
			own = []byte(metav1.NamespaceDefault)
		}
		namespace = strings.TrimSpace(string(own))
	}
	return &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
}

// Manager makes the manager of a program that leads under the given name. The API server's priority and fairness limits its requests, and
// knows why, so the client does not.
func (o *Options) Manager(name string, narrowed cache.Options, add ...func(*runtime.Scheme) error) (ctrl.Manager, error) {
	ctrl.SetLogger(zap.New(zap.UseDevMode(o.development)))
	config, err := ctrl.GetConfig()
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst = -1, -1
	scheme := runtime.NewScheme()
	for _, register := range append(add, clientgoscheme.AddToScheme, v1alpha1.AddToScheme) {
		if err := register(scheme); err != nil {
			return nil, err
		}
	}
	m, err := ctrl.NewManager(config, ctrl.Options{
		Scheme: scheme, Cache: narrowed,
		Metrics: metricsserver.Options{BindAddress: o.metricsAddress}, HealthProbeBindAddress: o.probeAddress, PprofBindAddress: o.pprofAddress,
		LeaderElection: o.leaderElection, LeaderElectionID: name, LeaderElectionNamespace: o.namespace,
		LeaderElectionReleaseOnCancel: true,
	})
	if err != nil {
		return nil, err
	}
	return m, errors.Join(m.AddHealthzCheck("ping", healthz.Ping), m.AddReadyzCheck("ping", healthz.Ping))
}
