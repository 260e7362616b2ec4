package egress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Dialer connects to what its guard lets through.
type Dialer struct {
	Guard *Guard
	// Trusted are the addresses, as host:port, that the operator configured.
	// They are not judged.
	Trusted []string
	// Proxy, where set, is asked for every connection but those to Direct.
	Proxy *Proxy
	// Direct are the hosts (patterns as Policy.Hosts) that are reached without
	// the proxy.
	Direct []string
	// Resolve answers the addresses of a name; nil asks the system.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)
	// Timeout bounds one connection; default 10 s.
	Timeout time.Duration
}

// errNowhere is a name without addresses.
var errNowhere = errors.New("the name has no address")

// DialContext connects to addr, as host:port. A *Refusal in its error says
// that the guard let nobody there; then nothing was sent.
func (d *Dialer) DialContext(ctx context.Context, _, addr string) (net.Conn, error) {
	host, port, err := split(addr)
	if err != nil {
		return nil, &Refusal{Host: addr, Why: err.Error()}
	}
	timeout := d.Timeout
	if timeout <= 0 {
		timeout = 10 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	trusted := slices.Contains(d.Trusted, net.JoinHostPort(host, strconv.Itoa(int(port))))
	if !trusted {
		if err := d.Guard.Host(host); err != nil {
			return nil, err
		}
	}
	proxied := d.Proxy != nil && !matches(d.Direct, host)
	if proxied && trusted && d.Proxy.ByName {
		return d.Proxy.dial(ctx, net.JoinHostPort(host, strconv.Itoa(int(port))))
	}
	addresses, err := d.addresses(ctx, host)
	if err != nil {
		return nil, err
	}
	if !trusted {
		for _, a := range addresses { // one that is refused refuses all: the next answer may hold only that
			if err := d.Guard.Address(a); err != nil {
				refused, _ := errors.AsType[*Refusal](err)
				refused.Host = host
				return nil, refused
			}
		}
	}
	if !proxied {
		return d.direct(ctx, addresses, port, trusted)
	}
	if d.Proxy.ByName {
		return d.Proxy.dial(ctx, net.JoinHostPort(host, strconv.Itoa(int(port))))
	}
	return d.Proxy.dial(ctx, netip.AddrPortFrom(addresses[0], port).String())
}

// direct connects to the first address that answers.
func (d *Dialer) direct(ctx context.Context, addresses []netip.Addr, port uint16, trusted bool) (net.Conn, error) {
	dialer := net.Dialer{KeepAlive: 30 * time.Second}
	if !trusted {
		dialer.Control = d.Guard.Control
	}
	var failed error
	for _, a := range addresses {
		conn, err := dialer.DialContext(ctx, "tcp", netip.AddrPortFrom(a, port).String())
		if err == nil {
			return conn, nil
		}
		failed = err
	}
	return nil, failed
}

// addresses resolves a host; an address is itself. Of what stands for an IPv4
// address in IPv6 the IPv4 address is taken.
func (d *Dialer) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a.Unmap()}, nil
	}
	resolve := d.Resolve
	if resolve == nil {
		resolve = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	found, err := resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, &net.DNSError{Err: errNowhere.Error(), Name: host, IsNotFound: true}
	}
	for i := range found {
		found[i] = found[i].Unmap()
	}
	return found, nil
}

// HostPort answers the host:port of a URL's host in the form that Trusted has.
// scheme gives the port that is not written.
func HostPort(scheme, host string) (string, error) {
	if _, _, err := net.SplitHostPort(host); err != nil {
		switch scheme {
		case "https":
			host = net.JoinHostPort(canonical(host), "443")
		case "http":
			host = net.JoinHostPort(canonical(host), "80")
		}
	}
	name, port, err := split(host)
	if err != nil {
		return "", err
	}
	if err := form(name); err != nil {
		return "", err
	}
	return net.JoinHostPort(name, strconv.Itoa(int(port))), nil
}

func split(addr string) (host string, port uint16, err error) {
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, fmt.Errorf("it is no host with a port")
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 || strings.HasPrefix(text, "+") {
		return "", 0, fmt.Errorf("the port must be 1 to 65535")
	}
	return canonical(host), uint16(n), nil
}
