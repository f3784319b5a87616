package tenantcluster_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/internal/testenv"
)

const (
	many           = 500
	metricsAddress = "127.0.0.1:18080"
	calm           = time.Minute // the time at rest that is looked at
)

// What the operator costs with many TenantClusters on an API server without nodes: resident memory, and work while nothing happens.
func BenchmarkManyTenants(b *testing.B) {
	if b.N != 1 {
		b.Skip("to be run with -benchtime 1x")
	}
	env := testenv.Start(b, testenv.Options{CRDs: []string{"../../charts/metapilot-crds/templates"}})
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			b.Fatal(err)
		}
	}
	c, err := client.New(env.Config, client.Options{Scheme: scheme})
	if err != nil {
		b.Fatal(err)
	}
	pid := runOperator(b, env.KubeConfig)
	for i := range many {
		if err := c.Create(b.Context(), minimal(fmt.Sprintf("tenant-%d", i))); err != nil {
			b.Fatal(err)
		}
	}
	made := awaitAll(b, c)
	<-time.After(calm) // the operator's own garbage goes, and what is left to do is done
	before := reconciles(b)
	<-time.After(calm)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(made.Seconds(), "made-seconds")
	b.ReportMetric(float64(reconciles(b)-before)/calm.Minutes(), "reconciles/min")
	b.ReportMetric(residentMiB(b, pid), "rss-MiB")
}

// runOperator builds and starts the program itself; it ends with the benchmark.
func runOperator(b *testing.B, kubeconfig []byte) (pid int) {
	b.Helper()
	folder := b.TempDir()
	program, config := filepath.Join(folder, "master-operator"), filepath.Join(folder, "kubeconfig")
	if out, err := exec.CommandContext(b.Context(), "go", "build", "-o", program, "../../cmd/master-operator").CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	if err := os.WriteFile(config, kubeconfig, 0o600); err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(program, "--leader-elect=false", "--health-address=0", "--metrics-address="+metricsAddress)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+config)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		cmd.Process.Kill()
		if err := cmd.Wait(); err == nil {
			b.Error("the operator had ended by itself")
		}
	})
	return cmd.Process.Pid
}

// awaitAll waits until every tenant has its StatefulSet, and returns how long that took.
func awaitAll(b *testing.B, c client.Client) time.Duration {
	b.Helper()
	begun := time.Now()
	for time.Since(begun) < 10*time.Minute {
		var list corev1.ConfigMapList
		if err := c.List(b.Context(), &list, client.MatchingLabels{v1alpha1.ComponentLabel: "kube-scheduler"}, client.Limit(many+1)); err != nil {
			b.Fatal(err)
		}
		if len(list.Items) == many {
			return time.Since(begun)
		}
		<-time.After(500 * time.Millisecond)
	}
	b.Fatalf("not all of %d tenants were made", many)
	return 0
}

// reconciles is how often the operator has looked at a tenant.
func reconciles(b *testing.B) (total int) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+metricsAddress+"/metrics", nil)
	if err != nil {
		b.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		b.Fatal(err)
	}
	defer response.Body.Close()
	for scanner := bufio.NewScanner(response.Body); scanner.Scan(); {
		if name, value, ok := strings.Cut(scanner.Text(), "} "); ok && strings.HasPrefix(name, "controller_runtime_reconcile_total{") {
			n, err := strconv.Atoi(value)
			if err != nil {
				b.Fatal(err)
			}
			total += n
		}
	}
	return total
}

func residentMiB(b *testing.B, pid int) float64 {
	b.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		b.Fatal(err)
	}
	pages, err := strconv.ParseFloat(strings.Fields(string(raw))[1], 64) // proc_pid_statm(5): size resident ...
	if err != nil {
		b.Fatal(err)
	}
	return pages * float64(os.Getpagesize()) / (1 << 20)
}
