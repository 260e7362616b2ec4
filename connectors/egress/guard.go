package egress

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
)

// Policy is what the operator allows beyond the guard's own judgement, and what
// less.
type Policy struct {
	// Hosts are the names that may be asked, "*.example.com" being every name
	// below example.com. Empty: any name with public addresses.
	Hosts []string
	// Networks may be reached although they are not public: prefixes such as
	// 10.20.0.0/16, or single addresses. They do not open the metadata
	// services of clouds, unless one is named by itself.
	Networks []string
	// Own answers the addresses of this machine; nil asks the system.
	Own func() ([]net.Addr, error)
}

// Guard judges names and addresses. It does not change and is safe for
// concurrent use.
type Guard struct {
	hosts    []string
	networks []netip.Prefix
	blocks   []block
	metadata []netip.Addr
	own      func() ([]net.Addr, error)
}

// New makes a guard. An entry of the policy that cannot be read is an error
// that names it.
func New(p Policy) (*Guard, error) {
	g := &Guard{blocks: blocks(), own: p.Own}
	if g.own == nil {
		g.own = net.InterfaceAddrs
	}
	for _, a := range metadata() {
		g.metadata = append(g.metadata, netip.MustParseAddr(a))
	}
	for _, h := range p.Hosts {
		name, err := Pattern(h)
		if err != nil {
			return nil, err
		}
		g.hosts = append(g.hosts, name)
	}
	for _, n := range p.Networks {
		prefix, err := Network(n)
		if err != nil {
			return nil, err
		}
		g.networks = append(g.networks, prefix)
	}
	return g, nil
}

// Pattern reads a host of a policy: a name, an address, or "*." and a name.
func Pattern(s string) (string, error) {
	name := canonical(strings.TrimPrefix(s, "*."))
	if err := form(name); err != nil {
		return "", fmt.Errorf("%q is no host; expected a name such as api.example.com, or *.example.com for all below it", s)
	}
	if strings.HasPrefix(s, "*.") {
		name = "*." + name
	}
	return name, nil
}

// Network reads a network of a policy: a prefix or one address.
func Network(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil || p.Addr().Is4In6() || p != p.Masked() {
		return p, fmt.Errorf("%q is no network; expected one such as 10.20.0.0/16 or fd12::/48, whose bits behind the slash are zero", s)
	}
	return p, nil
}

// Refusal is an address that the guard does not let anybody reach. Nothing was
// sent there.
type Refusal struct {
	Host    string // as it was asked for
	Address string // that it stands for, where it was resolved
	Why     string
	Hint    string
}

func (r *Refusal) Error() string {
	at := r.Host
	if r.Address != "" && r.Address != r.Host {
		at += " at " + r.Address
		if r.Host == "" {
			at = r.Address
		}
	}
	return "requests to " + at + " are refused: " + r.Why
}

const openIt = "if it is meant, the operator can open it in egress.networks, or name the address as a service"

// Host judges the name of a URL before it is resolved. The forms that some
// resolvers take for an address (127.1, 0x7f000001, 2130706433) are refused.
func (g *Guard) Host(host string) error {
	name := canonical(host)
	if err := form(name); err != nil {
		return &Refusal{Host: host, Why: err.Error(), Hint: "write the name in ASCII letters, or an address in its usual form"}
	}
	if a, err := netip.ParseAddr(name); err == nil {
		if len(g.hosts) > 0 && !matches(g.hosts, name) && !g.opened(a.Unmap()) {
			return g.unlisted(host)
		}
		return g.Address(a)
	}
	if len(g.hosts) > 0 && !matches(g.hosts, name) {
		return g.unlisted(host)
	}
	return nil
}

func (g *Guard) unlisted(host string) error {
	return &Refusal{Host: host, Why: "it is not among the hosts that the operator allows", Hint: "add it to egress.hosts, or name the address as a service"}
}

// matches reports whether a canonical name is one of the patterns.
func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		below, wild := strings.CutPrefix(p, "*")
		return p == name || wild && strings.HasSuffix(name, below) && len(name) > len(below)
	})
}

// Address judges an address that is to be dialled.
func (g *Guard) Address(a netip.Addr) error {
	why := g.refuses(a)
	if why == "" {
		return nil
	}
	return &Refusal{Address: a.String(), Why: why, Hint: openIt}
}

func (g *Guard) refuses(a netip.Addr) string {
	switch {
	case !a.IsValid():
		return "it is no address"
	case a.Zone() != "":
		return "the address is one of a network card"
	}
	a = a.Unmap()
	if v4, is := inside(a); is {
		if why := g.refuses(v4); why != "" {
			return "it stands for " + v4.String() + ": " + why
		}
		if netip.MustParsePrefix(nat64).Contains(a) {
			return ""
		}
	}
	for _, m := range g.metadata {
		if m == a && !slices.Contains(g.networks, netip.PrefixFrom(a, a.BitLen())) {
			return "it is the metadata service of a cloud"
		}
	}
	if g.opened(a) {
		return ""
	}
	for _, b := range g.blocks {
		if b.prefix.Contains(a) {
			return "the address is not public: " + b.why
		}
	}
	if a.Is6() && !netip.MustParsePrefix(global6).Contains(a) {
		return "the address is not public: " + kind6(a)
	}
	return g.mine(a)
}

// opened reports whether the operator opened the address.
func (g *Guard) opened(a netip.Addr) bool {
	return slices.ContainsFunc(g.networks, func(p netip.Prefix) bool { return p.Contains(a) })
}

// kind6 names an IPv6 address outside of public unicast.
func kind6(a netip.Addr) string {
	switch {
	case a.IsUnspecified():
		return "unspecified"
	case a.IsLoopback():
		return "loopback"
	case a.IsMulticast():
		return "multicast"
	case a.IsLinkLocalUnicast():
		return "link-local"
	case a.IsPrivate():
		return "unique-local"
	}
	return "reserved"
}

// mine refuses the public addresses of this machine: what listens on them may
// trust those who come from here.
func (g *Guard) mine(a netip.Addr) string {
	own, err := g.own()
	if err != nil {
		return "it cannot be told whether it is an address of this machine"
	}
	for _, o := range own {
		if n, is := o.(*net.IPNet); is {
			if ip, ok := netip.AddrFromSlice(n.IP); ok && ip.Unmap() == a {
				return "it is an address of this machine"
			}
		}
	}
	return ""
}

// Control judges the address of a socket that is about to connect: it is for
// net.Dialer.
func (g *Guard) Control(network, address string, _ syscall.RawConn) error {
	if network != "tcp4" && network != "tcp6" && network != "tcp" {
		return &Refusal{Address: address, Why: "the network is " + network + " and not TCP"}
	}
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return &Refusal{Address: address, Why: "it is no address with a port"}
	}
	return g.Address(at.Addr())
}

// canonical is a host in small letters without the dot at its end and the
// brackets of IPv6.
func canonical(host string) string {
	host = strings.ToLower(host)
	if inner, is := strings.CutPrefix(host, "["); is {
		return strings.TrimSuffix(inner, "]")
	}
	return strings.TrimSuffix(host, ".")
}

// form judges the form of a canonical host: an address as it is usually
// written, or a name whose last label is no number, in the characters that
// names have.
func form(name string) error {
	if _, err := netip.ParseAddr(name); err == nil {
		return nil
	}
	if name == "" || len(name) > 253 {
		return fmt.Errorf("a host has 1 to 253 characters")
	}
	labels := strings.Split(name, ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 {
			return fmt.Errorf("a part between the dots of a host has 1 to 63 characters")
		}
		for _, r := range label {
			if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_' {
				return fmt.Errorf("it holds a character that host names do not have")
			}
		}
	}
	// The URL standard (url.spec.whatwg.org, "ends in a number") and inet_aton
	// take these for IPv4 addresses.
	last := labels[len(labels)-1]
	hex, isHex := strings.CutPrefix(last, "0x")
	if strings.Trim(last, "0123456789") == "" || isHex && strings.Trim(hex, "0123456789abcdef") == "" {
		return fmt.Errorf("it is an IPv4 address in an unusual form")
	}
	return nil
}
