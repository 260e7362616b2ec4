package egress

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Proxy is a proxy for HTTP that is asked with CONNECT. It is the operator's
// word: its own address is not judged.
type Proxy struct {
	Address string         // host:port
	TLS     bool           // the proxy itself is reached by https
	Roots   *x509.CertPool // that it is trusted by; nil: the system's
	User    string         // "": it asks for none
	// Password answers the password of User, at each connection.
	Password func() string
	// ByName asks the proxy for names and not for the addresses that were
	// judged here: see the package about what that gives up.
	ByName bool
}

// maxConnect bounds what a proxy may answer to CONNECT, in bytes.
const maxConnect = 64 << 10

// ProxyError is a proxy that did not connect. Nothing was sent to the target.
type ProxyError struct {
	Proxy  string
	Status int // 0: it did not answer
	Cause  error
}

func (e *ProxyError) Error() string {
	switch {
	case e.Status == http.StatusProxyAuthRequired:
		return "the proxy " + e.Proxy + " wants a user and password (407)"
	case e.Status != 0:
		return fmt.Sprintf("the proxy %s does not connect (%d %s)", e.Proxy, e.Status, http.StatusText(e.Status))
	}
	return fmt.Sprintf("the proxy %s does not answer: %v", e.Proxy, e.Cause)
}

// Unwrap is the cause.
func (e *ProxyError) Unwrap() error { return e.Cause }

// dial connects to target by the proxy.
func (p *Proxy) dial(ctx context.Context, target string) (net.Conn, error) {
	dialer := net.Dialer{KeepAlive: 30 * time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", p.Address)
	if err != nil {
		return nil, &ProxyError{Proxy: p.Address, Cause: err}
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })
	through, err := p.connect(ctx, conn, target)
	if !stop() && err == nil { // its time passed just now
		err = &ProxyError{Proxy: p.Address, Cause: ctx.Err()}
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return through, nil
}

func (p *Proxy) connect(ctx context.Context, conn net.Conn, target string) (net.Conn, error) {
	fail := func(err error) (net.Conn, error) { return nil, &ProxyError{Proxy: p.Address, Cause: err} }
	if p.TLS {
		name, _, err := net.SplitHostPort(p.Address)
		if err != nil {
			return fail(err)
		}
		secure := tls.Client(conn, &tls.Config{ServerName: name, RootCAs: p.Roots, MinVersion: tls.VersionTLS12})
		if err := secure.HandshakeContext(ctx); err != nil {
			return fail(err)
		}
		conn = secure
	}
	ask := "CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n"
	if p.User != "" {
		ask += "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(p.User+":"+p.Password())) + "\r\n"
	}
	if _, err := io.WriteString(conn, ask+"\r\n"); err != nil {
		return fail(err)
	}
	in := bufio.NewReader(io.LimitReader(conn, maxConnect))
	res, err := http.ReadResponse(in, &http.Request{Method: http.MethodConnect}) //nolint:bodyclose // what follows the head is the tunnel
	if err != nil {
		return fail(err)
	}
	if res.StatusCode != http.StatusOK {
		return nil, &ProxyError{Proxy: p.Address, Status: res.StatusCode}
	}
	if in.Buffered() > 0 { // the target speaks only when it is spoken to
		return fail(fmt.Errorf("it sent more than its answer"))
	}
	return conn, nil
}
