package network

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

const bridgeName = "nodes"

// inside runs f with a handle on the network namespace of a process.
func inside(pid int, f func(*netlink.Handle) error) error {
	ns, err := netns.GetFromPid(pid)
	if err != nil {
		return fmt.Errorf("opening the network namespace of process %d: %w", pid, err)
	}
	defer ns.Close()
	h, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("netlink in the namespace of process %d: %w", pid, err)
	}
	defer h.Close()
	return f(h)
}

// WireControl makes the namespace of process pid the hub: a bridge for the nodes, the control plane's address on it, a route to
// each node's pods, and the link to the machine itself.
func WireControl(pid int, nodes []Node) error {
	return inside(pid, func(h *netlink.Handle) error {
		bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: bridgeName}}
		if err := h.LinkAdd(bridge); err != nil {
			return fmt.Errorf("adding bridge: %w", err)
		}
		if err := errors.Join(up(h, "lo"), up(h, bridgeName), address(h, bridgeName, ControlAddress)); err != nil {
			return err
		}
		for _, n := range nodes {
			if err := route(h, bridgeName, n.PodCIDR, n.Address); err != nil {
				return err
			}
		}
		return wireHost(pid, h)
	})
}

// wireHost gives the machine one end of a link whose other end hangs on the bridge.
func wireHost(pid int, control *netlink.Handle) error {
	host, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("netlink: %w", err)
	}
	defer host.Close()
	link := &netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{Name: HostLink}, PeerName: "host", PeerNamespace: netlink.NsPid(pid),
	}
	if err := replaceLink(host, link); err != nil {
		return err
	}
	return errors.Join(attach(control, "host"), up(host, HostLink), address(host, HostLink, HostAddress))
}

// WireNode gives the namespace of process pid its address, its link to the bridge in the namespace of process controlPid, and
// routes to the pods of the other nodes.
func WireNode(pid, controlPid int, node Node, others []Node) error {
	err := inside(controlPid, func(control *netlink.Handle) error {
		link := &netlink.Veth{
			LinkAttrs: netlink.LinkAttrs{Name: node.Name}, PeerName: "eth0", PeerNamespace: netlink.NsPid(pid),
		}
		if err := replaceLink(control, link); err != nil {
			return err
		}
		return attach(control, node.Name)
	})
	if err != nil {
		return err
	}
	return inside(pid, func(h *netlink.Handle) error {
		if err := errors.Join(up(h, "lo"), up(h, "eth0"), address(h, "eth0", node.Address)); err != nil {
			return err
		}
		err := route(h, "eth0", netip.PrefixFrom(netip.IPv4Unspecified(), 0), ControlAddress)
		for _, other := range others {
			if other.Name != node.Name {
				err = errors.Join(err, route(h, "eth0", other.PodCIDR, other.Address))
			}
		}
		return err
	})
}

// RemoveHostLink takes away a link that outlived its run.
func RemoveHostLink() error {
	host, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("netlink: %w", err)
	}
	defer host.Close()
	return removeLink(host, HostLink)
}

// replaceLink adds a link. One with its name may still be there: the kernel keeps a namespace for minutes after its last process, as long
// as a connection in it waits for an answer, and with it the link's other end.
func replaceLink(h *netlink.Handle, link *netlink.Veth) error {
	if err := removeLink(h, link.Name); err != nil {
		return err
	}
	if err := h.LinkAdd(link); err != nil {
		return fmt.Errorf("adding link %s: %w", link.Name, err)
	}
	return nil
}

func removeLink(h *netlink.Handle, name string) error {
	link, err := h.LinkByName(name)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil
	}
	if err == nil {
		err = h.LinkDel(link)
	}
	if err != nil && !errors.Is(err, unix.ENODEV) { // gone in between
		return fmt.Errorf("removing link %s: %w", name, err)
	}
	return nil
}

// Conflict names the link through which the machine already reaches part of the node subnet, or is empty.
func Conflict() (string, error) {
	routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		return "", fmt.Errorf("listing routes: %w", err)
	}
	for _, r := range routes {
		if r.Dst == nil {
			continue
		}
		ip, ok := netip.AddrFromSlice(r.Dst.IP.To4())
		ones, _ := r.Dst.Mask.Size()
		if !ok || ones == 0 || !netip.PrefixFrom(ip, ones).Overlaps(NodeSubnet) {
			continue
		}
		link, err := netlink.LinkByIndex(r.LinkIndex)
		if err != nil {
			return "", fmt.Errorf("naming the link of route %s: %w", r.Dst, err)
		}
		if name := link.Attrs().Name; name != HostLink {
			return name, nil
		}
	}
	return "", nil
}

func up(h *netlink.Handle, name string) error {
	link, err := h.LinkByName(name)
	if err == nil {
		err = h.LinkSetUp(link)
	}
	if err != nil {
		return fmt.Errorf("bringing up %s: %w", name, err)
	}
	return nil
}

func attach(h *netlink.Handle, name string) error {
	bridge, err := h.LinkByName(bridgeName)
	if err != nil {
		return fmt.Errorf("finding the bridge: %w", err)
	}
	link, err := h.LinkByName(name)
	if err == nil {
		err = h.LinkSetMaster(link, bridge)
	}
	if err != nil {
		return fmt.Errorf("attaching %s to the bridge: %w", name, err)
	}
	return up(h, name)
}

func address(h *netlink.Handle, name string, ip netip.Addr) error {
	link, err := h.LinkByName(name)
	if err == nil {
		err = h.AddrAdd(link, &netlink.Addr{IPNet: ipNet(netip.PrefixFrom(ip, NodeSubnet.Bits()))})
	}
	if err != nil {
		return fmt.Errorf("giving %s the address %s: %w", name, ip, err)
	}
	return nil
}

func route(h *netlink.Handle, name string, to netip.Prefix, via netip.Addr) error {
	link, err := h.LinkByName(name)
	if err == nil {
		err = h.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Dst: ipNet(to), Gw: via.AsSlice()})
	}
	if err != nil {
		return fmt.Errorf("routing %s via %s: %w", to, via, err)
	}
	return nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), 32)}
}
