package egress_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"stanch/connectors/egress"
)

// listen answers "hello" to everybody and counts them.
func listen(t *testing.T) (addr string, calls *atomic.Int64) {
	t.Helper()
	calls = &atomic.Int64{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			calls.Add(1)
			go func() {
				defer c.Close()
				if line, err := bufio.NewReader(c).ReadString('\n'); err == nil {
					_, _ = io.WriteString(c, "hello "+line)
				}
			}()
		}
	}()
	return l.Addr().String(), calls
}

func names(m map[string][]string) func(context.Context, string) ([]netip.Addr, error) {
	return func(_ context.Context, host string) ([]netip.Addr, error) {
		var out []netip.Addr
		for _, a := range m[host] {
			out = append(out, netip.MustParseAddr(a))
		}
		return out, nil
	}
}

func refused(t *testing.T, err error, want string) {
	t.Helper()
	if r, is := errors.AsType[*egress.Refusal](err); !is || !strings.Contains(r.Error(), want) {
		t.Errorf("error %v; want a refusal: %s", err, want)
	}
}

func TestWhatANameStandsForIsJudged(t *testing.T) {
	addr, calls := listen(t)
	_, port, _ := net.SplitHostPort(addr)
	d := egress.Dialer{Guard: guard(t, egress.Policy{}), Resolve: names(map[string][]string{
		"inside.test": {"127.0.0.1"}, "half.test": {"93.184.216.34", "127.0.0.1"}, "mapped.test": {"::ffff:127.0.0.1"}, "nat64.test": {"64:ff9b::7f00:1"},
	})}
	for host, want := range map[string]string{
		"inside.test": "requests to inside.test at 127.0.0.1 are refused", "half.test": "loopback", "mapped.test": "loopback", "nat64.test": "stands for 127.0.0.1",
		"127.0.0.1": "loopback", "127.1": "unusual form", "::1": "loopback",
	} {
		_, err := d.DialContext(t.Context(), "tcp", net.JoinHostPort(host, port))
		refused(t, err, want)
	}
	if _, err := d.DialContext(t.Context(), "tcp", "nowhere.test:"+port); err == nil {
		t.Error("a name without an address is dialled")
	}
	if _, err := d.DialContext(t.Context(), "tcp", "inside.test:0"); err == nil {
		t.Error("port 0 is dialled")
	}
	if n := calls.Load(); n != 0 {
		t.Errorf("%d connections came through", n)
	}
}

// A name that stands for another address when it is resolved again is judged by
// the address that is dialled.
func TestRebindingIsJudgedWhenItIsDialled(t *testing.T) {
	addr, calls := listen(t)
	_, port, _ := net.SplitHostPort(addr)
	asked := 0
	d := egress.Dialer{Guard: guard(t, egress.Policy{Networks: []string{"127.0.0.2"}}), Resolve: func(context.Context, string) ([]netip.Addr, error) {
		asked++
		return []netip.Addr{netip.MustParseAddr([]string{"127.0.0.2", "127.0.0.1"}[min(asked-1, 1)])}, nil
	}}
	if conn, err := d.DialContext(t.Context(), "tcp", "turns.test:"+port); err == nil {
		conn.Close() // nothing listens there, on some systems
	} else if r, is := errors.AsType[*egress.Refusal](err); is {
		t.Errorf("the opened address is refused: %v", r)
	}
	_, err := d.DialContext(t.Context(), "tcp", "turns.test:"+port)
	refused(t, err, "127.0.0.1")
	if n := calls.Load(); n != 0 {
		t.Errorf("%d connections came through", n)
	}
}

// The socket is judged once more: what was public when the name was resolved
// and is this machine's when it connects is refused before a packet leaves.
func TestTheSocketIsJudgedToo(t *testing.T) {
	asked := 0
	g := guard(t, egress.Policy{Own: func() ([]net.Addr, error) {
		if asked++; asked == 1 {
			return nil, nil
		}
		return []net.Addr{&net.IPNet{IP: net.ParseIP("93.184.216.34"), Mask: net.CIDRMask(32, 32)}}, nil
	}})
	d := egress.Dialer{Guard: g, Resolve: names(map[string][]string{"turns.test": {"93.184.216.34"}})}
	_, err := d.DialContext(t.Context(), "tcp", "turns.test:443")
	refused(t, err, "this machine")
	if asked != 2 {
		t.Errorf("judged %d times, want twice", asked)
	}
}

func TestTheOperatorsAddressesAreNotJudged(t *testing.T) {
	addr, calls := listen(t)
	host, port, _ := net.SplitHostPort(addr)
	d := egress.Dialer{
		Guard: guard(t, egress.Policy{Hosts: []string{"other.test"}}), Trusted: []string{addr, "desk.test:" + port},
		Resolve: names(map[string][]string{"desk.test": {host}}),
	}
	for _, to := range []string{addr, "desk.test:" + port, "DESK.test.:" + port} {
		conn, err := d.DialContext(t.Context(), "tcp", to)
		if err != nil {
			t.Fatalf("%s: %v", to, err)
		}
		conn.Close()
	}
	_, err := d.DialContext(t.Context(), "tcp", host+":1")
	refused(t, err, "not among the hosts")
	for until := time.Now().Add(10 * time.Second); calls.Load() == 0; runtime.Gosched() {
		if time.Now().After(until) {
			t.Fatal("nobody came")
		}
	}
}

// proxy is a real proxy for CONNECT that notes what it is asked for, and
// connects wherever the test says.
func proxy(t *testing.T, secure bool, to string, user string) (*httptest.Server, func() []string) {
	t.Helper()
	asked := make(chan string, 16)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Method + " " + r.Host
		if user != "" && r.Header.Get("Proxy-Authorization") != "Basic "+user {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		if to == "" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		there, err := net.Dial("tcp", to)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		here, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(here, "HTTP/1.1 200 Connection established\r\n\r\n")
		go func() { _, _ = io.Copy(there, here); there.Close() }()
		_, _ = io.Copy(here, there)
		here.Close()
	}))
	if secure {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s, func() []string {
		var all []string
		for {
			select {
			case a := <-asked:
				all = append(all, a)
			default:
				return all
			}
		}
	}
}

func greet(t *testing.T, conn net.Conn) {
	t.Helper()
	defer conn.Close()
	if _, err := io.WriteString(conn, "you\n"); err != nil {
		t.Fatal(err)
	}
	if got, err := bufio.NewReader(conn).ReadString('\n'); err != nil || got != "hello you\n" {
		t.Errorf("heard %q, %v", got, err)
	}
}

func TestAProxyIsAskedForTheAddressThatWasJudged(t *testing.T) {
	target, _ := listen(t)
	resolve := names(map[string][]string{"public.test": {"93.184.216.34"}, "inside.test": {"10.0.0.1"}, "six.test": {"2606:4700:4700::1111"}})
	for _, secure := range []bool{false, true} {
		s, asked := proxy(t, secure, target, "")
		p := &egress.Proxy{Address: s.Listener.Addr().String(), TLS: secure}
		if secure {
			p.Roots = s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
		}
		d := egress.Dialer{Guard: guard(t, egress.Policy{}), Proxy: p, Direct: []string{"direct.test"}, Resolve: resolve}
		conn, err := d.DialContext(t.Context(), "tcp", "public.test:443")
		if err != nil {
			t.Fatal(err)
		}
		if tunnel, is := conn.(*tls.Conn); is != secure {
			t.Errorf("the tunnel is %T", tunnel)
		}
		greet(t, conn)
		if conn, err = d.DialContext(t.Context(), "tcp", "six.test:80"); err != nil {
			t.Fatal(err)
		}
		conn.Close()
		for _, host := range []string{"inside.test", "10.0.0.1", "169.254.169.254", "2130706433"} {
			_, err := d.DialContext(t.Context(), "tcp", host+":443")
			refused(t, err, "refused")
		}
		if got := strings.Join(asked(), ", "); got != "CONNECT 93.184.216.34:443, CONNECT [2606:4700:4700::1111]:80" {
			t.Errorf("the proxy was asked for %s", got)
		}
	}
}

func TestAProxyByNameIsAskedForNothingThatIsRefusedHere(t *testing.T) {
	target, _ := listen(t)
	s, asked := proxy(t, false, target, "dTpwYXNzd29yZA==")
	d := egress.Dialer{
		Guard: guard(t, egress.Policy{}), Trusted: []string{"desk.test:443"},
		Proxy:   &egress.Proxy{Address: s.Listener.Addr().String(), ByName: true, User: "u", Password: func() string { return "password" }},
		Resolve: names(map[string][]string{"public.test": {"93.184.216.34"}, "inside.test": {"10.0.0.1"}}),
	}
	for _, to := range []string{"public.test:443", "desk.test:443"} { // the second is known to the proxy alone
		conn, err := d.DialContext(t.Context(), "tcp", to)
		if err != nil {
			t.Fatal(err)
		}
		greet(t, conn)
	}
	_, err := d.DialContext(t.Context(), "tcp", "inside.test:443")
	refused(t, err, "private")
	if got := strings.Join(asked(), ", "); got != "CONNECT public.test:443, CONNECT desk.test:443" {
		t.Errorf("the proxy was asked for %s", got)
	}
}

func TestAProxyThatDoesNotConnectSaysWhy(t *testing.T) {
	resolve := names(map[string][]string{"public.test": {"93.184.216.34"}})
	closed, _ := proxy(t, false, "", "")
	wants, _ := proxy(t, false, "", "dTpwYXNzd29yZA==")
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mute.Close() })
	for at, want := range map[string]string{
		closed.Listener.Addr().String(): "does not connect (403 Forbidden)", wants.Listener.Addr().String(): "wants a user and password (407)",
		"127.0.0.1:1": "does not answer", mute.Addr().String(): "does not answer",
	} {
		d := egress.Dialer{Guard: guard(t, egress.Policy{}), Proxy: &egress.Proxy{Address: at}, Resolve: resolve, Timeout: 300e6}
		_, err := d.DialContext(t.Context(), "tcp", "public.test:443")
		if p, is := errors.AsType[*egress.ProxyError](err); !is || !strings.Contains(p.Error(), want) {
			t.Errorf("%s: %v; want %s", at, err, want)
		}
	}
}

func TestHostPort(t *testing.T) {
	for in, want := range map[string]string{
		"https Example.COM": "example.com:443", "http example.com": "example.com:80", "https example.com:8443": "example.com:8443",
		"https [::1]": "[::1]:443", "https [::1]:8443": "[::1]:8443", "ftp example.com": "", "https example.com:0": "", "https example.com:99999": "", "https a:b:c": "",
	} {
		scheme, host, _ := strings.Cut(in, " ")
		if got, err := egress.HostPort(scheme, host); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v; want %q", in, got, err, want)
		}
	}
}
