package egress_test

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"stanch/connectors/egress"
)

func guard(t testing.TB, p egress.Policy) *egress.Guard {
	t.Helper()
	if p.Own == nil {
		p.Own = func() ([]net.Addr, error) { return nil, nil }
	}
	g, err := egress.New(p)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestAddresses(t *testing.T) {
	g := guard(t, egress.Policy{Own: func() ([]net.Addr, error) {
		return []net.Addr{&net.IPNet{IP: net.ParseIP("52.1.2.3"), Mask: net.CIDRMask(24, 32)}}, nil
	}})
	for address, why := range map[string]string{
		"93.184.216.34": "", "1.1.1.1": "", "2606:4700:4700::1111": "", "2a00:1450:4001:82a::200e": "", "64:ff9b::101:101": "", "::ffff:1.1.1.1": "",
		"0.0.0.0": "unspecified", "0.1.2.3": "unspecified", "10.1.2.3": "private", "100.64.0.1": "carrier-grade", "100.127.255.255": "carrier-grade",
		"127.0.0.1": "loopback", "127.255.255.254": "loopback", "169.254.1.1": "link-local", "172.16.0.1": "private", "172.31.255.255": "private",
		"192.168.1.1": "private", "192.0.2.1": "documentation", "198.51.100.7": "documentation", "203.0.113.9": "documentation",
		"198.18.0.1": "benchmarks", "198.19.255.255": "benchmarks", "192.88.99.1": "6to4", "224.0.0.1": "multicast", "239.1.1.1": "multicast",
		"240.0.0.1": "reserved", "255.255.255.255": "reserved", "192.0.0.8": "protocols",
		"169.254.169.254": "metadata", "168.63.129.16": "metadata", "100.100.100.200": "metadata", "fd00:ec2::254": "metadata", "192.0.0.192": "metadata",
		"::": "unspecified", "::1": "loopback", "fe80::1": "link-local", "fe80::1%eth0": "network card", "fc00::1": "unique-local", "fd12:3456::1": "unique-local",
		"ff02::1": "multicast", "2001:db8::1": "documentation", "3fff::1": "documentation", "2001::1": "Teredo", "2001:2::1": "benchmarks", "2001:20::1": "ORCHID",
		"2002:0a00:0001::1": "6to4", "2002:5db8:d822::1": "6to4", "64:ff9b::10.0.0.1": "stands for 10.0.0.1", "64:ff9b::a9fe:a9fe": "metadata",
		"64:ff9b:1::1": "reserved", "::ffff:127.0.0.1": "loopback", "::ffff:a9fe:a9fe": "metadata", "::127.0.0.1": "reserved", "::ffff:0:127.0.0.1": "reserved",
		"fec0::1": "reserved", "100::1": "reserved", "5f00::1": "reserved", "2606:4700::5efe:10.0.0.1": "stands for 10.0.0.1", "2606:4700::200:5efe:192.168.0.1": "stands for 192.168.0.1",
		"2606:4700::5efe:1.1.1.1": "", "52.1.2.3": "this machine", "52.1.2.4": "", "::ffff:52.1.2.3": "this machine",
	} {
		err := g.Address(netip.MustParseAddr(address))
		if why == "" && err != nil {
			t.Errorf("%s: %v; want none", address, err)
		}
		if why != "" && (err == nil || !strings.Contains(err.Error(), why)) {
			t.Errorf("%s: %v; want %s", address, err, why)
		}
		if r, is := errors.AsType[*egress.Refusal](err); err != nil && (!is || r.Hint == "") {
			t.Errorf("%s: %v says not what to do", address, err)
		}
	}
	if g.Address(netip.Addr{}) == nil {
		t.Error("no address is let through")
	}
}

func TestHosts(t *testing.T) {
	every, some := guard(t, egress.Policy{}), guard(t, egress.Policy{Hosts: []string{"api.example.com", "*.example.org", "1.1.1.1"}})
	for host, want := range map[string][2]bool{ // let through by every, by some
		"api.example.com": {true, true}, "API.Example.COM.": {true, true}, "a.b.example.org": {true, true}, "example.org": {true, false},
		"evilexample.org": {true, false}, "api.example.com.evil.test": {true, false}, "1.1.1.1": {true, true}, "[2606:4700:4700::1111]": {true, false},
		"127.0.0.1": {}, "127.1": {}, "2130706433": {}, "0x7f000001": {}, "0x7f.1": {}, "0177.0.0.1": {}, "127.0.0.1.": {}, "[::1]": {}, "[::ffff:10.0.0.1]": {},
		"0": {}, "1.2.3.4.5": {}, "foo.0x7f": {}, "foo.7": {}, "[fe80::1%25eth0]": {}, "": {}, ".": {}, "a..b": {}, "ex ample.com": {}, "exämple.com": {},
		"１２７.0.0.1": {}, "127。0。0。1": {}, "a\x00.example.com": {}, "example.com:80": {}, "user@example.com": {}, strings.Repeat("a", 64) + ".com": {},
	} {
		for i, g := range []*egress.Guard{every, some} {
			if err := g.Host(host); (err == nil) != want[i] {
				t.Errorf("host %q with policy %d: %v", host, i, err)
			}
		}
	}
}

func TestNetworksThatAreOpened(t *testing.T) {
	g := guard(t, egress.Policy{Networks: []string{"10.20.0.0/16", "127.0.0.1", "0.0.0.0/0", "fd00::/8", "169.254.170.2"}})
	for address, open := range map[string]bool{
		"10.20.3.4": true, "127.0.0.1": true, "192.168.0.1": true, "fd12::1": true, "::ffff:10.20.0.1": true, "64:ff9b::10.20.0.1": true,
		"169.254.169.254": false, "168.63.129.16": false, "fd00:ec2::254": false, "64:ff9b::a9fe:a9fe": false, "169.254.170.2": true, "fe80::1": false,
	} {
		if err := g.Address(netip.MustParseAddr(address)); (err == nil) != open {
			t.Errorf("%s: %v; want open %v", address, err, open)
		}
	}
	for _, bad := range []string{"", "10.20.0.1/16", "10.0.0.0/33", "::ffff:10.0.0.0/104", "ten", "10.0.0.0/8 ", "fe80::1%eth0"} {
		if _, err := egress.New(egress.Policy{Networks: []string{bad}}); err == nil || !strings.Contains(err.Error(), "expected") {
			t.Errorf("network %q: %v", bad, err)
		}
	}
	for _, bad := range []string{"", "*", "*.", "https://a.example", "a b", "*.*.example", "a/b"} {
		if _, err := egress.New(egress.Policy{Hosts: []string{bad}}); err == nil || !strings.Contains(err.Error(), "expected") {
			t.Errorf("host %q: %v", bad, err)
		}
	}
}

// plainly is the judgement of IPv4 by the standard library and the registry's
// list, written once more.
func plainly(a netip.Addr) bool {
	if !a.IsGlobalUnicast() || a.IsPrivate() || a == netip.MustParseAddr("168.63.129.16") {
		return false
	}
	for _, p := range []string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
	} {
		if netip.MustParsePrefix(p).Contains(a) {
			return false
		}
	}
	return true
}

// interesting draws an IPv4 address, mostly from the edges of special blocks.
func interesting(t *rapid.T) netip.Addr {
	edge := rapid.SampledFrom([]uint32{
		0, 0x0a000000, 0x0affffff, 0x64400000, 0x647fffff, 0x7f000000, 0x7fffffff, 0xa9fe0000, 0xa9fea9fe, 0xa9feffff, 0xac100000, 0xac1fffff,
		0xc0000000, 0xc00000c0, 0xc0000200, 0xc0586300, 0xc0a80000, 0xc0a8ffff, 0xc6120000, 0xc613ffff, 0xc6336400, 0xcb007100, 0xe0000000, 0xf0000000, 0xffffffff, 0xa83f8110,
	}).Draw(t, "edge")
	off := rapid.OneOf(rapid.Uint32Range(0, 2), rapid.Uint32()).Draw(t, "off")
	if rapid.Bool().Draw(t, "below") {
		off = -off
	}
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], edge+off)
	return netip.AddrFrom4(b)
}

// Whatever way an IPv4 address is wrapped into IPv6, it is refused if it is
// refused as it is.
func TestAWrappedAddressIsNoWayRound(t *testing.T) {
	g := guard(t, egress.Policy{})
	rapid.Check(t, func(t *rapid.T) {
		a := interesting(t)
		refused := g.Address(a) != nil
		if refused == plainly(a) {
			t.Fatalf("%s: refused is %v", a, refused)
		}
		v4 := a.As4()
		wrap := func(prefix string, at int, xor byte) netip.Addr {
			b := netip.MustParseAddr(prefix).As16()
			for i := range v4 {
				b[at+i] = v4[i] ^ xor
			}
			return netip.AddrFrom16(b)
		}
		for name, w := range map[string]netip.Addr{
			"mapped": wrap("::ffff:0:0", 12, 0), "NAT64": wrap("64:ff9b::", 12, 0), "ISATAP": wrap("2606:4700::5efe:0:0", 12, 0),
		} {
			if (g.Address(w) != nil) != refused {
				t.Fatalf("%s as %s %s: refused is %v", a, name, w, !refused)
			}
		}
		for name, w := range map[string]netip.Addr{
			"compatible": wrap("::", 12, 0), "translated": wrap("::ffff:0:0:0", 12, 0), "6to4": wrap("2002::1", 2, 0),
			"Teredo client": wrap("2001::", 12, 0xff), "Teredo server": wrap("2001::", 4, 0), "local NAT64": wrap("64:ff9b:1::", 12, 0),
		} {
			if g.Address(w) == nil {
				t.Fatalf("%s as %s %s is let through", a, name, w)
			}
		}
		if err := g.Control("tcp", netip.AddrPortFrom(netip.AddrFrom16(a.As16()), 443).String(), nil); (err != nil) != refused {
			t.Fatalf("%s: the dialer says %v", a, err)
		}
	})
}

// What the guard lets through as a host is a name in plain ASCII, or an address
// that it lets through.
func FuzzHost(f *testing.F) {
	for _, s := range []string{"example.com", "127.1", "[::1]", "0x7f.1", "a.0x", "1.1.1.1", "[::ffff:7f00:1]", "xn--e1afmkfd.test", "..", "[fe80::1%25a]", "::1", "2130706433."} {
		f.Add(s)
	}
	g := guard(f, egress.Policy{})
	f.Fuzz(func(t *testing.T, host string) {
		if g.Host(host) != nil {
			return
		}
		name := strings.TrimSuffix(strings.Trim(strings.ToLower(host), "[]"), ".")
		if a, err := netip.ParseAddr(name); err == nil {
			if g.Address(a) != nil {
				t.Errorf("%q is let through and its address is not", host)
			}
			return
		}
		last := name[strings.LastIndexByte(name, '.')+1:]
		if last == "" || strings.Trim(last, "0123456789") == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(":/@%?#[]\\", r) }) {
			t.Errorf("%q is let through", host)
		}
	})
}

func FuzzControl(f *testing.F) {
	f.Add("tcp", "127.0.0.1:80")
	f.Add("tcp6", "[::1]:80")
	f.Add("unix", "/run/docker.sock")
	g := guard(f, egress.Policy{})
	f.Fuzz(func(t *testing.T, network, address string) {
		if g.Control(network, address, nil) != nil {
			return
		}
		at, err := netip.ParseAddrPort(address)
		if err != nil || g.Address(at.Addr()) != nil || !strings.HasPrefix(network, "tcp") {
			t.Errorf("%s %s is let through", network, address)
		}
	})
}
