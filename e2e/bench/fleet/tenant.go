package main

import (
	"bytes"
	"context"
	_ "embed" // the tenant's manifest
	"fmt"
	"strings"
	"text/template"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/metapilot/metapilot/internal/units"
)

const (
	fleet = "fleet" // namespace of all TenantClusters and ClusterScalers
	most  = 99_999  // tenants whose names are of one length
)

// names of the tenant of a number, all of one length.
func nameOf(i int) string { return fmt.Sprintf("tenant-%05d", i) }
func homeOf(i int) string { return "tc-" + nameOf(i) }
func nodeOf(i int) string { return fmt.Sprintf("node-%05d", i) }

// tenants on one node: a hundred pods.
const tenantsPerNode = 25

// part is a component of a tenant: its size, and what it uses, which is so little that it could be smaller.
type part struct {
	Name, Pod, Kind, CPU, Memory, Limit string
	GoMemLimit                          int64
	Uses                                map[string]string
}

var components = []part{
	{"etcd", "etcd-0", "StatefulSet", "50m", "96Mi", "512Mi", units.GoMemLimit(512 << 20), map[string]string{"cpu": "15m", "memory": "140Mi"}},
	{"kube-apiserver", "kube-apiserver-6f7d9c5b8d-abcde", "Deployment", "100m", "320Mi", "1Gi", units.GoMemLimit(1 << 30), map[string]string{"cpu": "30m", "memory": "290Mi"}},
	{"kube-controller-manager", "kube-controller-manager-6f7d9c5b8d-abcde", "Deployment", "50m", "64Mi", "256Mi", units.GoMemLimit(256 << 20), map[string]string{"cpu": "15m", "memory": "70Mi"}},
	{"kube-scheduler", "kube-scheduler-6f7d9c5b8d-abcde", "Deployment", "50m", "64Mi", "256Mi", units.GoMemLimit(256 << 20), map[string]string{"cpu": "10m", "memory": "60Mi"}},
}

//go:embed tenant.yaml
var manifest string

// filling of the manifest.
type filling struct {
	Fleet, Name, Home, Node, Now, LastWeek, LastWeekMicro               string
	Components                                                          []part
	TenantConditions, PodConditions, ProfileConditions, Windows, Guards []string
	Algorithms                                                          []string
	Arguments, Recent, Records                                          []struct{}
}

func first(now time.Time, records int) filling {
	week := now.Add(-7 * 24 * time.Hour).UTC()
	return filling{
		Fleet: fleet, Name: nameOf(0), Home: homeOf(0), Node: nodeOf(0),
		Now: now.UTC().Format(time.RFC3339), LastWeek: week.Format(time.RFC3339), LastWeekMicro: week.Format("2006-01-02T15:04:05.000000Z"),
		Components:        components,
		TenantConditions:  []string{"Ready", "EtcdReady", "APIServerReady", "ControllerManagerReady", "SchedulerReady", "CertificatesReady"},
		PodConditions:     []string{"PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"},
		ProfileConditions: []string{"Ready", "TargetFound", "AlgorithmKnown", "SourcesAnswer", "CheckpointSaved"},
		Windows:           []string{"1h", "24h", "168h"},
		Guards:            []string{"mode", "owner", "pause", "missing-data", "health", "tolerance", "cooldown", "step", "bounds", "node-capacity", "fleet-budget"},
		Algorithms:        []string{"vpa", "peak", "seasonal", "trend", "leak"},
		Arguments:         make([]struct{}, 40), Recent: make([]struct{}, 48), Records: make([]struct{}, records),
	}
}

// documents of the manifest, in the order in which they are to be made.
func documents(f filling) ([]string, error) {
	t, err := template.New("tenant").Parse(manifest)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, f); err != nil {
		return nil, err
	}
	return strings.Split(b.String(), "\n---\n"), nil
}

// makeTenant makes the objects of a tenant through the API: each one, and then its status. It returns the uids of all.
func (p *plane) makeTenant(ctx context.Context, f filling) (uids []string, err error) {
	all, err := documents(f)
	if err != nil {
		return nil, err
	}
	owners := map[string]string{}
	for _, document := range all {
		for kind, uid := range owners {
			document = strings.ReplaceAll(document, "$("+kind+")", uid)
		}
		o := &unstructured.Unstructured{}
		if err := yaml.UnmarshalStrict([]byte(document), &o.Object); err != nil {
			return nil, fmt.Errorf("reading %s: %w", document, err)
		}
		status := o.Object["status"]
		if err := p.client.Create(ctx, o); err != nil {
			return nil, fmt.Errorf("creating %s %s: %w", o.GetKind(), o.GetName(), err)
		}
		if owners[o.GetKind()] = string(o.GetUID()); status != nil {
			o.Object["status"] = status
			if err := p.client.Status().Update(ctx, o); err != nil {
				return nil, fmt.Errorf("writing the status of %s %s: %w", o.GetKind(), o.GetName(), err)
			}
		}
		uids = append(uids, string(o.GetUID()))
	}
	return uids, nil
}
