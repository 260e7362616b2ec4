package connectors

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of every connection.
const (
	dialTimeout     = 10 * time.Second
	maxHeaderBytes  = 64 << 10
	idleConnections = 256
)

// wire is the only way to the network: an HTTP/1.1 client that follows no
// redirect and whose connections know which request writes to them, so that a
// change is asked for the last time when its first byte is about to leave, and
// so that it is certain afterwards whether one left.
type wire struct{ http *http.Client }

func newWire(cloud Cloud) (*wire, error) {
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if cloud.Handler != nil {
		return &wire{&http.Client{CheckRedirect: stay, Transport: inProcess{cloud.Handler}}}, nil
	}
	roots, err := cloud.roots()
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}
	return &wire{&http.Client{
		CheckRedirect: stay,
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment,
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				conn, err := dialer.DialContext(ctx, network, addr)
				if err != nil {
					return nil, err
				}
				return &gatedConn{Conn: conn}, nil
			},
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
			TLSHandshakeTimeout:    dialTimeout,
			MaxResponseHeaderBytes: maxHeaderBytes,
			MaxIdleConnsPerHost:    idleConnections,
			IdleConnTimeout:        90 * time.Second,
			// HTTP/2 multiplexes requests over a connection and repeats some
			// by itself; one request per connection is what gates need.
			TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{},
		},
	}}, nil
}

// Do sends the request. A gate in its context is asked before the first byte
// and shut when Do returns: nothing leaves afterwards.
func (w *wire) Do(r *http.Request) (*http.Response, error) {
	g, _ := r.Context().Value(gateKey{}).(*gate)
	if g == nil {
		return w.http.Do(r)
	}
	g.open()
	r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) { g.stand(info.Conn) },
	}))
	res, err := w.http.Do(r)
	g.shut()
	if err != nil && g.refusal() != nil {
		return nil, g.refusal()
	}
	return res, err
}

type gateKey struct{}

// gate stands before the first byte of a changing request.
type gate struct {
	change *Change
	ctx    context.Context // the request's own: an ended one sends nothing more
	once   bool            // net/http would repeat a GET by itself: it must not

	mu      sync.Mutex
	closed  bool
	sent    bool
	refused error
}

var (
	errShut  = errors.New("the request has ended")
	errAgain = errors.New("the connection broke, and it is not sent again by itself")
)

// open lets the next attempt through: a request that was answered 401 with a
// claims challenge is sent once more with a new token.
func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed, g.sent = false, false
}

// stand places the gate before the next byte written to conn, under whatever
// layers of TLS.
func (g *gate) stand(conn net.Conn) {
	for conn != nil {
		if c, is := conn.(*gatedConn); is {
			c.gate.Store(g)
			return
		}
		layer, is := conn.(interface{ NetConn() net.Conn })
		if !is {
			break
		}
		conn = layer.NetConn()
	}
	g.mu.Lock() // no gate can stand there: count it as sent
	defer g.mu.Unlock()
	g.sent = true
}

// pass is asked by the connection before it writes.
func (g *gate) pass() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.refused == nil && !g.closed {
		g.refused = g.change.may()
	}
	switch {
	case g.refused != nil:
		return g.refused
	case g.closed:
		return errShut
	case g.once && g.sent:
		return errAgain
	case g.ctx.Err() != nil:
		return g.ctx.Err()
	}
	g.sent = true
	return nil
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
}

func (g *gate) refusal() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.refused
}

// passed reports whether a byte of the last attempt may have left.
func (g *gate) passed() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.sent
}

// gatedConn asks the gate that stands before it, once.
type gatedConn struct {
	net.Conn
	gate atomic.Pointer[gate]
}

func (c *gatedConn) Write(b []byte) (int, error) {
	if g := c.gate.Swap(nil); g != nil {
		if err := g.pass(); err != nil {
			return 0, err
		}
	}
	return c.Conn.Write(b)
}
