package egress

import "net/netip"

// special is a block of addresses that is not the public Internet's.
type special struct{ block, why string }

// specials are the blocks of IPv4 that are refused, and those of IPv6 within
// 2000::/3: outside of that nothing is public unicast, except NAT64's prefix.
//
// Source: iana.org/assignments/iana-ipv4-special-registry and
// iana-ipv6-special-registry, RFC 5771 (multicast).
func specials() []special {
	return []special{
		{"0.0.0.0/8", "unspecified (this network)"},
		{"10.0.0.0/8", "private"},
		{"100.64.0.0/10", "shared by carrier-grade NAT"},
		{"127.0.0.0/8", "loopback"},
		{"169.254.0.0/16", "link-local, where clouds serve metadata"},
		{"172.16.0.0/12", "private"},
		{"192.0.0.0/24", "reserved for protocols"},
		{"192.0.2.0/24", "for documentation"},
		{"192.88.99.0/24", "a relay of 6to4"},
		{"192.168.0.0/16", "private"},
		{"198.18.0.0/15", "for benchmarks"},
		{"198.51.100.0/24", "for documentation"},
		{"203.0.113.0/24", "for documentation"},
		{"224.0.0.0/4", "multicast"},
		{"240.0.0.0/4", "reserved"},
		{"2001::/23", "reserved for protocols (Teredo, benchmarks, ORCHID)"},
		{"2001:db8::/32", "for documentation"},
		{"2002::/16", "6to4, which stands for an IPv4 address"},
		{"3fff::/20", "for documentation"},
	}
}

// metadata are the addresses at which clouds serve credentials to the machines
// they run. Networks that the operator opens do not open them, unless one of
// them is named by itself.
//
// Source: docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html,
// learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16,
// cloud.google.com/compute/docs/metadata/querying-metadata.
func metadata() []string {
	return []string{
		"169.254.169.254", // AWS, Azure, Google, Oracle, DigitalOcean
		"169.254.170.2",   // AWS, credentials of tasks
		"169.254.170.23",  // AWS, credentials of pods
		"168.63.129.16",   // Azure's platform, a public address
		"100.100.100.200", // Alibaba
		"192.0.0.192",     // Oracle
		"fd00:ec2::254",   // AWS
		"fd00:ec2::23",    // AWS, credentials of pods
		"fd20:ce::254",    // Google
	}
}

// block is a special block, parsed.
type block struct {
	prefix netip.Prefix
	why    string
}

func blocks() []block {
	var out []block
	for _, s := range specials() {
		out = append(out, block{netip.MustParsePrefix(s.block), s.why})
	}
	return out
}

const (
	global6 = "2000::/3"     // all of public unicast IPv6 that was given out so far
	nat64   = "64:ff9b::/96" // its last four bytes are an IPv4 address
)

// inside answers the IPv4 address that an address of NAT64 (RFC 6052) or ISATAP
// (RFC 5214) stands for.
func inside(a netip.Addr) (netip.Addr, bool) {
	if !a.Is6() {
		return netip.Addr{}, false
	}
	b := a.As16()
	isatap := b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe
	if !isatap && !netip.MustParsePrefix(nat64).Contains(a) {
		return netip.Addr{}, false
	}
	return netip.AddrFrom4([4]byte(b[12:])), true
}
