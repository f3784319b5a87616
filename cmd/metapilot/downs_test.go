package main

import (
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler"
)

// downsWords reads objects of a fleet, each with its kind.
func downsWords(t *testing.T, d *datadriven.TestData, now time.Time) string {
	var f scaler.Fleet
	for _, document := range strings.Split(d.Input, "\n--\n") {
		take(t, d, document, &f)
	}
	o := downsOptions{top: 50}
	d.MaybeScanArgs(t, "namespace", &o.namespace)
	d.MaybeScanArgs(t, "top", &o.top)
	if o.grouped = d.HasArg("group"); o.grouped && len(d.CmdArgs[0].Vals) > 0 {
		o.group = d.CmdArgs[0].Vals[0]
	}
	var b strings.Builder
	if err := writeDowns(&b, &f, &o, now); err != nil {
		d.Fatalf(t, "%v", err)
	}
	return b.String()
}

func take(t *testing.T, d *datadriven.TestData, document string, f *scaler.Fleet) {
	t.Helper()
	kind := strings.TrimPrefix(strings.SplitN(document, "\n", 2)[0], "kind: ")
	switch kind {
	case "ClusterScaler":
		f.Scalers = append(f.Scalers, v1alpha1.ClusterScaler{})
		read(t, d, document, &f.Scalers[len(f.Scalers)-1])
	case "TenantCluster":
		f.Tenants = append(f.Tenants, v1alpha1.TenantCluster{})
		read(t, d, document, &f.Tenants[len(f.Tenants)-1])
	case "ScalingPolicy":
		f.Policies = append(f.Policies, v1alpha1.ScalingPolicy{})
		read(t, d, document, &f.Policies[len(f.Policies)-1])
	case "ScalingRecord":
		f.Records = append(f.Records, v1alpha1.ScalingRecord{})
		read(t, d, document, &f.Records[len(f.Records)-1])
	default:
		d.Fatalf(t, "a fleet has no %s", kind)
	}
}
