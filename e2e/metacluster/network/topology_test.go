package network_test

import (
	"testing"

	"github.com/metapilot/metapilot/e2e/metacluster/network"
)

func TestEveryNodeHasItsPlace(t *testing.T) {
	addresses, pods := map[string]bool{}, map[string]bool{}
	for _, n := range network.Nodes(network.MaxNodes) {
		if !network.NodeSubnet.Contains(n.Address) || n.Address == network.ControlAddress || n.Address == network.HostAddress {
			t.Errorf("%s has the address %s", n.Name, n.Address)
		}
		if !network.PodSubnet.Overlaps(n.PodCIDR) || network.ServiceSubnet.Overlaps(n.PodCIDR) {
			t.Errorf("%s has the pod addresses %s", n.Name, n.PodCIDR)
		}
		addresses[n.Address.String()], pods[n.PodCIDR.String()] = true, true
	}
	if len(addresses) != network.MaxNodes || len(pods) != network.MaxNodes {
		t.Errorf("%d nodes share %d addresses and %d pod subnets", network.MaxNodes, len(addresses), len(pods))
	}
}
