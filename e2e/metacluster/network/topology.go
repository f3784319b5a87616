// Package network lays out the meta cluster's network and wires it: which address each part has, and the links, addresses and
// routes that make it so.
//
// Everything lives in network namespaces that the meta cluster made. The only thing that the machine itself gets is one end of
// a link, HostLink, through which people and tests reach the API. It dies with the namespace at its other end, so nothing has to be
// undone. The package never starts a process and never looks at Kubernetes.
package network

import (
	"fmt"
	"net/netip"
)

// HostLink is the link's name on the machine itself.
const HostLink = "metapilot0"

// Addresses. The node subnet is the only one that the machine can see; the others exist inside the namespaces alone.
var (
	NodeSubnet    = netip.MustParsePrefix("172.30.0.0/24")
	PodSubnet     = netip.MustParsePrefix("10.244.0.0/16")
	ServiceSubnet = netip.MustParsePrefix("10.96.0.0/16")

	ControlAddress  = netip.MustParseAddr("172.30.0.1")
	HostAddress     = netip.MustParseAddr("172.30.0.254")
	APIServiceIP    = netip.MustParseAddr("10.96.0.1")
	DNSServiceIP    = netip.MustParseAddr("10.96.0.10")
	firstNodeOffset = 10
)

// MaxNodes is what fits between the control plane's address and the machine's own.
const MaxNodes = 100

// Node is one node's place in the network.
type Node struct {
	Name    string
	Address netip.Addr
	PodCIDR netip.Prefix
}

// NodeNumber returns the place of node number i, counted from 1.
func NodeNumber(i int) Node {
	address, pods := NodeSubnet.Addr().As4(), PodSubnet.Addr().As4()
	address[3] = byte(firstNodeOffset + i)
	pods[2] = byte(i)
	return Node{
		Name:    fmt.Sprintf("node-%d", i),
		Address: netip.AddrFrom4(address),
		PodCIDR: netip.PrefixFrom(netip.AddrFrom4(pods), 24),
	}
}

// Nodes returns the places of nodes 1 to n.
func Nodes(n int) []Node {
	nodes := make([]Node, 0, n)
	for i := 1; i <= n; i++ {
		nodes = append(nodes, NodeNumber(i))
	}
	return nodes
}
