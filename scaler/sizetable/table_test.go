package sizetable

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/metapilot/metapilot/scaler/model"
)

func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		var table Table
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			var err error
			switch d.Cmd {
			// table: YAML. default: the one that the program has with it.
			case "table":
				table, err = Parse([]byte(d.Input))
			case "default":
				table, err = Default()
			// floor COMPONENT [nodes=] [pods=] [objects=] [mebibytes=] [requests=]
			case "floor":
				return floor(t, &table, d)
			default:
				d.Fatalf(t, "there is no such command")
			}
			if err != nil {
				return err.Error()
			}
			return ""
		})
	})
}

func floor(t *testing.T, table *Table, d *datadriven.TestData) string {
	var s model.Scale
	for name, into := range map[string]*int64{"nodes": &s.Nodes, "pods": &s.Pods, "objects": &s.Objects, "mebibytes": &s.Bytes, "requests": &s.Requests} {
		d.MaybeScanArgs(t, name, into)
	}
	s.Bytes <<= 20
	least, row := table.Floor(d.CmdArgs[0].Key, &s)
	return fmt.Sprintf("%s %s: %s", model.Short(model.CPU, least.CPU), model.Short(model.Memory, least.Memory), row)
}

// The default is what people read first: each row says where it is from, and the smallest tenant's floor is below the preset it is born with.
func TestTheDefaultIsBelowWhatTenantsAreBornWith(t *testing.T) {
	table, err := Default()
	if err != nil {
		t.Fatal(err)
	}
	born := map[string]model.Amounts{ // operators/tenantcluster/plan/size.go, preset S: request of CPU, limit of memory
		"etcd": {CPU: 50, Memory: 512 << 20}, "kube-apiserver": {CPU: 100, Memory: 1 << 30},
		"kube-controller-manager": {CPU: 30, Memory: 512 << 20}, "kube-scheduler": {CPU: 20, Memory: 256 << 20},
	}
	for name, size := range born {
		least, row := table.Floor(name, &model.Scale{})
		if row == "" || least.CPU > size.CPU || least.Memory > size.Memory {
			t.Errorf("%s: an empty cluster's floor is %+v (%s), and it is born with %+v", name, least, row, size)
		}
		for _, r := range table.Components[name] {
			if !strings.ContainsAny(r.Source, "0123456789(") {
				t.Errorf("%s: the source %q names no figure and no page", name, r.Source)
			}
		}
	}
}
