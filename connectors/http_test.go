package connectors_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"stanch/connectors"
	"stanch/connectors/egress"
)

// outside is a real TLS server that stands for the public Internet: its address
// is opened, under the names public.test and other.test.
type outside struct {
	*httptest.Server
	calls atomic.Int64
	heads chan http.Header
}

func serveOutside(t *testing.T, answer http.HandlerFunc) *outside {
	t.Helper()
	s := &outside{heads: make(chan http.Header, 64)}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.calls.Add(1)
		s.heads <- r.Header
		_, _ = io.Copy(io.Discard, r.Body)
		answer(w, r)
	}))
	s.Config.ErrorLog = quiet()
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// http answers an HTTP that resolves example.com and www.example.com, for which
// the certificate of httptest is good, to the server, and inside.example.com to
// the loopback address of IPv6. opened are the networks that may be reached.
func (s *outside) http(t *testing.T, opened ...string) *connectors.HTTP {
	t.Helper()
	guard, err := egress.New(egress.Policy{Networks: opened})
	if err != nil {
		t.Fatal(err)
	}
	h, err := connectors.NewHTTP(connectors.HTTPOptions{
		Name: "http", CA: certificate(s.Server), OnlyCA: true,
		Dialer: egress.Dialer{Guard: guard, Resolve: func(_ context.Context, host string) ([]netip.Addr, error) {
			if strings.HasPrefix(host, "inside.") {
				return []netip.Addr{netip.IPv6Loopback()}, nil
			}
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func (s *outside) at(t *testing.T, host, path string) *url.URL {
	t.Helper()
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	u, err := url.Parse("https://" + host + ":" + port + path)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

const loopback4 = "127.0.0.1"

func TestAGuardedRequestIsRefusedWhenItIsDialled(t *testing.T) {
	s := serveOutside(t, func(w http.ResponseWriter, _ *http.Request) { reply(w, 200, `{}`) })
	h := s.http(t)
	for _, host := range []string{"example.com", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]"} {
		_, err := h.Read(t.Context(), connectors.HTTPRequest{Op: "GET", Method: "GET", URL: s.at(t, host, "/secret-path")})
		e := wantCode(t, err, connectors.Refused, "refused", "egress.networks")
		if strings.Contains(e.Error(), "secret-path") {
			t.Errorf("the error tells the path: %v", e)
		}
		_, err = h.Send(t.Context(), soon(), connectors.HTTPRequest{Op: "POST", Method: "POST", URL: s.at(t, host, "/")})
		if e := wantCode(t, err, connectors.Refused); e.Unsure() {
			t.Errorf("nothing was sent, and it is unsure: %v", e)
		}
	}
	if n := s.calls.Load(); n != 0 {
		t.Errorf("%d requests came through", n)
	}
}

func TestEveryRedirectIsJudged(t *testing.T) {
	var to string
	s := serveOutside(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/end" {
			reply(w, 200, `{"host":"`+r.Host+`"}`)
			return
		}
		w.Header().Set("Location", to)
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
	h := s.http(t, loopback4)
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	for _, c := range []struct{ to, code, text string }{
		{"https://example.com:" + port + "/end", "", ""},
		{"/end", "", ""},
		{"https://www.example.com:" + port + "/end", "", "www.example.com"},
		{"https://inside.example.com:" + port + "/", "refused", "loopback"},
		{"https://[::1]:" + port + "/", "refused", "loopback"},
		{"https://169.254.169.254/latest/meta-data/", "refused", "metadata"},
		{"https://[::ffff:169.254.169.254]/", "refused", "metadata"},
		{"https://0x7f.1/", "refused", "unusual form"},
		{"https://2130706433/", "refused", "unusual form"},
		{"https://0.0.0.0/", "refused", "unspecified"},
		{"http://example.com:" + port + "/end", "refused", "does not lead to https"},
		{"file:///etc/passwd", "refused", "does not lead to https"},
		{"gopher://example.com/", "refused", "does not lead to https"},
		{"https://user:password@example.com:" + port + "/end", "refused", "https://host/path"},
		{"https://example.com:" + port + "/again", "refused", "more than 5"},
	} {
		to = c.to
		got, err := h.Read(t.Context(), connectors.HTTPRequest{Op: "GET", Method: "GET", URL: s.at(t, "example.com", "/")})
		if c.code == "" {
			if err != nil || !strings.Contains(string(got.Body), c.text) || got.Status != 200 {
				t.Errorf("%s: %d %s, %v", c.to, got.Status, got.Body, err)
			}
			continue
		}
		if e := wantCode(t, err, connectors.Code(c.code), c.text); strings.Contains(e.Error(), "password") {
			t.Errorf("the error tells a password: %v", e)
		}
	}
}

func TestACredentialStaysAtItsOrigin(t *testing.T) {
	var to string
	s := serveOutside(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/end" {
			reply(w, 200, `{}`)
			return
		}
		w.Header().Set("Location", to)
		w.WriteHeader(http.StatusFound)
	})
	h := s.http(t, loopback4)
	read := func(bound bool) error {
		_, err := h.Read(t.Context(), connectors.HTTPRequest{
			Op: "GET", Method: "GET", URL: s.at(t, "example.com", "/begin?x=1"), Bound: bound,
			Header: http.Header{"Authorization": {"Bearer s"}, "X-Own": {"s"}},
		})
		return err
	}
	to = "/end"
	if err := read(true); err != nil {
		t.Fatal(err)
	}
	if <-s.heads; (<-s.heads).Get("X-Own") != "s" {
		t.Error("within its origin a header is lost")
	}
	to = s.at(t, "www.example.com", "/end").String()
	wantCode(t, read(true), connectors.Refused, "for which the credential is not")
	<-s.heads
	if err := read(false); err != nil {
		t.Fatal(err)
	}
	<-s.heads
	if head := <-s.heads; head.Get("X-Own") != "" || head.Get("Authorization") != "" || head.Get("Referer") != "" {
		t.Errorf("elsewhere go along %v", head)
	}
}

func TestAChangeIsSentOnceAndFollowsNothing(t *testing.T) {
	s := serveOutside(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/cut":
			cut(w)
		case "/move":
			w.Header().Set("Location", "/end")
			w.WriteHeader(http.StatusTemporaryRedirect)
		default:
			reply(w, 200, `{}`)
		}
	})
	h := s.http(t, loopback4)
	send := func(path, method string, body []byte) (connectors.HTTPReply, error) {
		return h.Send(t.Context(), soon(), connectors.HTTPRequest{Op: method, Method: method, URL: s.at(t, "example.com", path), Body: body})
	}
	for _, method := range []string{"POST", "PUT", "DELETE"} {
		if _, err := send("/warm", method, nil); err != nil { // the connection stays open
			t.Fatal(err)
		}
		if head := <-s.heads; head.Get("Idempotency-Key") != "effect-1" || head.Get("Client-Request-Id") != "effect-1" {
			t.Errorf("%s: the effect's id is not in %v", method, head)
		}
		before := s.calls.Load()
		_, err := send("/cut", method, nil)
		if e := wantCode(t, err, connectors.Unavailable); !e.Unsure() {
			t.Errorf("%s: %v; want unsure", method, e)
		}
		if n := s.calls.Load() - before; n != 1 {
			t.Errorf("%s was sent %d times", method, n)
		}
		<-s.heads
	}
	r := connectors.HTTPRequest{Op: "POST", Method: "POST", URL: s.at(t, "example.com", "/move"), Body: []byte(`{}`)}
	before := s.calls.Load()
	got, err := h.Send(t.Context(), soon(), r)
	if err != nil || got.Status != 307 || s.calls.Load() != before+1 {
		t.Errorf("a redirect: %d, %v, %d calls", got.Status, err, s.calls.Load()-before)
	}
	if e := h.Judge(r, got, true); e.Unsure() || e.Code != connectors.Failed || !strings.Contains(e.Error(), "redirect") {
		t.Errorf("judged %v", e)
	}
	late := soon()
	late.SendBy = time.Now().Add(-time.Second)
	_, err = h.Send(t.Context(), late, r)
	wantCode(t, err, connectors.Refused, "not sent")
	_, err = h.Send(t.Context(), connectors.Change{}, r)
	wantCode(t, err, connectors.Invalid, "no effect id")
	frozen := soon()
	frozen.Frozen = func() error { return fmt.Errorf("frozen by alice") }
	_, err = h.Send(t.Context(), frozen, r)
	wantCode(t, err, connectors.Refused, "frozen by alice")
	if s.calls.Load() != before+1 {
		t.Error("what was refused was sent")
	}
}

func TestAnAnswerIsBounded(t *testing.T) {
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	for range 64 {
		_, _ = z.Write(make([]byte, 1<<20))
	}
	_ = z.Close()
	s := serveOutside(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/bomb":
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(bomb.Bytes())
		case "/nested":
			w.Header().Set("Content-Encoding", "br")
			_, _ = w.Write([]byte("x"))
		case "/heads":
			w.Header().Set("X-Much", strings.Repeat("x", 1<<17))
		case "/slow":
			<-r.Context().Done()
		default:
			_, _ = w.Write(make([]byte, 5000))
		}
	})
	h := s.http(t, loopback4)
	read := func(path string, most int64) (connectors.HTTPReply, error) {
		return h.Read(t.Context(), connectors.HTTPRequest{
			Op: "GET", Method: "GET", URL: s.at(t, "example.com", path), MaxBody: most, Timeout: 2 * time.Second,
		})
	}
	for _, path := range []string{"/bomb", "/much"} {
		_, err := read(path, 4999)
		wantCode(t, err, connectors.Limit, "larger than 4999 bytes")
	}
	if got, err := read("/much", 5000); err != nil || len(got.Body) != 5000 {
		t.Errorf("%d bytes, %v", len(got.Body), err)
	}
	_, err := read("/nested", 0)
	wantCode(t, err, connectors.Failed, "encoding")
	_, err = read("/heads", 0)
	wantCode(t, err, connectors.Limit, "headers")
	_, err = h.Read(t.Context(), connectors.HTTPRequest{Op: "GET", Method: "GET", URL: s.at(t, "example.com", "/slow"), Timeout: 50 * time.Millisecond})
	wantCode(t, err, connectors.Timeout)
}

// Through a proxy the request is the same, and its gate stands in the tunnel.
func TestAGuardedRequestGoesThroughTheProxy(t *testing.T) {
	s := serveOutside(t, func(w http.ResponseWriter, _ *http.Request) { reply(w, 200, `{}`) })
	asked := make(chan string, 4)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Method + " " + r.Host
		there, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			t.Error(err)
			return
		}
		here, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(there, here); there.Close() }()
		_, _ = io.Copy(here, there)
		here.Close()
	}))
	t.Cleanup(proxy.Close)
	guard, err := egress.New(egress.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	h, err := connectors.NewHTTP(connectors.HTTPOptions{Name: "http", CA: certificate(s.Server), OnlyCA: true, Dialer: egress.Dialer{
		Guard: guard, Proxy: &egress.Proxy{Address: proxy.Listener.Addr().String()},
		Resolve: func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("93.184.216.34")}, nil
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse("https://example.com/x")
	r := connectors.HTTPRequest{Op: "POST", Method: "POST", URL: u, Body: []byte(`{}`)}
	frozen := soon()
	frozen.Frozen = func() error { return fmt.Errorf("frozen") }
	_, err = h.Send(t.Context(), frozen, r)
	wantCode(t, err, connectors.Refused)
	turns := 0
	frozen.Frozen = func() error { // frozen after the tunnel stands and before the first byte of the request
		if turns++; turns > 1 {
			return fmt.Errorf("frozen meanwhile")
		}
		return nil
	}
	_, err = h.Send(t.Context(), frozen, r)
	if e := wantCode(t, err, connectors.Refused, "frozen meanwhile"); e.Unsure() || s.calls.Load() != 0 {
		t.Errorf("%v after %d calls", e, s.calls.Load())
	}
	if got, err := h.Send(t.Context(), soon(), r); err != nil || got.Status != 200 || s.calls.Load() != 1 {
		t.Errorf("%d, %v after %d calls", got.Status, err, s.calls.Load())
	}
	if got := <-asked; got != "CONNECT 93.184.216.34:443" {
		t.Errorf("the proxy was asked for %s", got)
	}
}
