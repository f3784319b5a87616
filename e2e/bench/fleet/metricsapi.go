package main

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/client-go/util/cert"
)

// metricsAPI answers as metrics-server does: everything at once whatever limit is asked for, packed, with labels, and with new readings every 15 s.
type metricsAPI struct {
	server  *http.Server
	port    int
	tenants int

	mu       sync.Mutex
	answered []time.Time // when questions about all pods were answered
}

const resolution = 15 * time.Second

// serveMetrics begins to answer, and has the API server ask here.
func (p *plane) serveMetrics(ctx context.Context, tenants int) (*metricsAPI, error) {
	certificate, key, err := cert.GenerateSelfSignedCertKey("localhost", []net.IP{net.IPv4(127, 0, 0, 1)}, nil)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return nil, err
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}})
	if err != nil {
		return nil, err
	}
	m := &metricsAPI{tenants: tenants, port: listener.Addr().(*net.TCPAddr).Port}
	m.server = &http.Server{Handler: m, ReadHeaderTimeout: time.Minute}
	go func() {
		if err := m.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			panic(err) // nothing that is measured after that means anything
		}
	}()
	return m, m.register(ctx, p)
}

func (m *metricsAPI) register(ctx context.Context, p *plane) error {
	return errors.Join(
		p.create(ctx, fmt.Sprintf("apiVersion: v1\nkind: Service\nmetadata: {namespace: metapilot-system, name: metrics}\nspec: {type: ExternalName, externalName: localhost, ports: [{port: %d}]}", m.port)),
		p.create(ctx, fmt.Sprintf("apiVersion: apiregistration.k8s.io/v1\nkind: APIService\nmetadata: {name: v1beta1.metrics.k8s.io}\n"+
			"spec: {group: metrics.k8s.io, version: v1beta1, groupPriorityMinimum: 100, versionPriority: 100, insecureSkipTLSVerify: true, service: {namespace: metapilot-system, name: metrics, port: %d}}", m.port)))
}

const kinds = `{"kind":"APIResourceList","apiVersion":"v1","groupVersion":"metrics.k8s.io/v1beta1","resources":[
{"name":"pods","singularName":"","namespaced":true,"kind":"PodMetrics","verbs":["get","list"]}]}`

func (m *metricsAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	switch r.URL.Path {
	case "/apis/metrics.k8s.io/v1beta1":
		_, _ = io.WriteString(w, kinds)
	case "/apis/metrics.k8s.io/v1beta1/pods":
		m.all(w, strings.Contains(r.Header.Get("Accept-Encoding"), "gzip"))
	default:
		http.NotFound(w, r)
	}
}

// all pods; whoever asks may go away meanwhile, which is seen by what is measured.
func (m *metricsAPI) all(w http.ResponseWriter, packed bool) {
	into := io.Writer(w)
	if packed {
		w.Header().Set("Content-Encoding", "gzip")
		zip, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
		if err != nil {
			panic(err) // the level is a constant
		}
		defer func() { _ = zip.Close() }()
		into = zip
	}
	_, _ = io.WriteString(into, `{"kind":"PodMetricsList","apiVersion":"metrics.k8s.io/v1beta1","metadata":{},"items":[`)
	var chunk []byte
	for i := range m.tenants {
		chunk = chunk[:0]
		for j := range components {
			if i+j > 0 {
				chunk = append(chunk, ',')
			}
			chunk = reading(chunk, i, &components[j])
		}
		if _, err := into.Write(chunk); err != nil {
			return
		}
	}
	_, _ = io.WriteString(into, "]}\n")
	m.mu.Lock()
	defer m.mu.Unlock()
	m.answered = append(m.answered, time.Now())
}

// reading of a pod: a tenth more or less than it uses otherwise, at a time that differs from node to node.
func reading(into []byte, i int, c *part) []byte {
	at := time.Now().Add(-time.Duration(i/tenantsPerNode%15) * time.Second).Truncate(resolution).Add(time.Duration(i/tenantsPerNode%15) * time.Second)
	noise := 0.9 + 0.2*rand.Float64() //nolint:gosec // nobody's secret
	return fmt.Appendf(into, `{"metadata":{"name":"%s","namespace":"%s","creationTimestamp":"%s","labels":{"app.kubernetes.io/component":"control-plane",`+
		`"app.kubernetes.io/instance":"%s","app.kubernetes.io/managed-by":"master-operator","app.kubernetes.io/name":"%s","app.kubernetes.io/part-of":"metapilot",`+
		`"metapilot.io/component":"%s","metapilot.io/fleet":"fleet","metapilot.io/tenant":"%s","pod-template-hash":"6f7d9c5b8d"}},"timestamp":"%s","window":"15.021s",`+
		`"containers":[{"name":"%s","usage":{"cpu":"%dn","memory":"%dKi"}}]}`,
		c.Pod, homeOf(i), time.Now().UTC().Format(time.RFC3339), nameOf(i), c.Name, c.Name, nameOf(i), at.UTC().Format(time.RFC3339), c.Name,
		int64(noise*used(c, "cpu")*1e9), int64(noise*used(c, "memory")/1024))
}

func used(c *part, of string) float64 {
	q := resource.MustParse(c.Uses[of])
	return q.AsApproximateFloat64()
}

// last is when a question about all pods was answered last, and how often one was.
func (m *metricsAPI) last() (at time.Time, times int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := len(m.answered); n > 0 {
		return m.answered[n-1], n
	}
	return time.Time{}, 0
}

// next waits until another question about all pods was answered.
func (m *metricsAPI) next(ctx context.Context) (time.Time, error) {
	_, before := m.last()
	for {
		at, n := m.last()
		if n > before {
			return at, nil
		}
		if err := wait(ctx, 10*time.Millisecond); err != nil {
			return at, err
		}
	}
}

func (m *metricsAPI) stop() error { return m.server.Close() }

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
